"""The watched folder: which names the app has written, renamed or removed, and when all of that is known."""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from migrate.cache.inotify import (
    CLOSE_WRITE,
    CREATE,
    DELETE,
    IGNORED,
    ISDIR,
    MODIFY,
    MOVED_FROM,
    MOVED_TO,
    Q_OVERFLOW,
    Event,
    Inotify,
)
from migrate.cache.names import OWN

__all__ = ["Watch", "walk"]

_SETTLE_SECONDS = 1.0


def walk(root: Path, below: str = "") -> Iterator[tuple[str, bool]]:
    """Give every name below a folder and whether it is a folder; the cache's own is left out."""
    stack = [below]
    while stack:
        prefix = stack.pop()
        try:
            with os.scandir(root / prefix) as found:
                for entry in found:
                    name = prefix + entry.name
                    if name == OWN:
                        continue
                    folder = entry.is_dir(follow_symlinks=False)
                    yield name, folder
                    if folder:
                        stack.append(name + "/")
        except OSError:
            continue  # removed, or not ours to read: nothing the app's users can see


class Watch:
    """Follows a folder on the event loop.

    changed: called with each name that is to be looked at. gone: called with each folder (ending in a
    slash) that was moved away: names below it are to be looked at. lost: called when the kernel dropped
    events, so that everything is to be looked at.
    """

    def __init__(
        self,
        root: Path,
        changed: Callable[[str], None],
        gone: Callable[[str], None],
        lost: Callable[[], None],
    ) -> None:
        self._root, self._changed, self._gone, self._lost = root, changed, gone, lost
        self._inotify = Inotify()
        self._folders: dict[int, str] = {}  # watch -> prefix
        self._open: dict[str, float] = {}  # being written -> when it last changed
        self._cookies: dict[str, asyncio.Future[None]] = {}
        self._sync = root / OWN / "sync"
        self._sync.mkdir(mode=0o700, exist_ok=True)
        for left in self._sync.iterdir():
            left.unlink()
        self._sync_watch = self._inotify.add(str(self._sync))
        self._settler: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch all folders that are there; call it on the event loop, before `walk`."""
        self._add("")
        for name, folder in walk(self._root):
            if folder:
                self._add(name + "/")
        loop = asyncio.get_running_loop()
        loop.add_reader(self._inotify.file, self.drain)
        self._settler = loop.create_task(self._settle())

    async def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._inotify.file)
        if self._settler:
            self._settler.cancel()
            await asyncio.wait([self._settler])
        self._inotify.close()

    def _add(self, prefix: str) -> None:
        number = self._inotify.add(str(self._root / prefix))
        if number is not None:
            self._folders[number] = prefix

    async def caught_up(self) -> None:
        """Return when all that happened before the call has been told.

        A file of ours is the marker: the kernel queues events in their order, so when we see the marker's we
        have seen all before it. Files that are still being written are told as changed.
        """
        name = secrets.token_hex(8)
        seen = self._cookies[name] = asyncio.get_running_loop().create_future()
        marker = self._sync / name
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            await seen
        finally:
            self._cookies.pop(name, None)
            marker.unlink()
        for written in [*self._open]:
            self._changed(written)

    def drain(self) -> None:
        """Tell what has happened until now, as far as the kernel has queued it."""
        for event in self._inotify.read():
            self._handle(event)

    def _handle(self, event: Event) -> None:
        if event.mask & Q_OVERFLOW:
            self._overflow()
        elif event.watch == self._sync_watch:
            if (seen := self._cookies.get(event.name)) and not seen.done():
                seen.set_result(None)
        elif event.mask & IGNORED:
            self._folders.pop(event.watch, None)
        elif (prefix := self._folders.get(event.watch)) is not None and event.name:
            name = prefix + event.name
            if name == OWN:
                return
            if event.mask & ISDIR:
                self._folder(name + "/", event.mask)
            else:
                self._file(name, event.mask)

    def _folder(self, prefix: str, mask: int) -> None:
        if mask & (CREATE | MOVED_TO):
            # Watch first, then look: what appears in between is seen twice, never not at all.
            self._add(prefix)
            for name, folder in walk(self._root, prefix):
                if folder:
                    self._add(name + "/")
                else:
                    self._changed(name)
        elif mask & (MOVED_FROM | DELETE):
            self._gone(prefix)

    def _file(self, name: str, mask: int) -> None:
        if mask & (CREATE | MODIFY):
            self._open[name] = time.monotonic()
        if mask & (CLOSE_WRITE | MOVED_TO | DELETE | MOVED_FROM):
            self._open.pop(name, None)
            self._changed(name)

    def _overflow(self) -> None:
        for prefix in ["", *(name + "/" for name, folder in walk(self._root) if folder)]:
            self._add(prefix)
        for seen in self._cookies.values():
            if not seen.done():
                seen.set_result(None)
        self._lost()

    async def _settle(self) -> None:
        """Tell of files that nobody closed, when they have not changed for a while; hard links among them."""
        while True:
            await asyncio.sleep(_SETTLE_SECONDS / 2)
            before = time.monotonic() - _SETTLE_SECONDS
            for name in [name for name, when in self._open.items() if when < before]:
                del self._open[name]
                self._changed(name)
