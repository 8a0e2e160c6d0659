"""One file to the remote: read, hashed, sent, and proved to have held still. Large files go in parts."""

import hashlib
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from migrate.files.manifest import Confirmed, Row, Upload
from migrate.files.pace import Limiter
from migrate.files.scan import open_below
from migrate.remotes import CHUNK_BYTES, Part, Remote, Source, Stored
from swarmstead.errors import Corrupt, InputError, SwarmsteadError
from swarmstead.stop import Stop

__all__ = ["PART_BYTES", "WHOLE_BYTES", "Sender", "TheirsIsNewer", "Uploads", "part_size_for"]

WHOLE_BYTES = 8 * 1024 * 1024
"""Up to here a file is read into memory once, hashed there and sent from there."""

PART_BYTES = 16 * 1024 * 1024
_LARGE_BYTES = 64 * 1024 * 1024
"""From here on in parts: what is sent again after a break is a part at most."""

_TRIES = 4


@dataclass
class Uploads:
    """How uploads in parts are remembered: by whoever owns the manifest. Called by many threads."""

    find: Callable[[str], Upload | None]
    begun: Callable[[Upload], None]
    forget: Callable[[str], None]


def part_size_for(size: int, *, least: int, most_parts: int) -> int:
    """Return the size of parts: 16 MiB, or what it takes to need no more parts than the remote has."""
    wanted = max(PART_BYTES, least, -(-size // most_parts))
    return -(-wanted // 2**20) * 2**20


@dataclass(frozen=True, slots=True)
class _Still:
    """What must not have changed between the first look and the last."""

    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, file: BinaryIO) -> "_Still":
        status = os.fstat(file.fileno())
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class TheirsIsNewer(SwarmsteadError):
    """The remote's object is not what was last confirmed: somebody else wrote it."""


class _Paced:
    """A source that is read no faster than a limiter allows."""

    def __init__(self, source: Source, limiter: Limiter) -> None:
        self._source, self._limiter = source, limiter

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(CHUNK_BYTES if size < 0 else size)
        self._limiter.take(len(data))
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()


class Sender:
    """Sends files of one folder. All methods may be called by many threads.

    sent: hears of bytes as they are confirmed. part_pool: where the parts of large files run.
    """

    def __init__(
        self,
        root: Path,
        remote: Remote,
        uploads: Uploads,
        *,
        limiter: Limiter,
        there: Callable[[str], Stored | None],
        sent: Callable[[int], None],
        stop: Stop | None = None,
        parts_at_once: int = 4,
        large: int = _LARGE_BYTES,
        overwrite: bool = True,
    ) -> None:
        self._root, self._remote, self._uploads, self._limiter = root, remote, uploads, limiter
        self._there, self._sent, self._stop = there, sent, stop
        self._parts_at_once, self._large = parts_at_once, large
        self._overwrite = overwrite
        self._kind = remote.capabilities.part_digest
        self._large_one = threading.Lock()

    def send(self, row: Row) -> tuple[Confirmed, bool] | None:
        """Bring one file over; return what was confirmed, and whether bytes were sent for it.

        None where it vanished. Raises Corrupt where it does not hold still, OSError where it cannot be read,
        and what the remote raises.
        """
        if row.target is not None and not row.followed:
            return self._send_link(row)
        for attempt in range(_TRIES):
            try:
                file = self._open(row)
            except FileNotFoundError:
                return None
            with file:
                before = _Still.of(file)
                try:
                    stored, sha1, sent = self._take(row, file, before)
                except Corrupt:
                    if attempt == _TRIES - 1 and _Still.of(file) == before:
                        raise
                    continue
                if _Still.of(file) == before:
                    confirmed = Confirmed(
                        row.path, row.name, before.size, before.mtime_ns, before.ctime_ns, sha1, stored.tag
                    )
                    return confirmed, sent
        raise Corrupt(
            "it changed each time while it was read",
            subject=row.name,
            hint="The next pass takes it again; at the cut-over the app must not write.",
        )

    def _open(self, row: Row) -> BinaryIO:
        if row.followed:
            return (self._root / os.fsdecode(row.path)).open("rb")
        return os.fdopen(open_below(self._root, row.path), "rb")

    def _send_link(self, row: Row) -> tuple[Confirmed, bool] | None:
        path = self._root / os.fsdecode(row.path)
        try:
            target, status = os.fsencode(path.readlink()), path.lstat()
        except OSError:
            return None
        sha1 = hashlib.sha1(target, usedforsecurity=False).hexdigest()
        stored, sent = self._unless_there(
            row,
            len(target),
            sha1,
            "",
            lambda: self._put(row, io.BytesIO(target), len(target), sha1, "", status.st_mtime_ns),
        )
        done = Confirmed(
            row.path, row.name, row.size, status.st_mtime_ns, status.st_ctime_ns, sha1, stored.tag
        )
        return done, sent

    def _take(self, row: Row, file: BinaryIO, still: _Still) -> tuple[Stored, str, bool]:
        if still.size <= WHOLE_BYTES:
            data = file.read(still.size)
            if len(data) != still.size or file.read(1):
                raise Corrupt("it changed while it was read", subject=row.name)
            sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() if self._kind == "md5" else ""
            stored, sent = self._unless_there(
                row,
                still.size,
                sha1,
                md5,
                lambda: self._put(row, io.BytesIO(data), still.size, sha1, md5, still.mtime_ns),
            )
            return stored, sha1, sent
        if still.size < self._large:
            sha1, (md5,) = _hashes(file, still.size, still.size, self._kind)
            file.seek(0)
            stored, sent = self._unless_there(
                row,
                still.size,
                sha1,
                md5 if self._kind == "md5" else "",
                lambda: self._put(row, file, still.size, sha1, md5, still.mtime_ns),
            )
            return stored, sha1, sent
        return self._take_large(row, file, still)

    def _put(self, row: Row, source: Source, size: int, sha1: str, md5: str, mtime_ns: int) -> Stored:
        if not self._limiter.idle:
            source = _Paced(source, self._limiter)
        stored = self._remote.put(
            row.name, source, size=size, sha1=sha1, md5=md5 if self._kind == "md5" else "", mtime_ns=mtime_ns
        )
        self._sent(size)
        return stored

    def _unless_there(
        self, row: Row, size: int, sha1: str, md5: str, put: Callable[[], Stored]
    ) -> tuple[Stored, bool]:
        """Put, unless the remote has just that under this name: then no second version is made."""
        if row.sha1 == sha1 and row.sent_size == size and row.tag:
            self._sent(size)
            return Stored(row.name, size, sha1, row.tag), False
        found = self._known(row, size, sha1, md5)
        if found:
            self._sent(size)
            return found, False
        self._check_theirs(row)
        return put(), True

    def _check_theirs(self, row: Row) -> None:
        if self._overwrite:
            return
        found = self._remote.head(row.name)
        if found and found.tag != row.tag:
            raise TheirsIsNewer("the remote has a version of its own", subject=row.name)

    def _known(self, row: Row, size: int, sha1: str, md5: str) -> Stored | None:
        listed = None if row.sha1 else self._there(row.name)
        if listed and listed.size == size and listed.tag == md5 != "":
            return listed
        if row.sending or (listed and listed.size == size):
            found = self._remote.head(row.name)
            if found and (found.size, found.sha1) == (size, sha1):
                return found
        return None

    # In parts

    def _take_large(self, row: Row, file: BinaryIO, still: _Still) -> tuple[Stored, str, bool]:
        """Send the parts that the remote lacks. One large file at a time: its parts fill the way."""
        with self._large_one:
            upload = self._uploads.find(row.name)
            same = upload and (upload.size, upload.mtime_ns, upload.ctime_ns) == (
                still.size,
                still.mtime_ns,
                still.ctime_ns,
            )
            if upload and not same:
                self._give_up(row, upload)
                upload = None
            if upload is None:
                upload = self._measured(row, file, still)
                found = self._known(row, still.size, upload.sha1, "")
                if found or (row.sha1 == upload.sha1 and row.sent_size == still.size):
                    self._sent(still.size)
                    return (
                        found or Stored(row.name, still.size, row.sha1, row.tag),
                        row.sha1 or upload.sha1,
                        False,
                    )
                self._check_theirs(row)
                upload = self._begin(row, upload)
            elif row.sending and (found := self._known(row, still.size, upload.sha1, "")):
                self._uploads.forget(row.name)
                self._sent(still.size)
                return found, upload.sha1, False
            try:
                stored = self._send_parts(row, file, upload)
            except Corrupt:
                self._give_up(row, upload)
                raise
            self._uploads.forget(row.name)
            return stored, upload.sha1, True

    def _measured(self, row: Row, file: BinaryIO, still: _Still) -> Upload:
        limits = self._remote.capabilities
        part_size = part_size_for(still.size, least=limits.least_part, most_parts=limits.most_parts)
        sha1, digests = _hashes(file, still.size, part_size, self._kind)
        return Upload(row.name, "", still.size, still.mtime_ns, still.ctime_ns, sha1, part_size, digests)

    def _begin(self, row: Row, measured: Upload) -> Upload:
        begun = self._remote.begin(
            row.name, size=measured.size, sha1=measured.sha1, mtime_ns=measured.mtime_ns
        )
        upload = Upload(
            row.name,
            begun,
            measured.size,
            measured.mtime_ns,
            measured.ctime_ns,
            measured.sha1,
            measured.part_size,
            measured.digests,
        )
        self._uploads.begun(upload)
        return upload

    def _give_up(self, row: Row, upload: Upload) -> None:
        self._remote.abandon(row.name, upload.id)
        self._uploads.forget(row.name)

    def _send_parts(self, row: Row, file: BinaryIO, upload: Upload) -> Stored:
        there = self._remote.parts(row.name, upload.id)
        parts: dict[int, Part] = {}
        missing: list[int] = []
        for number, digest in enumerate(upload.digests, 1):
            size = min(upload.part_size, upload.size - (number - 1) * upload.part_size)
            if there.get(number) == Part(number, size, digest):
                parts[number] = there[number]
                self._sent(size)
            else:
                missing.append(number)
        try:
            self._fill(row, file, upload, missing, parts)
            stored = self._remote.finish(
                row.name, upload.id, [parts[n] for n in sorted(parts)], size=upload.size, sha1=upload.sha1
            )
        except InputError as error:
            # The server forgot the upload (a lifecycle rule, a restart): it is begun anew.
            raise Corrupt(error.what, subject=row.name) from None
        return stored

    def _fill(
        self, row: Row, file: BinaryIO, upload: Upload, missing: list[int], parts: dict[int, Part]
    ) -> None:
        """Send parts, a few at once, in order; each thread reads by its own descriptor."""
        path = f"/proc/self/fd/{file.fileno()}"

        def one(number: int) -> Part:
            start = (number - 1) * upload.part_size
            size = min(upload.part_size, upload.size - start)
            with Path(path).open("rb") as source:
                source.seek(start)
                paced: Source = source if self._limiter.idle else _Paced(source, self._limiter)
                part = self._remote.put_part(
                    row.name, upload.id, number, paced, size=size, digest=upload.digests[number - 1]
                )
            self._sent(size)
            return part

        queue = iter(missing)
        with ThreadPoolExecutor(self._parts_at_once, thread_name_prefix="part") as pool:
            running: set[Future[Part]] = set()
            try:
                while True:
                    while len(running) < self._parts_at_once and (number := next(queue, 0)):
                        running.add(pool.submit(one, number))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        part = future.result()
                        parts[part.number] = part
                    if self._stop:
                        self._stop.check()
            finally:
                for future in running:
                    future.cancel()


def _hashes(file: BinaryIO, size: int, part_size: int, kind: str) -> tuple[str, tuple[str, ...]]:
    """Return the SHA-1 of a file of `size` bytes and the digests of its parts, hashed by two threads.

    Raises Corrupt when the file ends early.
    """
    parts: list[str] = []

    def by_parts() -> None:
        with Path(f"/proc/self/fd/{file.fileno()}").open("rb", buffering=0) as source:
            try:
                parts.extend(
                    _digest(source, min(part_size, size - start), kind) for start in range(0, size, part_size)
                )
            except Corrupt:
                return  # too few digests tell it

    if kind == "sha1" and part_size >= size:
        whole = _digest(file, size, "sha1")
        return whole, (whole,)
    thread = threading.Thread(target=by_parts, name="hash")
    thread.start()
    try:
        whole = _digest(file, size, "sha1")
    finally:
        thread.join()
    if len(parts) != -(-size // part_size):
        raise Corrupt("it became shorter while it was read")
    return whole, tuple(parts)


def _digest(source: BinaryIO, size: int, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    buffer = memoryview(bytearray(1024 * 1024))
    left = size
    while left:
        count = source.readinto(buffer[: min(left, len(buffer))])  # type: ignore[attr-defined]
        if not count:
            raise Corrupt("it became shorter while it was read")
        digest.update(buffer[:count])
        left -= count
    return digest.hexdigest()
