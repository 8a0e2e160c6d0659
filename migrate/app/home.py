"""Where a move keeps its plan, its ledger and what it writes; and the real parts that work on it."""

import os
import time
from pathlib import Path

from migrate.ledger import Ledger
from swarmstead.errors import Busy, InputError

from . import plan as plans
from .plan import Plan
from .ports import Mover, Parts

__all__ = ["Home"]

_LOCK_PATIENCE_SECONDS = 5


class Home:
    """One folder (mode 0700) per app: ``plan.yml``, ``app.ledger``, ``package/``, ledgers of the movers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, name: str) -> "Home":
        """Return the usual place: below XDG_STATE_HOME or ~/.local/state."""
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return cls(Path(base) / "swarmstead" / name)

    @property
    def plan_path(self) -> Path:
        """The plan's file."""
        return self.folder / "plan.yml"

    @property
    def package(self) -> Path:
        """Where Dockerfile and stack file are written."""
        return self.folder / "package"

    def require(self) -> None:
        """Raise InputError where no move was begun here: looking must not make a ledger."""
        if not (self.folder / "app.ledger").exists():
            self.load_plan()

    def load_plan(self) -> tuple[Plan, str]:
        """Return the saved plan with its digest. Raises InputError where there is none."""
        if not self.plan_path.exists():
            raise InputError(
                "no app was planned here",
                subject=str(self.folder),
                hint="Plan it: migrate app PATH. Another place: --state FOLDER.",
            )
        return plans.load(self.plan_path)

    def ledger(self) -> Ledger:
        """Open the record of the move.

        Raises Busy where another process works on it, after some seconds: the guard that a killed run left
        behind may still be sending requests back.
        """
        end = time.monotonic() + _LOCK_PATIENCE_SECONDS
        while True:
            try:
                return Ledger(self.folder / "app.ledger")
            except Busy:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def parts(self, plan: Plan, *, package: Path | None = None) -> Parts:
        """Return the real parts for a plan."""
        # Loaded here: what talks to clouds costs half a second to import.
        from .deployer import SwarmDeployer  # noqa: PLC0415
        from .file_mover import FileMover  # noqa: PLC0415
        from .gate import CommandGate  # noqa: PLC0415
        from .movers import SessionMover  # noqa: PLC0415

        movers: list[Mover] = []
        if plan.sessions is not None:
            movers.append(SessionMover(plan.sessions, self.folder))
        movers += [FileMover(files, self.folder, number) for number, files in enumerate(plan.files)]
        deployer = SwarmDeployer(plan, package or self.package, self.folder)
        return Parts(gate=CommandGate(plan.entry), deployer=deployer, movers=movers)
