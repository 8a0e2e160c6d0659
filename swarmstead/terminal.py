"""Progress for a person: lines and bars."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from swarmstead.logs import masked
from swarmstead.progress import Job

__all__ = ["TerminalReporter"]


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: int = 1) -> None:
        self._progress.advance(self._task, amount)

    def expect(self, total: int) -> None:
        self._progress.update(self._task, total=total)


class TerminalReporter:
    """Lines and bars on standard error: bars and colours only where that is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)

    def event(self, name: str, /, **fields: object) -> None:
        """Do nothing: a person reads what `say` and the bars tell."""

    def say(self, text: str) -> None:
        """Print the line."""
        self._console.print(masked(text), markup=False)

    @contextmanager
    def job(self, title: str, *, total: int | None = None, unit: str = "items") -> Iterator[Job]:
        """Show a bar with rate and time left; off a terminal, one line at the end."""
        counts: list[ProgressColumn] = (
            [DownloadColumn(), TransferSpeedColumn()]
            if unit == "bytes"
            else [MofNCompleteColumn(), TextColumn(unit)]
        )
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *counts,
            TimeRemainingColumn(),
            console=self._console,
        ) as progress:
            yield _Bar(progress, progress.add_task(title, total=total))
