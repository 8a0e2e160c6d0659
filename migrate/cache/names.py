"""Names: from a request's path to an object's name, and from a name to a file below the folder."""

import os
from contextlib import suppress
from urllib.parse import unquote_to_bytes

__all__ = ["OWN", "open_below", "open_folder", "parent_of", "safe_name", "sendable"]

OWN = ".swarmstead"
"""The cache's own folder inside the folder it keeps: index, temporary files, lock."""

_LONGEST_NAME = 1024
_LONGEST_SEGMENT = 250
_SPACE, _DELETE = 0x20, 0x7F


def sendable(name: str) -> bool:
    """Return whether a name may be an object's in every remote (B2's rules are the narrowest)."""
    try:
        octets = name.encode()
    except UnicodeEncodeError:
        return False
    if not 0 < len(octets) <= _LONGEST_NAME or any(c < _SPACE or c == _DELETE for c in octets):
        return False
    return all(
        0 < len(part) <= _LONGEST_SEGMENT and part not in {b".", b".."} and b"\\" not in part
        for part in octets.split(b"/")
    )


def safe_name(raw_path: str) -> str | None:
    """Return the object's name of a request's path as it was sent, None for one that has no object.

    It is decoded once. A segment that begins with a dot is never served: it may be the cache's own, and
    nginx's usual rule hides such files too. Query and fragment are cut off.
    """
    path = raw_path.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        return None
    try:
        name = unquote_to_bytes(path[1:]).decode()
    except UnicodeError:
        return None
    hidden = name.startswith(".") or "/." in name
    return name if not hidden and sendable(name) else None


def open_folder(root: str) -> int:
    """Open a folder to look names up below it; return its descriptor."""
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def parent_of(root: int, name: str, *, make: bool = False) -> tuple[int, str]:
    """Return a descriptor of the folder that a name is in, and the last part of the name.

    No symbolic link is followed, so nobody who can write in the tree leads us out of it. make: create the
    folders on the way. Raises OSError (ELOOP, ENOTDIR, ENOENT).
    """
    folder = os.dup(root)
    try:
        *folders, last = name.split("/")
        for part in folders:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        return folder, last
    except BaseException:
        os.close(folder)
        raise


def open_below(root: int, name: str) -> int:
    """Open a file to read, through no symbolic link and never waiting on a pipe; return its descriptor."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    if "/" not in name:
        return os.open(name, flags, dir_fd=root)
    folder, last = parent_of(root, name)
    try:
        return os.open(last, flags, dir_fd=folder)
    finally:
        os.close(folder)
