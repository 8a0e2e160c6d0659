"""The proof: each file of the source stands at the remote with the same bytes.

The remote's own word is taken, from its listing (one call for a thousand objects), where it computed it from
the bytes; else the object is asked for, or read. `download` reads every object, whatever the remote says.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from migrate.files.manifest import Manifest, Row
from migrate.files.names import Limits
from migrate.files.scan import Found, Odd, open_below, scan
from migrate.remotes import Remote, Stored
from swarmstead.errors import SwarmsteadError
from swarmstead.progress import QuietReporter, Reporter
from swarmstead.stop import Stop

__all__ = ["Mark", "VerifyReport", "verify"]

Mark = Literal["=", "-", "+", "*", "!"]
"""As `rclone check --combined`: same; only at the remote; missing there; different; an error."""

_WORKERS = 8
_BATCH = 512


@dataclass
class VerifyReport:
    """Counts, and the names that differ (`*`), are missing at the remote (`+`), or only there (`-`)."""

    checked: int = 0
    same: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    odd: list[Odd] = field(default_factory=list)
    bill: dict[str, object] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Return whether every file was found with the same bytes."""
        return not self.missing and not self.different and not self.errors

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return {**asdict(self), "proved": self.proved}

    def mark(self, mark: Mark, name: str, size: int) -> None:
        """Count one name."""
        if mark == "-":
            self.extra.append(name)
            return
        self.checked += 1
        if mark == "=":
            self.same += 1
            self.bytes += size
        else:
            {"+": self.missing, "*": self.different, "!": self.errors}[mark].append(name)


def verify(
    root: Path,
    remote: Remote,
    manifest: Manifest | None = None,
    *,
    download: bool = False,
    reread: bool = True,
    each: Callable[[Mark, str], None] | None = None,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
) -> VerifyReport:
    """Compare every file of the source with the remote.

    manifest: what was copied, with links and odd names as chosen there; else the folder as it is, links left
    out. reread: read every file of the source, too; else a file whose size and times are as they were when it
    was copied has the hash that the manifest says. each: hears of every name, in order.
    """
    check = _Check(root, remote, download=download, reread=reread or manifest is None)
    report = VerifyReport()
    rows, report.odd = _source(root, remote, manifest)
    tell = each or (lambda _mark, _name: None)
    with (
        (reporter or QuietReporter()).job("Verify", total=len(rows), unit="files") as job,
        ThreadPoolExecutor(_WORKERS, thread_name_prefix="verify") as pool,
    ):
        for batch in _batches(_merged(rows, remote.list())):
            if stop:
                stop.check()
            for (row, stored), mark in zip(batch, pool.map(check.pair, batch), strict=True):
                name = row.name if row else stored.name if stored else ""
                report.mark(mark, name, row.size if row else 0)
                tell(mark, name)
                job.advance(1 if row else 0)
    report.bill = remote.bill.as_dict()
    return report


_Pair = tuple[Row | None, Stored | None]


def _source(root: Path, remote: Remote, manifest: Manifest | None) -> tuple[list[Row], list[Odd]]:
    """Return the source's files by their objects' names, and what is not moved."""
    if manifest is not None and manifest.scans:
        chosen = manifest.ledger.noted("choices", {})
        manifest.take(scan(root, limits=Limits.of(remote.capabilities), **chosen))
        return manifest.rows(), manifest.odd()
    odd, rows = [], []
    for found in scan(root, limits=Limits.of(remote.capabilities)):
        if isinstance(found, Odd):
            odd.append(found)
        else:
            rows.append(_row(found))
    return sorted(rows, key=lambda row: row.name.encode()), odd


def _row(found: Found) -> Row:
    return Row(
        found.path,
        found.name,
        found.size,
        found.mtime_ns,
        found.ctime_ns,
        found.target,
        found.followed,
    )


def _merged(rows: Sequence[Row], listing: Iterator[Stored]) -> Iterator[_Pair]:
    """Give each name's file and object; both come by the bytes of their names."""
    stored = next(listing, None)
    for row in rows:
        key = row.name.encode()
        while stored and stored.name.encode() < key:
            yield None, stored
            stored = next(listing, None)
        if stored and stored.name == row.name:
            yield row, stored
            stored = next(listing, None)
        else:
            yield row, None
    while stored:
        yield None, stored
        stored = next(listing, None)


def _batches(pairs: Iterator[_Pair]) -> Iterator[list[_Pair]]:
    batch: list[_Pair] = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Check:
    """Compares one file with one object; used by many threads."""

    def __init__(self, root: Path, remote: Remote, *, download: bool, reread: bool) -> None:
        self._root, self._remote, self._download, self._reread = root, remote, download, reread

    def pair(self, pair: _Pair) -> Mark:
        """Return the mark of a name."""
        row, stored = pair
        if row is None:
            return "-"
        if stored is None:
            return "+"
        try:
            sha1, md5 = self._ours(row)
            return "=" if self._theirs(row, stored, sha1, md5) == (row.size, sha1) else "*"
        except FileNotFoundError:
            return "-"  # removed from the source since: only at the remote
        except (OSError, SwarmsteadError):
            return "!"

    def _ours(self, row: Row) -> tuple[str, str]:
        """Return SHA-1 and MD5 of the source; MD5 only where it was read."""
        path = self._root / os.fsdecode(row.path)
        if row.target is not None and not row.followed:
            target = os.fsencode(path.readlink())
            return _sha1(target), hashlib.md5(target, usedforsecurity=False).hexdigest()
        descriptor = (
            os.open(path, os.O_RDONLY | os.O_CLOEXEC) if row.followed else open_below(self._root, row.path)
        )
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            as_it_was = (status.st_size, status.st_mtime_ns, status.st_ctime_ns) == (
                row.sent_size,
                row.sent_mtime_ns,
                row.sent_ctime_ns,
            )
            if row.sha1 and as_it_was and not self._reread:
                return row.sha1, ""
            first, second = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
            wants_md5 = self._remote.capabilities.part_digest == "md5"
            while chunk := file.read(1024 * 1024):
                first.update(chunk)
                if wants_md5:
                    second.update(chunk)
            return first.hexdigest(), second.hexdigest() if wants_md5 else ""

    def _theirs(self, row: Row, stored: Stored, sha1: str, md5: str) -> tuple[int, str]:
        """Return size and SHA-1 of the object, by the strongest word that the listing has."""
        if self._download:
            return self._read(row.name)
        if self._remote.capabilities.listed_tags_prove:
            proved = stored.tag in {f"sha1:{sha1}", md5} - {""} or (
                row.sha1 == sha1 and stored.tag == row.tag != ""
            )
            if proved or (stored.sha1 and stored.sha1 != sha1):
                return stored.size, sha1 if proved else stored.sha1
            found = self._remote.head(row.name)
            if found and found.sha1:
                return found.size, found.sha1
        return self._read(row.name)

    def _read(self, name: str) -> tuple[int, str]:
        digest, size = hashlib.sha1(usedforsecurity=False), 0
        with self._remote.get(name) as body:
            for chunk in body.chunks if body else ():
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
