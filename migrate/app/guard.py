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
_COMMIT, _DONE = "commit", "done"


class Guard:
    """Our end of the pipes."""

    def __init__(self, process: "subprocess.Popen[str]", mark: Path) -> None:
        self._process, self._mark = process, mark

    def commit(self) -> None:
        """From now on there is only forward. Returns when that is on disk."""
        self._say(_COMMIT)
        if self._process.stdout is None or self._process.stdout.readline().strip() != _COMMIT:
            raise SwarmsteadError("the guard of the switch ended", hint="Run the same command again.")

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
def guarded(*, back: Sequence[str], forward: Sequence[str], mark: Path, lock: int) -> Iterator[Guard]:
    """Start a guard. back, forward: commands. mark: the file that says committed. lock: descriptor to hold.

    Left without `Guard.done`, it acts as if we had died.
    """
    words = json.dumps({"back": list(back), "forward": list(forward), "mark": str(mark)})
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(_PROCESS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(lock,),
        start_new_session=True,  # Ctrl-C at our terminal is not for it
    ) as process:
        guard = Guard(process, mark)
        guard._say(words)  # noqa: SLF001 - its first line
        yield guard
