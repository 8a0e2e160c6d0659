"""More happens in the folder than the kernel's queue holds: nothing is lost, and no answer is early."""

import asyncio
from pathlib import Path

from .conftest import World

_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def flood(folder: Path) -> None:
    """Make more events than the queue takes, and leave nothing behind that would have to be sent."""
    for number in range(int(_QUEUE.read_text()) // 2 + 100):
        (folder / f"d{number % 2}").mkdir()
        (folder / f"d{number % 2}").rmdir()


def test_what_the_kernel_did_not_tell_is_found_before_an_upload_is_called_safe(world: World) -> None:
    async def play() -> None:
        async with world.node() as node:
            (node.root / "gone.jpg").write_bytes(b"gone")
            await node.settled()
            mark = node.node.mark()
            # All on the loop's own thread, so that nobody reads the events meanwhile.
            flood(node.root)
            (node.root / "late").mkdir()
            (node.root / "late" / "upload.jpg").write_bytes(b"late")
            (node.root / "gone.jpg").unlink()
            assert await node.node.safe(mark, 20)
            assert world.stored("late/upload.jpg") == b"late"
            assert world.stored("gone.jpg") is None
            # It goes on watching, also the folder whose making it was not told of.
            (node.root / "late" / "next.jpg").write_bytes(b"next")
            await node.settled()
            assert world.stored("late/next.jpg") == b"next"

    asyncio.run(play())
