"""A large file goes in parts, a few at once: what a break costs is a part at most."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from migrate.files.manifest import Upload
from migrate.files.pace import Limiter, Paced
from migrate.files.still import Still, hashes
from migrate.remotes import Part, Remote, Source, Stored
from swarmstead.errors import Corrupt, InputError
from swarmstead.stop import Stop

__all__ = ["PART_BYTES", "Parts", "Uploads", "part_size_for"]

PART_BYTES = 16 * 1024 * 1024


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


class Parts:
    """Sends the parts of one file at a time. sent: hears of bytes as they are confirmed."""

    def __init__(
        self,
        remote: Remote,
        uploads: Uploads,
        *,
        limiter: Limiter,
        sent: Callable[[int], None],
        stop: Stop,
        at_once: int,
    ) -> None:
        self._remote, self._uploads, self._limiter = remote, uploads, limiter
        self._sent, self._stop, self._at_once = sent, stop, at_once
        self._kind = remote.capabilities.part_digest

    def measured(self, name: str, file: BinaryIO, still: Still) -> Upload:
        """Return what an upload of this file will be, without an id: it is hashed whole and by parts."""
        limits = self._remote.capabilities
        part_size = part_size_for(still.size, least=limits.least_part, most_parts=limits.most_parts)
        sha1, digests = hashes(file, still.size, part_size, self._kind)
        return Upload(name, "", still.size, still.mtime_ns, still.ctime_ns, sha1, part_size, digests)

    def begin(self, measured: Upload) -> Upload:
        """Begin an upload, and write that down."""
        begun = self._remote.begin(
            measured.name, size=measured.size, sha1=measured.sha1, mtime_ns=measured.mtime_ns
        )
        upload = replace(measured, id=begun)
        self._uploads.begun(upload)
        return upload

    def give_up(self, upload: Upload) -> None:
        """Forget an upload here and at the remote."""
        self._remote.abandon(upload.name, upload.id)
        self._uploads.forget(upload.name)

    def send(self, file: BinaryIO, upload: Upload) -> Stored:
        """Send the parts that the remote lacks, and join them.

        Raises Corrupt also where the remote knows the upload no longer, Stopped, and what the remote raises.
        """
        there = self._remote.parts(upload.name, upload.id)
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
            self._fill(file, upload, missing, parts)
            stored = self._remote.finish(
                upload.name, upload.id, [parts[n] for n in sorted(parts)], size=upload.size, sha1=upload.sha1
            )
        except InputError as error:
            # The server forgot the upload (a lifecycle rule, a restart): it is begun anew.
            raise Corrupt(error.what, subject=upload.name) from None
        return stored

    def _fill(self, file: BinaryIO, upload: Upload, missing: list[int], parts: dict[int, Part]) -> None:
        """Send parts, a few at once, in order; each thread reads by its own descriptor."""
        path = f"/proc/self/fd/{file.fileno()}"

        def one(number: int) -> Part:
            start = (number - 1) * upload.part_size
            size = min(upload.part_size, upload.size - start)
            with Path(path).open("rb") as source:
                source.seek(start)
                paced: Source = source if self._limiter.idle else Paced(source, self._limiter)
                part = self._remote.put_part(
                    upload.name, upload.id, number, paced, size=size, digest=upload.digests[number - 1]
                )
            self._sent(size)
            return part

        queue = iter(missing)
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="part") as pool:
            running: set[Future[Part]] = set()
            try:
                while True:
                    while len(running) < self._at_once and (number := next(queue, 0)):
                        running.add(pool.submit(one, number))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        part = future.result()
                        parts[part.number] = part
                    self._stop.check()
            finally:
                for future in running:
                    future.cancel()
