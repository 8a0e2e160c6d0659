"""One pass: whatever is new or changed since the last goes to the remote, in parallel."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrate.files.manifest import Entry, Manifest
from migrate.files.scan import Found, Odd, scan
from migrate.remotes import Remote
from swarmstead.errors import Corrupt
from swarmstead.progress import QuietReporter, Reporter
from swarmstead.stop import Stop

__all__ = ["CopyReport", "copy_pass", "open_below"]

_WORKERS = 8
_TRIES = 3


@dataclass
class CopyReport:
    """Counts of one pass. odd: what is not moved, and why; changing: files that would not hold still."""

    seen: int = 0
    copied: int = 0
    unchanged: int = 0
    bytes: int = 0
    odd: list[Odd] = field(default_factory=list)
    changing: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return asdict(self)


def open_below(root: Path, name: str) -> int:
    """Open a file below a folder for reading, through no symbolic link; return its descriptor."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *folders, last = name.split("/")
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)


def _put(root: Path, name: str, remote: Remote) -> Entry | None:
    """Send one file; None where it vanished. Raises Corrupt where it does not hold still."""
    for attempt in range(_TRIES):
        try:
            descriptor = open_below(root, name)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(file.fileno())
            sha1 = hashlib.file_digest(file, "sha1").hexdigest()
            file.seek(0)
            try:
                remote.put(name, file, size=before.st_size, sha1=sha1)
            except Corrupt:
                if attempt == _TRIES - 1:
                    raise
                continue
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return Entry(name, after.st_size, after.st_mtime_ns, sha1)
    raise Corrupt("the file changed while it was read", subject=name)


def _changed(root: Path, manifest: Manifest, report: CopyReport) -> Iterator[Found]:
    for found in scan(root):
        if isinstance(found, Odd):
            report.odd.append(found)
            continue
        report.seen += 1
        known = manifest.get(found.name)
        if known and (known.size, known.mtime_ns) == (found.size, found.mtime_ns):
            report.unchanged += 1
        else:
            yield found


def copy_pass(
    root: Path,
    remote: Remote,
    manifest: Manifest,
    *,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
) -> CopyReport:
    """Send each file that is new or differs (size, mtime) from what was confirmed, and record it.

    Idempotent: a pass that was killed goes on with the next. What vanished here stays at the remote.
    """
    report = CopyReport()
    with (
        (reporter or QuietReporter()).job("Files", unit="files") as job,
        ThreadPoolExecutor(_WORKERS) as pool,
    ):
        pending: set[Future[Entry | None]] = set()
        names: dict[Future[Entry | None], str] = {}

        def collect(done: set[Future[Entry | None]]) -> None:
            entries = []
            for future in done:
                try:
                    entry = future.result()
                except Corrupt:
                    report.changing.append(names.pop(future))
                    continue
                names.pop(future)
                if entry:
                    entries.append(entry)
                    report.bytes += entry.size
            manifest.add(*entries)
            report.copied += len(entries)
            job.advance(len(done))

        for found in _changed(root, manifest, report):
            if stop:
                stop.check()
            future = pool.submit(_put, root, found.name, remote)
            pending.add(future)
            names[future] = found.name
            if len(pending) >= 4 * _WORKERS:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                collect(done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            collect(done)
    return report
