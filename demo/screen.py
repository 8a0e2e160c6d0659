"""What a person sees of the demo: the steps, the live figures, and at the end the report."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

__all__ = ["Figures", "Screen"]

Figures = Mapping[str, str]
_MARKS = {"done": ("✓", "green"), "failed": ("✗", "red"), "waiting": ("·", "dim")}


@dataclass
class _Step:
    title: str
    state: str = "waiting"
    seconds: float = 0
    note: str = ""
    started: float = 0


class Screen:
    """Steps above, live figures below; off a terminal, one line per finished step.

    figures: asked twice a second for what to show, name to value; may return nothing yet.
    """

    def __init__(self, console: Console, titles: list[str], figures: Callable[[], Figures]) -> None:
        self.console = console
        self._steps = {title: _Step(title) for title in titles}
        self._figures = figures
        self._shown: Figures = {}
        self._end = threading.Event()

    @property
    def seconds(self) -> dict[str, float]:
        """Return how long each finished step took."""
        return {step.title: round(step.seconds, 1) for step in self._steps.values() if step.state == "done"}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the screen alive inside this context."""
        if not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self._render, console=self.console, refresh_per_second=8):
            watcher = threading.Thread(target=self._watch, daemon=True)
            watcher.start()
            try:
                yield
            finally:
                self._end.set()
                watcher.join()

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            self._shown = self._figures()

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Run one step; the function it gives sets the note shown beside the title."""
        step = self._steps[title]
        step.state, step.started = "running", time.monotonic()

        def note(text: str) -> None:
            step.note = text

        try:
            yield note
        except BaseException:
            self._finish(step, "failed")
            raise
        self._finish(step, "done")

    def _finish(self, step: _Step, state: str) -> None:
        step.state, step.seconds = state, time.monotonic() - step.started
        if not self.console.is_terminal:
            mark = _MARKS[state][0]
            self.console.print(
                f"{mark} {step.title} ({step.seconds:.1f} s) {step.note}".rstrip(), markup=False
            )

    def _render(self) -> RenderableType:
        steps = Table.grid(padding=(0, 1))
        for step in self._steps.values():
            steps.add_row(self._mark(step), Text(step.title), self._time(step), Text(step.note, style="dim"))
        figures = Table.grid(padding=(0, 2))
        for name, value in self._shown.items():
            figures.add_row(Text(name, style="dim"), Text(value, style="bold"))
        if not self._shown:
            return steps
        return Group(steps, Panel(figures, title="live, from Prometheus", border_style="dim", expand=False))

    @staticmethod
    def _mark(step: _Step) -> RenderableType:
        if step.state == "running":
            return Spinner("dots", style="cyan")
        mark, style = _MARKS[step.state]
        return Text(mark, style=style)

    @staticmethod
    def _time(step: _Step) -> Text:
        if step.state == "waiting":
            return Text("")
        seconds = time.monotonic() - step.started if step.state == "running" else step.seconds
        return Text(f"{seconds:.1f} s", style="dim")
