"""Names and numbers: nothing of one lab can be taken for another's."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab.errors import CommandFailed, LabError
from lab.network import first_free
from lab.process import clean_environment, run, signal_all, state_of, wait_until
from lab.state import MOST_NODES, Record, home, locked, names, root


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMSTEAD_LAB_DIR", str(tmp_path / "labs"))


@pytest.mark.parametrize("name", ["", "1a", "A", "a/b", "..", "a b", "a" * 21])
def test_names_that_could_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="Not a name"):
        home(name)


def test_a_record_comes_back_as_it_was_and_a_broken_one_is_none() -> None:
    record = Record("one", 78, 3, 1, 4711)
    home("one").mkdir(parents=True)
    assert Record.load("one") is None
    record.save()
    assert Record.load("one") == record
    assert names() == ["one"]
    (home("one") / "lab.json").write_text('{"name": "one"')
    assert Record.load("one") is None


def test_link_names_fit_the_kernel() -> None:
    record = Record("a" * 20, 255, MOST_NODES, 1, 1)
    assert len(record.link(MOST_NODES)) <= 15
    assert record.address(MOST_NODES) == "10.255.0.19"


def test_the_first_free_number_avoids_labs_links_and_routes() -> None:
    routes = [{"dst": "default"}, {"dst": "10.79.0.0/16"}, {"dst": "fe80::/64"}, {"dst": "10.80.0.5"}]
    assert first_free({77}, {"swl78"}, routes) == 81
    with pytest.raises(LabError, match="No subnet"):
        first_free(set(), set(), [{"dst": "10.0.0.0/8"}])


def test_a_lock_that_another_holds_is_told() -> None:
    root().mkdir(parents=True)
    with locked(root()), pytest.raises(LabError, match="Another process"), locked(root(), timeout=0.1):
        pass
    with locked(root(), timeout=0):
        pass


def test_run_tells_what_failed() -> None:
    assert run(["echo", "x"]) == "x\n"
    with pytest.raises(CommandFailed, match="exit code 3: no luck") as failed:
        run(["sh", "-c", "echo no luck >&2; exit 3"])
    assert (failed.value.returncode, failed.value.stderr) == (3, "no luck\n")
    with pytest.raises(CommandFailed, match="did not end in time"):
        run(["sleep", "5"], timeout=0.05)
    with pytest.raises(CommandFailed, match="127"):
        run(["no-such-program"])


def test_no_setting_of_the_users_docker_reaches_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://elsewhere")
    monkeypatch.setenv("https_proxy", "http://proxy")
    assert not {"DOCKER_HOST", "https_proxy"} & set(clean_environment())
    assert clean_environment()["PATH"] == os.environ["PATH"]


def test_signals_are_sent_until_they_show() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert signal_all(lambda: {process.pid}, signal.SIGSTOP) == set()
        assert state_of(process.pid) == "T"
        assert signal_all(lambda: {process.pid}, signal.SIGCONT) == set()
        assert signal_all(lambda: {process.pid}, signal.SIGKILL) == set()
    assert state_of(process.pid) == ""
    assert not wait_until(lambda: False, timeout=0.01)
