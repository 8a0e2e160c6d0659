"""The ledger: a step is done once, whatever kills the process; two processes never share one."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from migrate.ledger import Ledger
from swarmstead.errors import Busy, InputError


def test_a_step_is_done_once_and_its_result_is_kept(tmp_path: Path) -> None:
    calls: list[int] = []

    def copy() -> dict[str, int]:
        calls.append(1)
        return {"files": 3}

    for _ in range(2):
        with Ledger(tmp_path / "job") as ledger:
            assert ledger.step("copy", copy) == {"files": 3}
    assert calls == [1]


def test_what_a_step_saves_and_its_record_commit_together(tmp_path: Path) -> None:
    path = tmp_path / "job"
    schema = "create table if not exists moved (n integer) strict;"

    def save(db: sqlite3.Connection, result: object) -> None:
        db.execute("insert into moved values (1)")
        raise OSError("no space")

    with Ledger(path, schema=schema) as ledger:
        with pytest.raises(OSError, match="no space"):
            ledger.step("move", lambda: 1, save)
        assert not ledger.done("move")
        assert ledger.db.execute("select count(*) from moved").fetchone() == (0,)


KILLED_BETWEEN = """
import os, signal, sys
from pathlib import Path
from migrate.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.step("first", lambda: 1)
ledger.step("second", lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_kill_in_a_step_leaves_it_pending_and_the_lock_free(tmp_path: Path) -> None:
    path = tmp_path / "job"
    ended = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, path], check=False, cwd=Path.cwd())
    assert ended.returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        assert list(ledger.steps()) == ["first"]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path / "job"), pytest.raises(Busy, match="another process"):
        Ledger(tmp_path / "job")


def test_the_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    os.umask(0o022)
    with Ledger(tmp_path / "state" / "job") as ledger:
        ledger.note("plan", [1])
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert modes == {0o600}


def test_a_file_that_is_no_ledger_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "job"
    path.write_text("something else entirely, and long enough to be no database header at all")
    with pytest.raises(InputError, match="Move it away"):
        Ledger(path)
    assert path.read_text().startswith("something else")
    with pytest.raises(InputError):
        Ledger(path)


def test_notes_and_undo(tmp_path: Path) -> None:
    with Ledger(tmp_path / "job") as ledger:
        assert ledger.noted("x", 7) == 7
        ledger.note("x", {"a": 1})
        assert ledger.noted("x") == {"a": 1}
        ledger.step("s", lambda: None)
        ledger.undo("s")
        assert not ledger.done("s")
        with pytest.raises(KeyError):
            ledger.result("s")
