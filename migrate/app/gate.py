"""Where requests go: the plan's commands, run as they stand, without a shell."""

import shutil
import subprocess
import time
from collections.abc import Sequence

from swarmstead.errors import Refused, SwarmsteadError, Unreachable
from swarmstead.stop import Stop

from .plan import Entry
from .ports import Report

__all__ = ["CommandGate", "run_command"]

_PATIENCE_SECONDS = 60
_READY_SECONDS = 60
_AGAIN_SECONDS = 0.5
_WORDS = 500


def run_command(words: Sequence[str], *, name: str) -> None:
    """Run one command. Raises SwarmsteadError with its last words, Unreachable when it does not end."""
    try:
        done = subprocess.run(
            list(words), capture_output=True, timeout=_PATIENCE_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"no end after {_PATIENCE_SECONDS} s", subject=f"entry.{name}") from None
    except OSError as error:
        raise Refused(f"cannot be started: {error.strerror}", subject=f"entry.{name}: {words[0]}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-_WORDS:]
        raise SwarmsteadError(f"exit code {done.returncode}: {said}", subject=f"entry.{name}")


class CommandGate:
    """The entry that the plan's commands steer."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def check(self) -> Report:
        """Look whether the commands' programs exist."""
        for name in ("hold", "to_new", "to_old", "ready"):
            program = next(iter(getattr(self._entry, name)), "true")
            if shutil.which(program) is None:
                raise Refused("there is no such program", subject=f"entry.{name}: {program}")
        return {}

    def wait_ready(self, stop: Stop) -> None:
        """Run ``ready``, where there is one, until it succeeds. Raises its error when that takes too long."""
        end = time.monotonic() + _READY_SECONDS
        while self._entry.ready:
            stop.check()
            try:
                run_command(self._entry.ready, name="ready")
            except SwarmsteadError:
                if time.monotonic() > end:
                    raise
                stop.wait(_AGAIN_SECONDS)
            else:
                return

    def to_new(self) -> None:
        """Run ``to_new``."""
        run_command(self._entry.to_new, name="to_new")

    def to_old(self) -> None:
        """Run ``to_old``."""
        run_command(self._entry.to_old, name="to_old")

    def commands(self) -> dict[str, list[str]]:
        """Return what the guard may have to run."""
        return {name: list(getattr(self._entry, name)) for name in ("hold", "to_new", "to_old")}
