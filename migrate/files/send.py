"""One file to the remote: read, hashed, sent, and proved to have held still. Large files go in parts."""

import hashlib
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from migrate.files.manifest import LARGE_BYTES, Confirmed, Row
from migrate.files.pace import Limiter, Paced
from migrate.files.parts import Parts, Uploads
from migrate.files.scan import open_below
from migrate.files.still import Still, hashes, whole
from migrate.remotes import Remote, Source, Stored
from swarmstead.errors import Corrupt, SwarmsteadError
from swarmstead.stop import Stop

__all__ = ["IN_PARTS_BYTES", "TOGETHER_BYTES", "Sender", "Sent", "TheirsIsNewer"]

IN_PARTS_BYTES = 64 * 1024 * 1024
"""From here on in parts: what is sent again after a break is a part at most."""

TOGETHER_BYTES = 256 * 1024
"""Up to here one thread has several files under way at once."""

_TRIES = 4

Sent: TypeAlias = tuple[Confirmed, bool] | None
"""What was confirmed, and whether bytes were sent for it; None for a file that vanished."""


class TheirsIsNewer(SwarmsteadError):
    """The remote's object is not what was last confirmed: somebody else wrote it."""


class Sender:
    """Sends files of one folder. All methods may be called by many threads.

    sent: hears of bytes as they are confirmed.
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
        overwrite: bool = True,
    ) -> None:
        self._root, self._remote, self._uploads, self._limiter = root, remote, uploads, limiter
        self._there, self._sent, self._stop = there, sent, stop or Stop()
        self._overwrite = overwrite
        self._parts = Parts(
            remote, uploads, limiter=limiter, sent=sent, stop=self._stop, at_once=parts_at_once
        )
        self._kind = remote.capabilities.part_digest
        self._one_in_parts = threading.Lock()

    def send_together(self, rows: Sequence[Row], at_once: int) -> list[Sent | BaseException]:
        """Bring files over, so many small ones at once; return of each what `send` returns or raises.

        Told to stop, it begins no more of them, and returns None.
        """
        under_way: deque[Callable[[], Sent]] = deque()
        outcomes: list[Sent | BaseException] = []
        for row in rows:
            if len(under_way) >= at_once:
                outcomes.append(_outcome(under_way.popleft()))
            under_way.append(_nothing if self._stop.requested else self._begun(row))
        return outcomes + [_outcome(end) for end in under_way]

    def _begun(self, row: Row) -> Callable[[], Sent]:
        """Return what brings a file over; a small one that is new is on its way by then."""
        new = not (row.sha1 or row.sending or row.followed or row.target is not None or self._there(row.name))
        if new and row.size <= TOGETHER_BYTES and self._overwrite and self._limiter.idle:
            with suppress(OSError, Corrupt):  # what it was, `send` finds again, and tells
                return self._ahead(row)
        return partial(self.send, row)

    def _ahead(self, row: Row) -> Callable[[], Sent]:
        descriptor = open_below(self._root, row.path)
        try:
            before = Still.of(descriptor)
            data = whole(descriptor, min(before.size, TOGETHER_BYTES))  # it may have grown since the scan
            sha1, md5 = self._digests(data)
            answer = self._remote.put_later(row.name, data, sha1=sha1, md5=md5, mtime_ns=before.mtime_ns)
        except BaseException:
            os.close(descriptor)
            raise

        def end() -> Sent:
            try:
                with suppress(Corrupt):
                    stored = answer()
                    if Still.of(descriptor) == before:
                        self._sent(before.size)
                        return _confirmed(row, before, sha1, stored.tag), True
            finally:
                os.close(descriptor)
            return self.send(row)

        return end

    def _digests(self, data: bytes) -> tuple[str, str]:
        """Return the SHA-1, and the MD5 where the remote proves by it."""
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return sha1, hashlib.md5(data, usedforsecurity=False).hexdigest() if self._kind == "md5" else ""

    def send(self, row: Row) -> Sent:
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
                before = Still.of(file)
                try:
                    stored, sha1, sent = self._take(row, file, before)
                except Corrupt:
                    if attempt == _TRIES - 1 and Still.of(file) == before:
                        raise
                    continue
                if Still.of(file) == before:
                    return _confirmed(row, before, sha1, stored.tag), sent
        raise Corrupt(
            "it changed each time while it was read",
            subject=row.name,
            hint="The next pass takes it again; at the cut-over the app must not write.",
        )

    def _open(self, row: Row) -> BinaryIO:
        if row.followed:
            return (self._root / os.fsdecode(row.path)).open("rb")
        return os.fdopen(open_below(self._root, row.path), "rb")

    def _send_link(self, row: Row) -> Sent:
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

    def _take(self, row: Row, file: BinaryIO, still: Still) -> tuple[Stored, str, bool]:
        if still.size <= LARGE_BYTES:
            data = whole(file.fileno(), still.size)
            sha1, md5 = self._digests(data)
            stored, sent = self._unless_there(
                row,
                still.size,
                sha1,
                md5,
                lambda: self._put(row, io.BytesIO(data), still.size, sha1, md5, still.mtime_ns),
            )
            return stored, sha1, sent
        if still.size < IN_PARTS_BYTES:
            sha1, (md5,) = hashes(file, still.size, still.size, self._kind)
            file.seek(0)
            stored, sent = self._unless_there(
                row,
                still.size,
                sha1,
                md5 if self._kind == "md5" else "",
                lambda: self._put(row, file, still.size, sha1, md5, still.mtime_ns),
            )
            return stored, sha1, sent
        return self._take_in_parts(row, file, still)

    def _put(self, row: Row, source: Source, size: int, sha1: str, md5: str, mtime_ns: int) -> Stored:
        if not self._limiter.idle:
            source = Paced(source, self._limiter)
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

    def _take_in_parts(self, row: Row, file: BinaryIO, still: Still) -> tuple[Stored, str, bool]:
        """Send the parts that the remote lacks. One large file at a time: its parts fill the way."""
        with self._one_in_parts:
            upload = self._uploads.find(row.name)
            same = upload and (upload.size, upload.mtime_ns, upload.ctime_ns) == (
                still.size,
                still.mtime_ns,
                still.ctime_ns,
            )
            if upload and not same:
                self._parts.give_up(upload)
                upload = None
            if upload is None:
                upload = self._parts.measured(row.name, file, still)
                found = self._known(row, still.size, upload.sha1, "")
                if found or (row.sha1 == upload.sha1 and row.sent_size == still.size):
                    self._sent(still.size)
                    return (
                        found or Stored(row.name, still.size, row.sha1, row.tag),
                        row.sha1 or upload.sha1,
                        False,
                    )
                self._check_theirs(row)
                upload = self._parts.begin(upload)
            elif row.sending and (found := self._known(row, still.size, upload.sha1, "")):
                self._uploads.forget(row.name)
                self._sent(still.size)
                return found, upload.sha1, False
            try:
                stored = self._parts.send(file, upload)
            except Corrupt:
                self._parts.give_up(upload)
                raise
            self._uploads.forget(row.name)
            return stored, upload.sha1, True


def _nothing() -> None:
    return None


def _outcome(end: Callable[[], Sent]) -> Sent | BaseException:
    try:
        return end()
    except BaseException as error:  # noqa: BLE001 - whoever takes the outcome raises it
        return error


def _confirmed(row: Row, still: Still, sha1: str, tag: str) -> Confirmed:
    return Confirmed(row.path, row.name, still.size, still.mtime_ns, still.ctime_ns, sha1, tag)
