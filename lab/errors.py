"""What can go wrong in the lab.

::

    LabError                1   anything in the lab that went wrong
    ├── LabUnavailable      5   this machine cannot hold a lab; nothing was changed
    ├── CommandFailed       1   a program we ran (docker, ip, ...) failed; carries its output
    └── EngineError         1   a dockerd refused a request; carries its HTTP status
"""

from collections.abc import Sequence

from swarmstead.errors import SwarmsteadError

__all__ = ["CommandFailed", "EngineError", "LabError", "LabUnavailable"]


class LabError(SwarmsteadError):
    """Something in the lab went wrong: `message` says what, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "", *, subject: str = "") -> None:
        super().__init__(message, subject=subject, hint=hint)


class LabUnavailable(LabError):
    """This machine lacks something that a lab needs; nothing was changed."""

    exit_code = 5


class CommandFailed(LabError):
    """A program ended with an exit code other than 0, or not in time (`returncode` is then None)."""

    def __init__(self, argv: Sequence[str], returncode: int | None, stdout: str, stderr: str) -> None:
        self.argv = list(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        how = "did not end in time" if returncode is None else f"failed with exit code {returncode}"
        said = (stderr.strip() or stdout.strip())[-2000:]
        super().__init__(f"`{' '.join(self.argv)[:300]}` {how}" + (f": {said}" if said else ""))


class EngineError(LabError):
    """A dockerd answered with an error. `status` is HTTP's, 0 where it did not answer at all."""

    def __init__(self, message: str, *, status: int, subject: str) -> None:
        self.status = status
        super().__init__(message, subject=subject)
