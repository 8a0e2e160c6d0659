"""What the watchers share: what each found last, and the page that is put together from it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from exporters.engine import EngineError
from exporters.exposition import Page, Section
from exporters.swarm.kinds import itself
from exporters.swarm.kinds.engine import LAST_ANSWER
from exporters.swarm.kinds.itself import Stats
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.render import section

__all__ = ["Board"]

_log = logging.getLogger("swarm-exporter")
OWN_SECONDS: Final = 10.0
_GATEWAY: Final = (502, 503, 504)  # a proxy's own words: nobody behind it answered


class Board:
    """Sections by part; every change puts a new page together and publishes it whole.

    publish: takes a page. scrapes: returns how many were served.
    """

    def __init__(self, version: str, publish: Callable[[Page], None], scrapes: Callable[[], int]) -> None:
        self.stats = Stats(version)
        self.last_answer = 0.0
        self.engine_labels = "", ""
        self._publish = publish
        self._scrapes = scrapes
        self._lock = threading.Lock()
        self._parts: dict[str, Sequence[Section]] = {"cluster": (), "engine": ()}
        self._composed = float("-inf")
        self._trouble: dict[str, str] = {}

    def show(self, part: str, sections: Sequence[Section], *, source: bool | None = None) -> None:
        """Show these sections as a part, from now on.

        source: whether this instance answers for the cluster, where that is said along with the part: no page
        may claim the one without the other.
        """
        with self._lock:
            before = self._parts[part]
            # Sections with the same bytes are kept, with their compressed form.
            kept = [
                next((old for old in before if old.says_the_same(new)), new) for new in sections if new.size
            ]
            same = len(kept) == len(before) and all(a is b for a, b in zip(kept, before, strict=True))
            self._parts[part] = kept
            if source is not None:
                same = same and source == self.stats.source
                self.stats.source = source
        if not same:
            self.compose()

    def compose(self, *, only_if_due: bool = False) -> None:
        """Put the page together, with the exporter's own figures as they are now."""
        with self._lock:
            if only_if_due and time.monotonic() - self._composed < OWN_SECONDS:
                return
            self._composed = time.monotonic()
            stats = self.stats
            stats.scrapes = self._scrapes()
            own = section([LAST_ANSWER, *itself.METRICS], [*self._last_answer(), *itself.samples(stats)])
            page = Page([*self._parts["cluster"], *self._parts["engine"], own])
            stats.page_bytes, stats.page_series = page.size, page.series
            self._publish(page)

    def _last_answer(self) -> Iterator[Sample]:
        if self.last_answer:
            yield LAST_ANSWER, self.engine_labels, self.last_answer

    def answered(self) -> None:
        """Note that the engine gave a sign of life just now."""
        self.last_answer = time.time()

    def polled(self, part: str, began: float, error: EngineError | None = None) -> None:
        """Note a poll of a part, begun at this time of time.monotonic(), and how it ended.

        Trouble is logged when it comes, changes or goes, not at every poll.
        """
        stats = self.stats
        stats.polls[part] += 1
        stats.duration[part] = time.monotonic() - began
        if error is None:
            self.answered()
            stats.data_at[part] = time.time()
            if self._trouble.pop(part, None):
                _log.info("%s: answers again", part)
            return
        if error.status and error.status not in _GATEWAY:
            self.answered()
        stats.errors[part, error.kind] += 1
        if self._trouble.get(part) != error.kind:
            self._trouble[part] = error.kind
            _log.warning("%s: %s", part, str(error).replace("\n  ", " "))
