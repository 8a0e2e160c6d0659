"""From the bytes of whole lines to counts. This is where the time goes: see bench/traefik_log.py.

A chunk of JSON lines is decoded at once into typed records; each adds to a cell, a list of numbers found by
the values that decide its labels; cells are folded when the slot of time changes and at the chunk's end of a
poll. Only what the fast way refuses is read line by line.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Final

import msgspec

from exporters.traefik.clf import is_ambiguous, parse_clf, parse_clf_time
from exporters.traefik.clock import unix_seconds
from exporters.traefik.envelope import PREFIX, unwrap
from exporters.traefik.fold import NO_HOST, NO_SERVICE, Folder
from exporters.traefik.record import CELL_HEAD, Key, Line, LineDecoder
from exporters.traefik.windows import SLOT

__all__ = ["Intake"]

_MOST_CELLS: Final = 512  # between two folds: what clients can make different takes no more memory than this
_MOST_TRIES: Final = 16
_SCHEME: Final = len("http://")  # enough of a server to tell that there is one
_TAIL_PARTS: Final = 5
_LONGEST_NAME: Final = 512


class Intake:
    """Takes lines and counts them.

    duration: "auto" takes OriginDuration where there is one, "total" Duration always.
    watch: called with the lines, too, by `top`.
    """

    def __init__(self, folder: Folder, *, duration: str = "auto") -> None:
        self.folder = folder
        self.format = "none"
        self._by_origin = duration == "auto"
        self._bounds = folder.counts.bounds
        self._blank = [0] * (CELL_HEAD + len(self._bounds) + 1)
        self._decoder = LineDecoder()
        self._cells: dict[Key, list[int]] = {}
        self._clf_cells: dict[tuple[bytes, bytes, bytes], list[int]] = {}
        self._slot = 0
        self._time = ""
        self._clf_time = b""
        self.watch: Callable[[bytes], None] | None = None

    def feed(self, chunk: bytes) -> int:
        """Count the lines of a chunk that ends with a newline; return how many of its bytes are done with.

        All of them, but for a line that Docker's log driver has split and not yet ended.
        """
        if chunk.startswith(PREFIX):
            return self._feed_docker(chunk)
        self._feed_lines(chunk)
        return len(chunk)

    @property
    def has_new(self) -> bool:
        """Return whether something waits to be folded that is of a site not known yet."""
        return any(map(self.folder.is_new, self._cells))

    def flush(self) -> None:
        """Fold what was counted since the last time."""
        if self._slot >= self.folder.since:
            self._put()
            for key, cell in self._cells.items():
                self.folder.fold(key, cell)
        self._cells.clear()
        self._clf_cells.clear()

    def _put(self) -> None:
        for key, cell in self._cells.items():
            self.folder.put(key, cell, self._slot)

    def error(self, kind: str, number: int = 1) -> None:
        """Count lines that could not be read."""
        self.folder.counts.errors[kind] += number

    def _feed_docker(self, chunk: bytes) -> int:
        lines, done, bad = unwrap(chunk)
        if bad:
            self.error("malformed", bad)
        if lines:
            self._feed_lines(lines)
            self.format = "docker"
        return done

    def _feed_lines(self, chunk: bytes) -> None:
        if self.watch is not None:
            self.watch(chunk)
        if chunk.startswith(b"{"):
            try:
                records = self._decoder.lines(chunk, addresses=self.folder.names.by_address)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
            else:
                # A value may stand on two lines, or two on one, without the decoder's complaint.
                if len(records) == len(BytesIO(chunk).readlines()):  # faster than bytes.count
                    self.format = "json"
                    self._add(records)
                    return
        self._feed_slowly(chunk)

    def _add(self, records: Sequence[Line]) -> None:
        if not self._by_origin:
            for record in records:
                record.origin_duration = 0
        cells, bounds, time = self._cells, self._bounds, self._time
        for r in records:
            if r.time != time:
                time = r.time
                self._turn(unix_seconds(time))
            key = r.host, r.service, r.router, r.entrypoint, r.status, r.origin
            try:
                cell = cells[key]
            except KeyError:
                cell = cells[key] = self._new_cell()
            cell[1] += r.response_bytes
            if r.request_bytes:
                cell[2] += r.request_bytes
            took = r.origin_duration
            if took <= 0:
                took = r.duration
                cell[4] += 1
            cell[3] += took
            cell[bisect_left(bounds, took) + CELL_HEAD] += 1
        self._time = time

    def _new_cell(self) -> list[int]:
        if len(self._cells) >= _MOST_CELLS:
            self.flush()
        return self._blank.copy()

    def _turn(self, seconds: int) -> None:
        slot = seconds // SLOT * SLOT
        if slot == self._slot:
            return
        if min(slot, self._slot) < self.folder.since:  # what is passed over is not mixed with what counts
            self.flush()
        else:
            self._put()
        self._slot = slot

    def _feed_slowly(self, chunk: bytes) -> None:
        for line in chunk.split(b"\n"):
            if not self._known_clf(line) and line.strip():
                self._line(line)

    def _line(self, line: bytes) -> None:
        if line.lstrip()[:1] == b"{":
            self._json_line(line)
        else:
            self._clf_line(line.rstrip(b"\r"))

    def _json_line(self, line: bytes) -> None:
        try:
            record = self._decoder.line(line, addresses=self.folder.names.by_address)
        except msgspec.ValidationError:
            self.error("wrong_type")
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._mend(line)
        else:
            self.format = "json"
            self._add([record])

    def _mend(self, line: bytes) -> None:
        """Read a line with broken UTF-8, or one that a full disk tore and the next was written after."""
        text = line.decode("utf-8", "replace").encode()
        start = 0
        for _ in range(_MOST_TRIES):
            try:
                record = self._decoder.line(text[start:], addresses=self.folder.names.by_address)
            except (msgspec.DecodeError, UnicodeDecodeError):
                start = text.find(b'{"', start + 1)
                if start < 0:
                    break
                continue
            if start:
                self.error("torn")
            self._add([record])
            return
        self.error("malformed")

    def _known_clf(self, line: bytes) -> bool:
        """Count a line of the common format like one that was read a moment ago; return whether it was one.

        Read from both ends: a request has no space inside (Go refuses it), a router and a server no quote.
        """
        at = line.find(b'] "')
        end = line.find(b'" ', at + 3)
        tail = line.rsplit(b'"', 4)
        if end < 0 or len(tail) < _TAIL_PARTS or line[line.rfind(b"[", 0, at) + 1 : at] != self._clf_time:
            return False
        status, _, rest = line[end + 2 : end + 32].partition(b" ")
        size = rest.partition(b" ")[0]
        cell = self._clf_cells.get((tail[1], tail[3][:_SCHEME], status))
        if cell is None or tail[2] != b" " or line.find(b'] "', at + 3) > 0 or not size.isdigit():
            return False
        milliseconds = tail[4][1:-2]
        if tail[4][-2:] != b"ms" or not milliseconds.isdigit():
            return False
        self._count_clf(cell, int(size), int(milliseconds))
        return True

    def _count_clf(self, cell: list[int], size: int, milliseconds: int) -> None:
        cell[1] += size
        if milliseconds < 0:
            cell[0] += 1
            return
        took = milliseconds * 1_000_000
        cell[3] += took
        cell[4] += 1
        cell[bisect_left(self._bounds, took) + CELL_HEAD] += 1

    def _clf_line(self, line: bytes) -> None:
        parsed = parse_clf(line)
        if parsed is None:
            self.error("not_json")
            return
        self.format = "clf"
        if line.count(b'] "') > 1 and is_ambiguous(line):
            self.folder.counts.ambiguous += 1
        if parsed.time != self._clf_time:
            self._clf_time, self._time = parsed.time, ""
            self._turn(parse_clf_time(parsed.time))
        router = "" if parsed.router == b"-" else parsed.router.decode("utf-8", "replace")[:_LONGEST_NAME]
        service = self._clf_service(router, parsed.server)
        key = (NO_HOST, service, router, "", parsed.status, -1)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = self._new_cell()
        if len(self._clf_cells) < _MOST_CELLS:
            short = (parsed.router, parsed.server[:_SCHEME], b"%03d" % parsed.status)
            self._clf_cells[short] = cell
        self._count_clf(cell, parsed.size, parsed.milliseconds)

    def _clf_service(self, router: str, server: bytes) -> str:
        """Return a name for the service, which this format does not have: its router's labels know it."""
        if server and b"://" not in server:  # v1 writes the path there
            return ""
        return self.folder.names.of_router(router) or router.partition("@")[0] or NO_SERVICE
