"""Users must not wait for ever because we were killed while requests were held: a second process sees to it.

While requests are held, the guard waits at a pipe whose other end is ours. When we die, the kernel closes
it, and the guard sends requests back to where they came from; or, if the switch was already committed,
on to where they were to go. The commit is a file that the guard itself makes, so what it does and what the
next run reads cannot differ. It holds the ledger's lock till it is done, so that a next run waits for it.

(Killed at the same moment as we, as when the host loses power, it cannot help: requests then wait until the
same command is run again.)
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from swarmstead.errors import SwarmsteadError

__all__ = ["Guard", "guarded"]

_PROCESS = Path(__file__).with_name("guard_process.py")
_HOLD, _COMMIT, _DONE = "hold", "commit", "done"


class Guard:
    """Our end of the pipes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def hold(self) -> None:
        """Hold requests. Raises SwarmsteadError with the command's last words.

        The guard runs the command, one after the other with what it does when we die: a `hold` of ours that
        outlived us might take effect after requests were sent back.
        """
        self._say(_HOLD)
        answer = json.loads(self._hear())
        if answer["code"]:
            raise SwarmsteadError(f"exit code {answer['code']}: {answer['said']}", subject="entry.hold")

    def commit(self) -> None:
        """From now on there is only forward. Returns when that is on disk."""
        self._say(_COMMIT)
        self._hear()

    def _hear(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SwarmsteadError("the guard of the switch ended", hint="Run the same command again.")
        return line

    def done(self) -> None:
        """Nothing is left to do, whichever way it went."""
        self._say(_DONE)

    def _say(self, word: str) -> None:
        if self._process.stdin is None:
            raise SwarmsteadError("the guard of the switch has no pipe")
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SwarmsteadError(
                "the guard of the switch ended", hint="Run the same command again."
            ) from None


@contextmanager
def guarded(
    *, hold: Sequence[str], back: Sequence[str], forward: Sequence[str], mark: Path, lock: int
) -> Iterator[Guard]:
    """Start a guard.

    hold, back, forward: commands. mark: the file that says committed. lock: a descriptor it keeps open.
    Left without `Guard.done`, it acts as if we had died.
    """
    job = {"hold": list(hold), "back": list(back), "forward": list(forward), "mark": str(mark)}
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(_PROCESS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(lock,),
        start_new_session=True,  # Ctrl-C at our terminal is not for it
    ) as process:
        guard = Guard(process)
        guard._say(json.dumps(job))  # noqa: SLF001 - its first line
        yield guard
