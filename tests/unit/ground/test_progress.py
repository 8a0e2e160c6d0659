"""JSON events are one object a line on standard output; a terminal's lines never hold a known secret."""

import io
import json

import pytest
from rich.console import Console

from swarmstead.logs import hide
from swarmstead.reporters import reporter
from swarmstead.terminal import TerminalReporter


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tell = reporter(as_json=True)
    tell.say("for people")
    tell.event("copied", files=3)
    with tell.job("copy", unit="bytes") as job:
        job.expect(10)
        job.advance(10)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"event": "copied", "files": 3}
    assert (lines[-1]["event"], lines[-1]["done"], lines[-1]["total"]) == ("done", 10, 10)


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    tell = reporter(quiet=True)
    tell.say("x")
    with tell.job("copy") as job:
        job.advance()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize("unit", ["bytes", "files"])
def test_a_bar_counts_and_secrets_are_masked(unit: str) -> None:
    screen = io.StringIO()
    tell = TerminalReporter(Console(file=screen, width=100))
    tell.say("key " + hide("s3cr3t-key"))
    with tell.job("Copying", total=2, unit=unit) as job:
        job.advance(2)
    assert "s3cr3t-key" not in screen.getvalue()
    assert "2/2" in screen.getvalue()
