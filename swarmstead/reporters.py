"""Which reporter a command uses."""

from swarmstead.progress import JsonReporter, QuietReporter, Reporter

__all__ = ["reporter"]


def reporter(*, as_json: bool = False, quiet: bool = False) -> Reporter:
    """Return the reporter that ``--json`` and ``--quiet`` ask for."""
    if as_json:
        return JsonReporter()
    if quiet:
        return QuietReporter()
    from swarmstead.terminal import TerminalReporter  # noqa: PLC0415 - what a script does not wait for

    return TerminalReporter()
