"""Running programs and ending processes."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lab.errors import CommandFailed

__all__ = ["clean_environment", "run", "signal_all", "state_of", "wait_until"]

_PROC = Path("/proc")


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program and return what it printed on stdout, decoded as UTF-8.

    timeout: seconds.
    Raises CommandFailed where it fails, is not there, or does not end in time.
    """
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, timeout=timeout, env=env, cwd=cwd, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(argv, None, _text(late.stdout), _text(late.stderr)) from late
    except FileNotFoundError as missing:
        raise CommandFailed(argv, 127, "", str(missing)) from missing
    if done.returncode != 0:
        raise CommandFailed(argv, done.returncode, _text(done.stdout), _text(done.stderr))
    return _text(done.stdout)


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


def clean_environment() -> dict[str, str]:
    """Return our environment without what would lead a docker program to another engine or a proxy."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DOCKER_") and not name.lower().endswith("_proxy")
    }


def state_of(pid: int) -> str:
    """Return the process's state letter as in proc(5), `T` for stopped, or "" where it is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]


def signal_all(
    members: Callable[[], Iterable[int]], number: signal.Signals, *, timeout: float = 10
) -> set[int]:
    """Send a signal until every member shows its effect; return those that do not.

    timeout: seconds.
    `members` is asked again each round, since a process may fork while it is being signalled.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = {pid for pid in members() if not _has_taken(pid, number)}
        if not left or time.monotonic() > deadline:
            return left
        for pid in left:
            _signal(pid, number)
        time.sleep(0.02)


def _has_taken(pid: int, number: signal.Signals) -> bool:
    state = state_of(pid)
    match number:
        case signal.SIGKILL:
            return state in {"", "Z", "X"}
        case signal.SIGSTOP:
            return state in {"", "T", "t", "Z", "X"}
        case _:
            return state not in {"T", "t"}


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def wait_until(holds: Callable[[], bool], *, timeout: float, every: float = 0.02) -> bool:
    """Return True as soon as `holds()` does, False after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
