"""The real Movers: sessions by `migrate.sessions`, folders of uploads by `migrate.files`."""

from pathlib import Path
from typing import Any, Literal, cast

from migrate.sessions import PhpFiles, RedisTarget, State, copy_pass, late_pass, reverse, verify
from swarmstead.errors import InputError
from swarmstead.progress import Reporter
from swarmstead.stop import Stop

from .plan import Sessions
from .ports import Proof, Report

__all__ = ["SessionMover"]


class SessionMover:
    """PHP's session files to Redis and back. Its record is a ledger of its own in the state folder."""

    what = "sessions"

    def __init__(self, plan: Sessions, state: Path) -> None:
        self._plan = plan
        self._state = state / "sessions.ledger"

    def _source(self) -> PhpFiles:
        return PhpFiles(
            Path(self._plan.folder),
            depth=self._plan.depth,
            max_lifetime=self._plan.max_lifetime,
            expired=cast("Literal['skip', 'grace']", self._plan.expired),
        )

    def _target(self) -> RedisTarget:
        password = None
        if self._plan.password_file:
            try:
                password = Path(self._plan.password_file).read_text(encoding="utf-8").rstrip("\r\n")
            except OSError as error:
                raise InputError(
                    f"cannot be read: {error.strerror}", subject=self._plan.password_file
                ) from None
        return RedisTarget(self._plan.redis, password=password)

    def check(self) -> Report:
        """Look whether the folder can be listed and Redis answers."""
        source = self._source()
        seen = sum(1 for _ in source.entries(stamps=False))
        with self._target() as target:
            target.call(b"PING")
        return {"seen": seen}

    def copy(self, stop: Stop, reporter: Reporter) -> Report:
        """Bring over what is new, changed or gone."""
        with self._target() as target, State(self._state) as state:
            return _counts(copy_pass(self._source(), target, state, stop=stop, reporter=reporter))

    def late(self, stop: Stop, reporter: Reporter) -> Report:
        """Bring over what Redis has not."""
        with self._target() as target, State(self._state) as state:
            return _counts(late_pass(self._source(), target, state, reporter=reporter))

    def reverse(self, stop: Stop, reporter: Reporter, *, held: bool) -> Report:
        """Bring Redis' sessions back into files; only while requests are held, for that is one whole pass."""
        if not held:
            return {}
        with self._target() as target, State(self._state) as state:
            return _counts(reverse(target, self._source(), state, stop=stop, reporter=reporter))

    def verify(self, stop: Stop, reporter: Reporter, *, after_switch: bool) -> Proof:
        """Compare files and Redis, bytes and lifetimes."""
        with self._target() as target, State(self._state) as state:
            report = verify(
                self._source(), target, state, after_switch=after_switch, stop=stop, reporter=reporter
            )
            return Proof(self.what, report.proved, report.as_dict())


def _counts(report: Any) -> Report:
    counts: Report = report.as_dict()
    return counts
