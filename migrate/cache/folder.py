"""The node's folder of uploads: what the remote has confirmed, what not yet, and what is pulled."""

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from migrate.files import Entry, Found, Manifest, scan
from migrate.files.copy import open_below
from migrate.remotes import Remote
from swarmstead.errors import Corrupt

__all__ = ["Folder"]


class Folder:
    """One folder that an app writes into and that nginx serves from; all methods block."""

    def __init__(self, root: Path, remote: Remote, manifest: Manifest, *, max_bytes: int) -> None:
        self.root, self.remote, self._manifest, self._most = root, remote, manifest, max_bytes
        self._index = threading.Lock()  # one connection, many threads

    def unconfirmed(self) -> Iterator[Found]:
        """Return the files that the remote has not confirmed as they are now."""
        for found in scan(self.root):
            if isinstance(found, Found) and ".swarmstead-" not in found.name:
                with self._index:
                    known = self._manifest.get(found.name)
                if not known or (known.size, known.mtime_ns) != (found.size, found.mtime_ns):
                    yield found

    def write_through(self) -> int:
        """Send every unconfirmed file; return how many. Raises the remote's error; what went is recorded."""
        sent = 0
        for found in list(self.unconfirmed()):
            try:
                descriptor = open_below(self.root, found.name)
            except FileNotFoundError:
                continue
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(file.fileno())
                sha1 = hashlib.file_digest(file, "sha1").hexdigest()
                file.seek(0)
                self.remote.put(found.name, file, size=status.st_size, sha1=sha1)
            with self._index:
                self._manifest.add(Entry(found.name, status.st_size, status.st_mtime_ns, sha1))
            sent += 1
        return sent

    def pull(self, name: str) -> Path | None:
        """Bring an object into the folder, whole and checked; None where the remote has none."""
        path = self.root.joinpath(*name.split("/"))
        with self.remote.get(name) as body:
            if body is None:
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".swarmstead-", dir=path.parent)
            digest, size = hashlib.sha1(usedforsecurity=False), 0
            try:
                with os.fdopen(handle, "wb") as out:
                    for chunk in body.chunks:
                        out.write(chunk)
                        digest.update(chunk)
                        size += len(chunk)
                    out.flush()
                    os.fsync(out.fileno())
                if size != body.stored.size or body.stored.sha1 not in ("", digest.hexdigest()):
                    raise Corrupt("the remote sent other bytes than it promised", subject=name)
                Path(temporary).chmod(0o644)
                entry = Entry(name, size, Path(temporary).stat().st_mtime_ns, digest.hexdigest())
                with self._index:
                    self._manifest.add(entry)
                # The app may have written this name meanwhile: its bytes are newer than the remote's.
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                Path(temporary).unlink(missing_ok=True)
        self.shrink()
        return path

    def shrink(self) -> None:
        """Evict confirmed files, those longest not asked for first, until the folder is within its bound."""
        confirmed = []
        with self._index:
            entries = list(self._manifest.all())
        for entry in entries:
            try:
                status = (self.root / entry.name).stat()
            except FileNotFoundError:
                continue
            if (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns):
                confirmed.append((status.st_atime, entry.size, entry.name))
        held = sum(size for _, size, _ in confirmed)
        for _, size, name in sorted(confirmed):
            if held <= self._most:
                break
            (self.root / name).unlink(missing_ok=True)
            held -= size
