"""SIGINT and SIGTERM end a command cleanly, with the exit code that shells expect."""

import signal
import subprocess
import sys
import time

import pytest

LONG_WORK = """
import sys, click
from swarmstead.command import run
from swarmstead.stop import stop_on_signals

@click.command(name="work")
@click.option("--json", is_flag=True)
@click.option("--stubborn", is_flag=True)
def work(json, stubborn):
    with stop_on_signals() as stop:
        print("working", flush=True)
        while True:
            stop.wait(60)
            if not stubborn:
                stop.check()

sys.exit(run(work))
"""


def start(*flags: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LONG_WORK, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_work_between_steps(number: signal.Signals, code: int) -> None:
    process = start()
    process.send_signal(number)
    _, words = process.communicate(timeout=10)
    assert process.returncode == code
    assert "goes on where it was" in words
    assert "Traceback" not in words


def test_with_json_the_last_line_is_an_object() -> None:
    process = start("--json")
    process.terminate()
    _, words = process.communicate(timeout=10)
    assert '"kind": "Stopped"' in words.splitlines()[-1]


def test_a_second_signal_ends_at_once() -> None:
    process = start("--stubborn")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
