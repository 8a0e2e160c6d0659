"""What the docs say of commands and exit codes is what the programs do."""

import re
import subprocess
import sys
from pathlib import Path

from swarmstead import errors

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


def test_exit_codes_are_those_of_the_error_tree() -> None:
    rows = re.findall(
        r"^\| (\d+) \| (\w+) \|.*\| (yes|no) \|$", (DOCS / "exit-codes.md").read_text(), re.MULTILINE
    )
    written = {(int(code), kind, retry == "yes") for code, kind, retry in rows}
    kinds = [getattr(errors, name) for name in errors.__all__]
    known = {(kind.exit_code, kind.__name__, kind.retryable) for kind in kinds}
    assert written == known | {(143, "Stopped", False)}


def test_the_command_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "build_cli.py"), "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, f"run: python docs/build_cli.py {done.stderr.decode()}"
    assert "\\b" not in (DOCS / "cli.md").read_text(), "a raw docstring: click would show its marks"


def test_every_command_is_described() -> None:
    text = (DOCS / "cli.md").read_text()
    for name in (
        "migrate app",
        "migrate verify",
        "migrate rollback",
        "migrate cache serve",
        "swarm-exporter",
    ):
        assert re.search(rf"^#+ {name}$", text, re.MULTILINE), name
    assert "No description" not in text


def test_every_bug_of_the_table_has_its_test() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "cache.md").read_text()))
    assert len(named) > 30
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named <= there, f"not there: {sorted(named - there)}"
