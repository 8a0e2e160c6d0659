"""``file:///FOLDER``: the embedded default, for one machine and for tests."""

import hashlib
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENAMETOOLONG, ENOSPC
from itertools import islice
from pathlib import Path

from migrate.remotes.base import CHUNK_BYTES, About, Body, Capabilities, Part, Source, Stored, Unfinished
from migrate.remotes.bill import Bill
from migrate.remotes.stream import Window
from swarmstead.errors import Corrupt, Denied, Exhausted, InputError, SwarmsteadError, Unreachable

__all__ = ["LocalRemote"]

_OWN = ".swarmstead-remote"
"""Folder for what is not an object (yet): temporary files and uploads in parts."""


def _told(error: OSError, subject: str) -> SwarmsteadError:
    """Return our error for the system's."""
    if error.errno in (ENOSPC, EDQUOT, EFBIG):
        return Exhausted(f"no room: {error.strerror}", subject=subject, hint="Make room, then run it again.")
    if isinstance(error, PermissionError):
        return Denied(f"no right to it: {error.strerror}", subject=subject)
    if error.errno == ENAMETOOLONG or isinstance(
        error, NotADirectoryError | IsADirectoryError | FileExistsError
    ):
        return InputError(
            f"this name cannot be a file here: {error.strerror}",
            subject=subject,
            hint="In a local folder a name cannot be a file and a folder at once.",
        )
    return Unreachable(f"the folder does not answer: {error.strerror}", subject=subject)


def _tag(status: os.stat_result) -> str:
    # Renaming over a file brings another inode, writing into it another ctime, which nobody can set.
    return f"{status.st_ino:x}-{status.st_ctime_ns:x}"


