"""The way back: what was written at the remote since the copy comes to the old host."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from migrate.files.manifest import Entry, Manifest, Row
from migrate.files.names import escaped
from migrate.files.scan import LINK_SUFFIX
from migrate.remotes import Body, Remote, Stored
from swarmstead.errors import Corrupt, InputError, Refused
from swarmstead.progress import QuietReporter, Reporter
from swarmstead.stop import Stop

__all__ = ["BackReport", "aside_folder", "reverse"]

_RECORD_EVERY = 64
_ZEROS = bytes(64 * 1024)


@dataclass
class BackReport:
    """Counts. kept: the old host's own versions that were set aside. gone: files whose objects are gone."""

    seen: int = 0
    unchanged: int = 0
    written: int = 0
    bytes: int = 0
    kept: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    bill: dict[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return asdict(self)


def aside_folder(root: Path) -> Path:
    """Return where the old host's own versions go: beside the folder, so that no web server serves them."""
    return root.with_name(root.name + ".before-rollback")


def reverse(
    root: Path,
    remote: Remote,
    manifest: Manifest,
    *,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
    dry_run: bool = False,
) -> BackReport:
    """Bring every object that is new or changed since the copy back into the folder.

    A file of the old host that is not what was copied, or that is replaced, is set aside, never overwritten.
    A file whose object is gone stays, and is named. Killed and run again, it goes on. Raises what the remote
    raises, Refused where the folder is not there.
    """
    if not root.is_dir():
        raise Refused("no such folder", subject=str(root), hint="Make it, or mend the path.")
    report = BackReport()
    back = _Back(root, remote, manifest, report, dry_run=dry_run)
    seen: set[str] = set()
    with (reporter or QuietReporter()).job("Bring back", unit="files") as job:
        for stored in remote.list():
            if stop and stop.requested:
                back.record()
                stop.check()
            report.seen += 1
            seen.add(stored.name)
            back.one(stored)
            job.advance()
        back.record()
    report.gone = [entry.name for entry in manifest.all() if entry.name not in seen]
    if not dry_run:
        # The folder is in charge again: the next copy brings there what the remote no longer has.
        manifest.doubt(report.gone)
        manifest.ledger.note("cutover", None)
    report.bill = remote.bill.as_dict()
    return report


class _Back:
    def __init__(
        self, root: Path, remote: Remote, manifest: Manifest, report: BackReport, *, dry_run: bool
    ) -> None:
        self._root, self._remote, self._manifest = root, remote, manifest
        self._report, self._dry_run = report, dry_run
        self._fresh: list[Entry] = []

    def one(self, stored: Stored) -> None:
        """Bring one object back where the folder lacks it."""
        row = self._manifest.row(stored.name)
        try:
            path = self._path(stored.name, row)
        except InputError:
            self._report.refused.append(ascii(stored.name))
            return
        if row and _is_same(row, stored) and os.path.lexists(self._root / os.fsdecode(row.path)):
            self._report.unchanged += 1
            return
        if self._has_the_bytes(path, stored):
            self._report.unchanged += 1
            return
        if not self._dry_run:
            self._bring(stored, row, path)
        self._report.written += 1
        self._report.bytes += stored.size

    def _path(self, name: str, row: Row | None) -> Path:
        """Return where an object belongs. Raises InputError for a name that leads out of the folder."""
        raw = row.path if row else name.encode()
        if row is None and escaped(unquote_to_bytes(name)) == name and "%" in name:
            raw = unquote_to_bytes(name)
        if any(part in {b"", b".", b".."} for part in raw.split(b"/")) or b"\0" in raw:
            raise InputError("its name leads out of the folder", subject=ascii(name))
        path = self._root
        *folders, last = os.fsdecode(raw).split("/")
        for part in folders:
            path = path / part
            if path.is_symlink():
                raise InputError("a symbolic link stands in its way", subject=ascii(name))
        return path / last

    def _has_the_bytes(self, path: Path, stored: Stored) -> bool:
        """Return whether the file is what the object is, though no manifest says so: after a kill."""
        if not path.is_file() or path.is_symlink() or path.stat().st_size != stored.size:
            return False
        sha1 = stored.sha1 or (found.sha1 if (found := self._remote.head(stored.name)) else "")
        with path.open("rb") as file:
            return bool(sha1) and hashlib.file_digest(file, "sha1").hexdigest() == sha1

    def _bring(self, stored: Stored, row: Row | None, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_link = stored.name.endswith(LINK_SUFFIX) and (row is None or row.target is not None)
        with self._remote.get(stored.name) as body:
            if body is None:
                return  # deleted since the listing
            if is_link:
                self._link(path, stored, body)
                return
            entry = _fetched(body, stored, path, set_aside=self._set_aside)
        self._fresh.append(entry)
        if len(self._fresh) >= _RECORD_EVERY:
            self.record()

    def _link(self, path: Path, stored: Stored, body: Body) -> None:
        target = b"".join(body.chunks)
        place = path.with_name(path.name.removesuffix(LINK_SUFFIX))
        if place.is_symlink() and os.fsencode(place.readlink()) == target:
            return
        self._set_aside(place)
        place.symlink_to(os.fsdecode(target))

    def _set_aside(self, path: Path) -> None:
        """Move the old host's own version out of the way, where there is one."""
        if not os.path.lexists(path):
            return
        relative = path.relative_to(self._root)
        aside = aside_folder(self._root) / relative
        number = 0
        while os.path.lexists(aside):
            number += 1
            aside = aside.with_name(f"{relative.name}.{number}")
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.rename(aside)
        self._report.kept.append(str(aside))

    def record(self) -> None:
        """Write down what was brought back."""
        if self._fresh:
            self._manifest.add(*self._fresh)
            self._fresh.clear()


def _is_same(row: Row, stored: Stored) -> bool:
    """Return whether an object is still what was confirmed, by its mark or its hash."""
    if row.sent_size != stored.size:
        return False
    return stored.tag == row.tag != "" or stored.sha1 == row.sha1 != ""


def _fetched(body: Body, stored: Stored, path: Path, *, set_aside: Callable[[Path], None]) -> Entry:
    """Write an object beside its place, check it, and move it there."""
    handle, name = tempfile.mkstemp(prefix=".swarmstead-", dir=path.parent)
    temporary = Path(name)
    try:
        digest, size = hashlib.sha1(usedforsecurity=False), 0
        with os.fdopen(handle, "wb") as out:
            for chunk in body.chunks:
                _write(out.fileno(), chunk)
                digest.update(chunk)
                size += len(chunk)
            os.ftruncate(out.fileno(), size)
            os.fsync(out.fileno())
        sha1 = digest.hexdigest()
        if size != body.stored.size or body.stored.sha1 not in ("", sha1):
            raise Corrupt("the remote sent other bytes than it promised", subject=stored.name)
        owner = path.parent.stat()
        os.chown(temporary, owner.st_uid, owner.st_gid)
        temporary.chmod(0o644)
        mtime_ns = body.stored.mtime_ns or stored.mtime_ns
        if mtime_ns:
            os.utime(temporary, ns=(mtime_ns, mtime_ns))
        status = temporary.stat()
        set_aside(path)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return Entry(stored.name, size, status.st_mtime_ns, sha1, body.stored.tag or stored.tag)


def _write(descriptor: int, chunk: bytes) -> None:
    """Write a chunk; long runs of zeros become holes."""
    for start in range(0, len(chunk), len(_ZEROS)):
        piece = chunk[start : start + len(_ZEROS)]
        if len(piece) == len(_ZEROS) and piece == _ZEROS:
            os.lseek(descriptor, len(piece), os.SEEK_CUR)
            continue
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]
