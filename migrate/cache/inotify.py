"""inotify(7) by its system calls: what happens to files below a folder, as it happens."""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

from swarmstead.errors import Exhausted, SwarmsteadError

__all__ = ["Event", "Inotify"]

MODIFY, CLOSE_WRITE = 0x2, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
Q_OVERFLOW, IGNORED, ISDIR = 0x4000, 0x8000, 0x40000000
ONLYDIR, DONT_FOLLOW, EXCL_UNLINK = 0x01000000, 0x02000000, 0x04000000
_MASK = MODIFY | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | ONLYDIR | DONT_FOLLOW | EXCL_UNLINK
_HEAD = struct.Struct("iIII")
_BUFFER = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Event:
    """watch: the number that `add` returned. mask: the bits above. name: in that folder, "" for itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One queue of the kernel's; its descriptor `file` is readable when there are events."""

    def __init__(self) -> None:
        self.file = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.file < 0:
            raise _error("")

    def add(self, folder: str) -> int | None:
        """Watch a folder (not what is below it); None where there is none any more."""
        number: int = _libc.inotify_add_watch(self.file, os.fsencode(folder), _MASK)
        if number >= 0:
            return number
        if ctypes.get_errno() in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES):
            return None
        raise _error(folder)

    def read(self) -> list[Event]:
        """Return what is queued, without waiting."""
        try:
            data = os.read(self.file, _BUFFER)
        except BlockingIOError:
            return []
        events, at = [], 0
        while at < len(data):
            watch, mask, _cookie, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            events.append(Event(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))))
            at += length
        return events

    def close(self) -> None:
        """Let go of all watches."""
        os.close(self.file)


def _error(folder: str) -> SwarmsteadError:
    number = ctypes.get_errno()
    return Exhausted(
        f"cannot watch for changes: {os.strerror(number)}",
        subject=folder,
        hint="Raise fs.inotify.max_user_watches (one per folder) and max_user_instances with sysctl.",
    )
