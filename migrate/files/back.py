"""The way back: what the remote has and the old host has not, or has otherwise, comes back to it."""

import hashlib
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrate.files.manifest import Entry, Manifest
from migrate.remotes import Remote
from swarmstead.errors import Corrupt
from swarmstead.stop import Stop

__all__ = ["BackReport", "reverse"]


@dataclass
class BackReport:
    """Counts. kept: the old host's own version that was set aside, by its new name."""

    seen: int = 0
    unchanged: int = 0
    written: int = 0
    bytes: int = 0
    kept: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return asdict(self)


def _fetch(remote: Remote, name: str, path: Path) -> Entry | None:
    """Write an object beside its place and move it there; None where it vanished."""
    handle, temporary = tempfile.mkstemp(prefix=".swarmstead-", dir=path.parent)
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    try:
        with os.fdopen(handle, "wb") as out, remote.get(name) as body:
            if body is None:
                return None
            for chunk in body.chunks:
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            out.flush()
            os.fsync(out.fileno())
            if size != body.stored.size or body.stored.sha1 not in ("", digest.hexdigest()):
                raise Corrupt("the remote sent other bytes than it promised", subject=name)
        _as_its_folder(Path(temporary), path.parent)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return Entry(name, size, path.stat().st_mtime_ns, digest.hexdigest())


def _as_its_folder(path: Path, folder: Path) -> None:
    owner = folder.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o644)


def reverse(root: Path, remote: Remote, manifest: Manifest, *, stop: Stop | None = None) -> BackReport:
    """Bring files written since the cut-over back; nothing of the old host is deleted or overwritten."""
    report = BackReport()
    for stored in remote.list():
        if stop:
            stop.check()
        report.seen += 1
        path = root.joinpath(*stored.name.split("/"))
        known = manifest.get(stored.name)
        if path.exists() and known and known.size == stored.size == path.stat().st_size:
            report.unchanged += 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            aside = path.with_name(path.name + ".before-rollback")
            path.rename(aside)
            report.kept.append(aside.relative_to(root).as_posix())
        entry = _fetch(remote, stored.name, path)
        if entry:
            manifest.add(entry)
            report.written += 1
            report.bytes += entry.size
    return report
