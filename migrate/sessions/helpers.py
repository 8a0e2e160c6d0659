"""The first pass by more than one process: reading files is what limits it, and Redis uses only one core.

Each helper is a fork that takes its stretch of the same listing, and has a connection of its own. What
Redis has confirmed, and what gave no record, goes back by a pipe; the ledger stays the parent's. A helper
that dies is an error of the pass: what it had not confirmed is not recorded.
"""

import ctypes
import os
import pickle
import selectors
import signal
import struct
from array import array
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import BinaryIO

from swarmstead.errors import SwarmsteadError

from .records import Record, Skipped, Source
from .target import RedisTarget, Writer

__all__ = ["Part", "helped_copy", "helpers_for"]

_RUN = 512
_MOST = 2
_ROWS, _SKIPS, _ERROR, _DONE = range(4)
_HEAD = struct.Struct("<BI")
_COLUMNS = 3
_PR_SET_PDEATHSIG = 1


class Part:
    """What one message of a helper brings: confirmed sessions by columns, or entries without a record."""

    __slots__ = ("columns", "share", "skips", "value_bytes")

    def __init__(self, columns: "array[int]", skips: list[tuple[int, Skipped]], value_bytes: int = 0) -> None:
        self.columns, self.skips, self.value_bytes, self.share = columns, skips, value_bytes, 0

    @property
    def confirmed(self) -> int:
        """Return how many sessions Redis has confirmed."""
        return len(self.columns) // _COLUMNS


def helpers_for(cores: int | None) -> int:
    """Return how many processes read: no more than two, since a Redis takes no more than they give."""
    return min(cores or 1, _MOST)


class _Helper:
    """The work within the fork."""

    def __init__(self, out: BinaryIO, mark: Callable[[bytes], int]) -> None:
        self._out, self._mark = out, mark
        self._bytes = 0

    def _send(self, kind: int, data: bytes) -> None:
        self._out.write(_HEAD.pack(kind, len(data)) + data)
        self._out.flush()

    def _confirmed(self, rows: list[tuple[int, int, int]]) -> None:
        places, stamps, marks = zip(*rows, strict=True)
        self._send(_ROWS, array("Q", [*places, *stamps, *marks]).tobytes())

    def work(
        self, source: Source, target: RedisTarget, start: int, end: int | None, clock: Callable[[], float]
    ) -> None:
        """Copy this helper's share of the entries."""
        writer: Writer[tuple[int, int, int]] = Writer(target, self._confirmed)
        skips: list[tuple[int, Skipped]] = []
        read, add, mark, now, total = source.read, writer.add, self._mark, clock(), 0
        for n, entry in enumerate(islice(source.entries(stamps=False), start, end)):
            if not n % _RUN:
                now = clock()
            place, stamp, found = read(entry, now)
            if isinstance(found, Record):
                key, value, expires_at = found
                total += len(value)
                add(key, value, expires_at, (place, stamp, mark(key)))
                continue
            skips.append((place, found))
            if len(skips) >= _RUN:
                self._send(_SKIPS, pickle.dumps(skips))
                skips = []
        writer.flush()
        self._send(_SKIPS, pickle.dumps(skips))
        self._send(_DONE, pickle.dumps(total))

    def run(
        self, source: Source, target: RedisTarget, start: int, end: int | None, clock: Callable[[], float]
    ) -> None:
        """Work; an error goes to the parent whole."""
        try:
            self.work(source, target, start, end, clock)
        except SwarmsteadError as error:
            self._send(_ERROR, pickle.dumps((type(error), error.what, error.subject, error.hint)))


def _fork(
    source: Source,
    target: RedisTarget,
    mark: Callable[[bytes], int],
    start: int,
    end: int | None,
    clock: Callable[[], float],
) -> tuple[int, int]:
    """Start a helper; return its process id and the pipe to read from."""
    ours, theirs = os.pipe()
    process = os.fork()
    if process:
        os.close(theirs)
        return process, ours
    status = 1
    try:
        # Should the parent be killed, a helper must not write on beside the parent's next run.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(ours)
        with os.fdopen(theirs, "wb", buffering=0) as out, target.another() as mine:
            _Helper(out, mark).run(source, mine, start, end, clock)
        status = 0
    finally:
        # No cleanup of the parent's: its ledger, its progress bar, its signal handlers are not ours.
        os._exit(status)


def _parts(data: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take the complete messages off the front of what a pipe has brought."""
    while len(data) >= _HEAD.size:
        kind, size = _HEAD.unpack_from(data)
        if len(data) < _HEAD.size + size:
            return
        yield kind, bytes(data[_HEAD.size : _HEAD.size + size])
        del data[: _HEAD.size + size]


def _part(kind: int, data: bytes) -> Part:
    """Return what a message says; raises the error that a helper met."""
    # The pickles are of our own forks.
    if kind == _ERROR:
        error, what, subject, hint = pickle.loads(data)  # noqa: S301
        raise error(what, subject=subject, hint=hint)
    if kind == _SKIPS:
        return Part(array("Q"), pickle.loads(data))  # noqa: S301
    if kind == _DONE:
        return Part(array("Q"), [], pickle.loads(data))  # noqa: S301
    numbers = array("Q")
    numbers.frombytes(data)
    return Part(numbers, [])


def helped_copy(
    source: Source,
    target: RedisTarget,
    mark: Callable[[bytes], int],
    *,
    helpers: int,
    clock: Callable[[], float],
) -> Generator[Part, None, None]:
    """Copy every session with so many processes; yield what they did as it is confirmed.

    Raises what a helper met first, after stopping the others; leaving the iteration early stops them too.
    """
    running: dict[int, int] = {}
    selector = selectors.DefaultSelector()
    ended = 0
    # Halves, not runs in turn: the ledger keeps the order of the scan. Listing is a tenth of the work. What
    # comes or goes meanwhile may shift the boundary by a session, which the next pass then sees as new.
    count = source.count()
    try:
        for share in range(helpers):
            start, end = count * share // helpers, count * (share + 1) // helpers
            last = share == helpers - 1
            process, pipe = _fork(source, target, mark, start, None if last else end, clock)
            running[pipe] = process
            selector.register(pipe, selectors.EVENT_READ, (share, bytearray()))
        while selector.get_map():
            for event, _ in selector.select():
                share, data = event.data
                piece = os.read(event.fd, 1 << 18)
                data += piece
                for kind, message in _parts(data):
                    ended += kind == _DONE
                    part = _part(kind, message)
                    part.share = share
                    yield part
                if not piece:
                    selector.unregister(event.fd)
        if ended < helpers:
            raise SwarmsteadError("a helper ended before its work", hint="Run it again: it goes on.")
    finally:
        selector.close()
        _stop(running)


def _stop(running: dict[int, int]) -> None:
    for pipe, process in running.items():
        os.close(pipe)
        if os.waitpid(process, os.WNOHANG) == (0, 0):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