class LocalRemote:
    """Objects as files below a folder; an object appears whole, by rename."""

    capabilities = Capabilities(
        kind="file",
        part_digest="sha1",
        least_part=1,
        most_parts=10_000,
        longest_name=4000,
        longest_segment=255,
        listed_tags_prove=False,
        keeps_versions=False,
    )

    def __init__(self, root: Path) -> None:
        self.url = root.as_uri() + "/"
        self.bill = Bill()
        self._root = root
        try:
            (root / _OWN).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _told(error, str(root)) from None

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in {"", ".", ".."} for part in parts) or "\0" in name or parts[0] == _OWN:
            raise InputError("not a name for an object", subject=ascii(name))
        return self._root.joinpath(*parts)

    def _described(self, name: str, status: os.stat_result, sha1: str = "") -> Stored:
        return Stored(name, status.st_size, sha1, _tag(status), status.st_mtime_ns)

    def _settle(self, temporary: Path, name: str, *, sha1: str, mtime_ns: int) -> Stored:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if mtime_ns:
            os.utime(temporary, ns=(mtime_ns, mtime_ns))
        temporary.chmod(0o644)
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return self._described(name, path.stat(), sha1)

    def _write(self, temporary: Path, source: Source, size: int, digest: str, name: str) -> None:
        """Write and fsync `size` bytes, whose SHA-1 must be `digest`."""
        hashed, count = hashlib.sha1(usedforsecurity=False), 0
        window = Window(source, size)
        with temporary.open("wb") as out:
            while chunk := window.read(CHUNK_BYTES):
                out.write(chunk)
                hashed.update(chunk)
                count += len(chunk)
            out.flush()
            os.fsync(out.fileno())
        if (count, hashed.hexdigest()) != (size, digest):
            raise Corrupt("the bytes are not those that were announced", subject=name)

    def _temporary(self) -> Path:
        handle, path = tempfile.mkstemp(prefix="part-", dir=self._root / _OWN)
        os.close(handle)
        return Path(path)

    def put(
        self, name: str, source: Source, *, size: int, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Stored:
        """Store the bytes, checked while they are written."""
        self._path(name)
        self.bill.count("put", sent=size)
        try:
            temporary = self._temporary()
            try:
                self._write(temporary, source, size, sha1, name)
                return self._settle(temporary, name, sha1=sha1, mtime_ns=mtime_ns)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise _told(error, self.url + name) from None

    def put_later(
        self, name: str, data: bytes, *, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Callable[[], Stored]:
        """Return what stores the bytes: nothing is sent ahead here."""
        return lambda: self.put(name, io.BytesIO(data), size=len(data), sha1=sha1, md5=md5, mtime_ns=mtime_ns)

    @contextmanager
    def get(self, name: str, *, start: int = 0, end: int | None = None) -> Iterator[Body | None]:
        """Open an object."""
        self.bill.count("get")
        try:
            file = self._path(name).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            yield None
            return
        except OSError as error:
            raise _told(error, self.url + name) from None
        with file:
            stored = self._described(name, os.fstat(file.fileno()))
            start = min(start, stored.size)
            file.seek(start)
            length = max(0, (stored.size if end is None else min(end, stored.size)) - start)
            yield Body(stored, self._chunks(Window(file, length)), start)

    def _chunks(self, window: Window) -> Iterator[bytes]:
        while chunk := window.read(CHUNK_BYTES):
            self.bill.receive(len(chunk))
            yield chunk

    def head(self, name: str) -> Stored | None:
        """Describe an object; its hash is computed."""
        self.bill.count("head")
        try:
            with self._path(name).open("rb") as file:
                sha1 = hashlib.file_digest(file, "sha1").hexdigest()
                return self._described(name, os.fstat(file.fileno()), sha1)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise _told(error, self.url + name) from None

    def page(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Describe up to `limit` objects."""
        self.bill.count("list")
        return [*islice(self._walk(b"", prefix.encode(), after.encode()), limit)]

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Describe every object."""
        self.bill.count("list")
        return self._walk(b"", prefix.encode(), b"")

    def _walk(self, folder: bytes, prefix: bytes, after: bytes) -> Iterator[Stored]:
        # A folder sorts as its name and a slash: so the names come in the order of their bytes.
        try:
            with os.scandir(os.fsencode(self._root) + b"/" + folder) as found:
                entries = [(e.name + b"/" * e.is_dir(follow_symlinks=False), e) for e in found]
        except FileNotFoundError:
            return
        except OSError as error:
            raise _told(error, self.url + os.fsdecode(folder)) from None
        for last, entry in sorted(entries, key=lambda pair: pair[0]):
            name = folder + last
            if last.endswith(b"/"):
                if name != _OWN.encode() + b"/" and _may_hold(name, prefix, after):
                    yield from self._walk(name, prefix, after)
            elif name > after and name.startswith(prefix) and entry.is_file(follow_symlinks=False):
                try:
                    yield self._described(name.decode(), entry.stat(follow_symlinks=False))
                except (UnicodeDecodeError, FileNotFoundError):
                    continue  # no name of an object; removed meanwhile

    def copy(self, source: str, target: str) -> Stored:
        """Copy an object."""
        self.bill.count("copy")
        try:
            with self._path(source).open("rb") as file:
                status = os.fstat(file.fileno())
                sha1 = hashlib.file_digest(file, "sha1").hexdigest()
                file.seek(0)
                return self.put(target, file, size=status.st_size, sha1=sha1, mtime_ns=status.st_mtime_ns)
        except FileNotFoundError:
            raise InputError("no such object", subject=self.url + source) from None
        except OSError as error:
            raise _told(error, self.url + source) from None

    def delete(self, name: str) -> None:
        """Remove an object, and the folders that it leaves empty."""
        self.bill.count("delete")
        path = self._path(name)
        try:
            path.unlink()
            for folder in path.parents:
                if folder == self._root:
                    break
                folder.rmdir()
        except OSError as error:
            # Not there, a folder of that name, or a folder above that is not empty: all is as it should be.
            if isinstance(error, PermissionError):
                raise _told(error, self.url + name) from None

    def _upload(self, upload: str) -> Path:
        if not upload.isalnum():
            raise InputError("not an upload's id", subject=ascii(upload))
        return self._root / _OWN / f"upload-{upload}"

    def begin(self, name: str, *, size: int, sha1: str, mtime_ns: int = 0) -> str:
        """Begin an upload in parts: a folder of its own."""
        self._path(name)
        self.bill.count("begin")
        upload = secrets.token_hex(8)
        folder = self._upload(upload)
        try:
            folder.mkdir()
            (folder / "about.json").write_text(json.dumps({"name": name, "mtime_ns": mtime_ns}))
        except OSError as error:
            raise _told(error, self.url + name) from None
        return upload

    def put_part(
        self, name: str, upload: str, number: int, source: Source, *, size: int, digest: str
    ) -> Part:
        """Store one part, named by number, size and hash."""
        self.bill.count("part", sent=size)
        try:
            temporary = self._temporary()
            try:
                self._write(temporary, source, size, digest, name)
                temporary.replace(self._upload(upload) / f"{number}-{size}-{digest}")
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise _told(error, self.url + name) from None
        return Part(number, size, digest)

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that are there."""
        self.bill.count("parts")
        found = {}
        folder = self._upload(upload)
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name != "about.json":
                number, size, digest = path.name.split("-")
                found[int(number)] = Part(int(number), int(size), digest)
        return found

    def finish(self, name: str, upload: str, parts: Sequence[Part], *, size: int, sha1: str) -> Stored:
        """Join the parts to one file."""
        self.bill.count("finish")
        folder = self._upload(upload)
        try:
            about = json.loads((folder / "about.json").read_text())
            temporary = self._temporary()
            try:
                with temporary.open("wb") as out:
                    for part in parts:
                        with (folder / f"{part.number}-{part.size}-{part.digest}").open("rb") as source:
                            shutil.copyfileobj(source, out, CHUNK_BYTES)
                    out.flush()
                    os.fsync(out.fileno())
                with temporary.open("rb") as whole:
                    if hashlib.file_digest(whole, "sha1").hexdigest() != sha1:
                        raise Corrupt("the parts do not make the file", subject=name)
                stored = self._settle(temporary, name, sha1=sha1, mtime_ns=about["mtime_ns"])
            finally:
                temporary.unlink(missing_ok=True)
        except FileNotFoundError:
            raise InputError("no such upload, or a part is missing", subject=self.url + name) from None
        except OSError as error:
            raise _told(error, self.url + name) from None
        shutil.rmtree(folder, ignore_errors=True)
        return stored

    def abandon(self, name: str, upload: str) -> None:
        """Remove an upload's folder."""
        self.bill.count("abandon")
        shutil.rmtree(self._upload(upload), ignore_errors=True)

    def about(self) -> About:
        """Say what a folder does: nothing by itself."""
        return About(lifecycle=(), versions=False)

    def unfinished(self) -> Iterator[Unfinished]:
        """Return the uploads that have a folder."""
        for about in (self._root / _OWN).glob("upload-*/about.json"):
            upload = about.parent.name.removeprefix("upload-")
            yield Unfinished(json.loads(about.read_text())["name"], upload)


def _may_hold(folder: bytes, prefix: bytes, after: bytes) -> bool:
    """Return whether names below the folder (with its slash) can have the prefix and follow `after`."""
    related = folder.startswith(prefix) or prefix.startswith(folder)
    return related and (folder > after or after.startswith(folder))
