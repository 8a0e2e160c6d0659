"""The error tree, and the exit code of each kind.

::

    SwarmsteadError           1   anything else that went wrong
    ├── UsageError            2   flags or settings do not fit
    ├── InputError            3   a file, line or value given to us is not what it should be
    ├── Different             4   a check ran to its end and found differences
    ├── Refused               5   a precondition does not hold; nothing was changed
    ├── Unreachable           6   a server did not answer, or not in time        (retry)
    │   └── Throttled         6   it answered: slow down                         (retry, after a wait)
    ├── Denied                7   credentials or rights do not suffice
    ├── Exhausted             8   disk, memory, quota or spending cap is full
    ├── Corrupt               9   bytes are not those that were promised         (retry)
    ├── Busy                 10   another process holds the lock                 (retry)
    └── Stopped         130/143   SIGINT or SIGTERM: work so far is kept

An error says what happened, to what (`subject`) and what to do next (`hint`). It never holds a
secret or a session id: whoever raises it gives a name or a keyed hash instead.
`docs/exit-codes.md` is held to this table by a test.
"""

from typing import ClassVar

__all__ = [
    "Busy",
    "Corrupt",
    "Denied",
    "Different",
    "Exhausted",
    "InputError",
    "Refused",
    "Stopped",
    "SwarmsteadError",
    "Throttled",
    "Unreachable",
    "UsageError",
]


class SwarmsteadError(Exception):
    """Something went wrong.

    what: one sentence, no final full stop.
    subject: the file (with line), key, host or service it happened to.
    hint: what to do next, as a command where one helps.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, subject: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.subject = subject
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.subject}: " if self.subject else ""
        then = f"\n  {self.hint}" if self.hint else ""
        return f"{where}{self.what}{then}"

    def as_dict(self) -> dict[str, object]:
        """Return the error as the last JSON object of a run with ``--json``."""
        return {
            "event": "error",
            "kind": type(self).__name__,
            "what": self.what,
            "subject": self.subject,
            "hint": self.hint,
            "retryable": self.retryable,
            "exit_code": self.exit_code,
        }


class UsageError(SwarmsteadError):
    """Flags or settings do not fit."""

    exit_code = 2


class InputError(SwarmsteadError):
    """A file, line or value given to us is not what it should be."""

    exit_code = 3


class Different(SwarmsteadError):
    """A check ran to its end and found differences."""

    exit_code = 4


class Refused(SwarmsteadError):
    """A precondition does not hold; nothing was changed."""

    exit_code = 5


class Unreachable(SwarmsteadError):
    """A server did not answer, or not in time."""

    exit_code = 6
    retryable = True


class Throttled(Unreachable):
    """A server asked us to slow down. `wait_seconds` is its own word, or 0."""

    def __init__(self, what: str, *, subject: str = "", hint: str = "", wait_seconds: float = 0) -> None:
        super().__init__(what, subject=subject, hint=hint)
        self.wait_seconds = wait_seconds


class Denied(SwarmsteadError):
    """Credentials or rights do not suffice."""

    exit_code = 7


class Exhausted(SwarmsteadError):
    """Disk, memory, quota or spending cap is full."""

    exit_code = 8


class Corrupt(SwarmsteadError):
    """Bytes are not those that were promised."""

    exit_code = 9
    retryable = True


class Busy(SwarmsteadError):
    """Another process holds the lock."""

    exit_code = 10
    retryable = True


class Stopped(SwarmsteadError):
    """A signal asked us to stop; what was done is recorded, and a new run goes on from there."""

    exit_code = 130

    def __init__(self, signal_number: int) -> None:
        super().__init__("stopped", hint="Run the same command again: it goes on where it was.")
        self.signal_number = signal_number
