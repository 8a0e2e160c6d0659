"""What every bench shares: interleaved rounds beside a peer, medians, ``--quick``, a table or ``--json``.

::

    def main() -> None:
        bench = Bench(__doc__)                      # reads --quick, --json, --rounds
        lines = 20_000 if bench.quick else 1_000_000
        bench.compare("json", unit="lines per CPU-second", ours=lambda: ours(lines),
                      peer=lambda: mtail(lines), peer_name="mtail", program="mtail")
        bench.compare("rss", unit="MiB", ours=..., better="less")   # no peer: ratio stays empty
        bench.done()

A measurement is a function that returns one number (a rate, seconds, bytes). Rounds alternate ours and the
peer's, in turned order every other round, so that what else runs on the machine hits both alike.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Bench", "Result", "as_installed", "children_cpu_seconds", "measure_cpu", "peak_of"]

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. ratio: how many times better ours is than the peer's; None without a peer."""

    figure: str
    ours: float
    peer: float | None
    peer_name: str
    unit: str
    ratio: float | None
    rounds: int


def as_installed(folder: Path) -> dict[str, str]:
    """Return an environment in which our modules are compiled once, below `folder`, as pip compiles them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def children_cpu_seconds() -> float:
    """Return the CPU-seconds, user and system, of all child processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_cpu(work: Callable[[], object]) -> tuple[float, float]:
    """Run `work` in this process; return the seconds on the wall and the CPU-seconds that it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _ratio(ours: float, peer: float, better: Better) -> float | None:
    above, below = (ours, peer) if better == "more" else (peer, ours)
    return above / below if below else None


class Bench:
    """Collects figures and prints them at the end.

    about: the bench's docstring. arguments: for a bench that calls this from code; None reads argv.
    """

    def __init__(self, about: str | None, arguments: list[str] | None = None, *, rounds: int = 5) -> None:
        parser = argparse.ArgumentParser(description=about)
        parser.add_argument("--quick", action="store_true", help="a smaller input, within a minute")
        parser.add_argument("--json", action="store_true", help="print one array of figures")
        parser.add_argument(
            "--rounds", type=int, default=0, help=f"rounds per figure (else {rounds}, quick 3)"
        )
        parser.add_argument("--only", default="", help="only figures whose name holds this text")
        options = parser.parse_args(arguments)
        self.quick: bool = options.quick
        self._json: bool = options.json
        self._only: str = options.only
        self.rounds: int = options.rounds or (min(3, rounds) if self.quick else rounds)
        self.results: list[Result] = []

    def wants(self, figure: str) -> bool:
        """Return whether the figure was asked for, so that a costly preparation can be left out."""
        return self._only in figure

    def compare(
        self,
        figure: str,
        *,
        unit: str,
        ours: Callable[[], float],
        peer: Callable[[], float] | None = None,
        peer_name: str = "",
        program: str = "",
        better: Better = "more",
        rounds: int | None = None,
    ) -> Result | None:
        """Measure a figure, beside a peer where there is one; return it, or None when not asked for.

        program: what the peer needs on the PATH; without it the figure is ours alone, and that is said.
        better: whether more or less of the unit is better.
        """
        if not self.wants(figure):
            return None
        if peer is not None and program and shutil.which(program) is None:
            self.say(f"{figure}: the peer {peer_name} is not installed ({program}); ours alone")
            peer = None
        count = rounds or self.rounds
        mine: list[float] = []
        theirs: list[float] = []
        for turn in range(count):
            pair = [(ours, mine), *([(peer, theirs)] if peer else [])]
            for work, values in pair if turn % 2 == 0 else pair[::-1]:
                values.append(work())
            self.say(
                f"{figure}: round {turn + 1}/{count}: {mine[-1]:,.4g}"
                + (f" / {theirs[-1]:,.4g}" if theirs else "")
            )
        return self.add(
            figure,
            statistics.median(mine),
            unit=unit,
            peer=statistics.median(theirs) if theirs else None,
            peer_name=peer_name,
            better=better,
            rounds=count,
        )

    def add(
        self,
        figure: str,
        ours: float,
        *,
        unit: str,
        peer: float | None = None,
        peer_name: str = "",
        better: Better = "more",
        rounds: int = 1,
    ) -> Result:
        """Add a figure that was measured elsewhere."""
        ratio = None if peer is None else _ratio(ours, peer, better)
        result = Result(figure, ours, peer, peer_name if peer is not None else "", unit, ratio, rounds)
        self.results.append(result)
        return result

    def say(self, words: str) -> None:
        """Tell how it goes, on standard error."""
        print(words, file=sys.stderr, flush=True)

    def done(self) -> None:
        """Print the table, or the array with ``--json``."""
        if self._json:
            print(json.dumps([asdict(result) for result in self.results], indent=1))
            return
        print(f"{'figure':34} {'ours':>12} {'peer':>12} {'ratio':>7}  unit")
        for r in self.results:
            peer = "-" if r.peer is None else f"{r.peer:,.4g}"
            ratio = "-" if r.ratio is None else f"{r.ratio:.2f}x"
            beside = f", beside {r.peer_name}" if r.peer_name else ""
            print(
                f"{r.figure:34} {r.ours:>12,.4g} {peer:>12} {ratio:>7}  {r.unit}{beside} ({r.rounds} rounds)"
            )


def peak_of(process: "subprocess.Popen[bytes]") -> float:
    """Wait until a process ends; return the most memory in MiB that it had, as seen every 5 ms.

    Not the kernel's ru_maxrss: that of a child begins with what its parent had when it forked.
    """
    status, peak = Path(f"/proc/{process.pid}/status"), 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError):  # it is ending
            peak = float(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
        time.sleep(0.005)
    return peak
