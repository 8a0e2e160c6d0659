"""Sessions from PHP's files to Redis, beside `redis-cli --pipe` (the limit), redis-py and a PHP loop."""

import contextlib
import fcntl
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from bench._harness import Bench
from migrate.sessions import PhpFiles, RedisTarget, State, copy_pass, verify

SHM = Path("/dev/shm")
LIFETIME = 86400
PREFIX = b"PHPREDIS_SESSION:"
PHP_LOOP = """
$r = new Redis(); $r->connect($argv[1]);
foreach (new DirectoryIterator($argv[2]) as $f) {
    if (!$f->isFile()) continue;
    $ttl = $f->getMTime() + 86400 - time();
    $r->setex('PHPREDIS_SESSION:' . substr($f->getFilename(), 5), $ttl, file_get_contents($f->getPathname()));
}
"""


def make(folder: Path, count: int) -> None:
    """Write so many files of PHP's own format, 1.1 KB in the mean."""
    folder.mkdir(parents=True, exist_ok=True)
    filler = os.urandom(4096).hex().encode()
    for n in range(count):
        size = 300 + n * 7919 % 1600
        data = b'user_id|i:%d;name|s:3:"Zoe";cart|s:%d:"%b";' % (n, size, filler[:size])
        (folder / f"sess_{n:026d}").write_bytes(data)


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a redis-server on a socket, without persistence, like for every peer."""
    path = str(folder / "redis.sock")
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        while not Path(path).exists():
            time.sleep(0.02)
        yield path
    finally:
        process.terminate()
        process.wait(30)


class Measures:
    """The measurements over one folder of files."""

    def __init__(self, files: Path, count: int, work: Path, socket: str) -> None:
        self.files, self.count, self.work, self.socket = files, count, work, socket
        self.pipe = SHM / f"swarmstead-bench-{os.getpid()}.resp"

    def _fresh(self) -> None:
        with redis.Redis(unix_socket_path=self.socket) as server:
            server.flushall()

    def _checked(self, seconds: float) -> float:
        with redis.Redis(unix_socket_path=self.socket) as server:
            size = server.dbsize()
        if size != self.count:
            raise SystemExit(f"{size} of {self.count} sessions in Redis: the figure would be a lie")
        return self.count / seconds

    def ours(self) -> float:
        """Copy with locks, owner check, TTL and ledger."""
        self._fresh()
        source = PhpFiles(self.files, max_lifetime=LIFETIME)
        # A ledger of its own each time: with one that knows another folder it would be a delta pass.
        fresh = tempfile.TemporaryDirectory(dir=self.work)
        with fresh as name, RedisTarget(f"unix://{self.socket}") as target, State(Path(name) / "l") as state:
            started = time.perf_counter()
            copy_pass(source, target, state)
            return self._checked(time.perf_counter() - started)

    def build_pipe(self) -> None:
        """Write the RESP that redis-cli is given: reading files costs the limit nothing."""
        until = int(time.time()) + LIFETIME
        with self.pipe.open("wb") as out:
            for entry in os.scandir(self.files):
                key, value = PREFIX + entry.name[5:].encode(), Path(entry.path).read_bytes()
                out.write(
                    b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$4\r\nEXAT\r\n$10\r\n%d\r\n"
                    % (len(key), key, len(value), value, until)
                )

    def limit(self) -> float:
        """Pipe the pre-built RESP."""
        self._fresh()
        with self.pipe.open("rb") as data:
            started = time.perf_counter()
            command = ["redis-cli", "-s", self.socket, "--pipe"]
            subprocess.run(command, stdin=data, stdout=subprocess.DEVNULL, check=True)
            return self._checked(time.perf_counter() - started)

    def redis_py(self) -> float:
        """Read the files and send them by redis-py's pipeline(500)."""
        self._fresh()
        with redis.Redis(unix_socket_path=self.socket) as server:
            started = time.perf_counter()
            pipeline = server.pipeline(transaction=False)
            for n, entry in enumerate(os.scandir(self.files), 1):
                until = int(entry.stat().st_mtime) + LIFETIME
                pipeline.set(PREFIX + entry.name[5:].encode(), Path(entry.path).read_bytes(), exat=until)
                if n % 500 == 0:
                    pipeline.execute()
            pipeline.execute()
            return self._checked(time.perf_counter() - started)

    def php(self) -> float:
        """Run the loop that Cm_RedisSession's migration script is."""
        self._fresh()
        started = time.perf_counter()
        subprocess.run(["php", "-r", PHP_LOOP, self.socket, str(self.files)], check=True)
        return self._checked(time.perf_counter() - started)

    def delta(self, state: State, target: RedisTarget) -> Callable[[], float]:
        """Return the measurement of a pass in which nothing changed."""

        def scan() -> float:
            started = time.perf_counter()
            report = copy_pass(PhpFiles(self.files, max_lifetime=LIFETIME), target, state)
            seconds = time.perf_counter() - started
            if report.unchanged != self.count:
                raise SystemExit(f"{report.unchanged} of {self.count} unchanged")
            return self.count / seconds

        return scan

    def bare_reads(self) -> float:
        """Open, lock, look at, read and close every file, on one core: what no copy can do without."""
        shared, flags = (
            fcntl.LOCK_SH | fcntl.LOCK_NB,
            os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME,
        )
        folder, names = os.open(self.files, os.O_RDONLY), [entry.name for entry in os.scandir(self.files)]
        started = time.perf_counter()
        for name in names:
            file = os.open(name, flags, dir_fd=folder)
            fcntl.flock(file, shared)
            os.read(file, os.fstat(file).st_size + 1)
            os.close(file)
        seconds = time.perf_counter() - started
        os.close(folder)
        return self.count / seconds

    def bare_scan(self) -> float:
        """Look at every file by scandir and stat, and do nothing with it."""
        started = time.perf_counter()
        for entry in os.scandir(self.files):
            entry.stat(follow_symlinks=False)
        return self.count / (time.perf_counter() - started)


def rss_of_a_copy(files: Path, socket: str, state: Path) -> float:
    """Return the most memory in MiB that a process takes which copies and then scans once more."""
    program = (
        "import sys; from pathlib import Path;"
        "from migrate.sessions import PhpFiles, RedisTarget, State, copy_pass;"
        f"source = PhpFiles(Path(sys.argv[1]), max_lifetime={LIFETIME});"
        "target = RedisTarget('unix://' + sys.argv[2]); state = State(Path(sys.argv[3]));"
        "copy_pass(source, target, state); copy_pass(source, target, state);"
        # Not ru_maxrss: that of a child begins with what its parent had at the fork.
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    command = [sys.executable, "-c", program, str(files), socket, str(state)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


def measure(bench: Bench, files: Path, count: int, work: Path, socket: str, where: str) -> None:
    """Take all figures over files in one place."""
    make(files, count)
    time.sleep(1.1)  # what is younger than a second is looked at again
    one = Measures(files, count, work, socket)
    unit = "sessions/s"
    try:
        one.build_pipe()
        bench.compare(
            f"copy against redis-cli --pipe, {where}", unit=unit, ours=one.ours, peer=one.limit,
            peer_name="redis-cli --pipe", program="redis-cli",
        )  # fmt: skip
    finally:
        one.pipe.unlink(missing_ok=True)
    bench.compare(f"bare reads on one core, {where}", unit="files/s", ours=one.bare_reads)
    bench.compare(
        f"copy against redis-py, {where}", unit=unit, ours=one.ours, peer=one.redis_py,
        peer_name="redis-py pipeline(500)",
    )  # fmt: skip
    bench.compare(
        f"copy against a PHP loop, {where}", unit=unit, ours=one.ours, peer=one.php,
        peer_name="phpredis, one by one", program="php",
    )  # fmt: skip
    if bench.wants(f"delta scan, {where}"):
        with RedisTarget(f"unix://{socket}") as target, State(work / f"delta-{where}") as state:
            source = PhpFiles(files, max_lifetime=LIFETIME)
            copy_pass(source, target, state)
            if not verify(source, target, state).proved:
                raise SystemExit("the copy is not proved")
            bench.compare(
                f"delta scan, {where}", unit="files/s", ours=one.delta(state, target), peer=one.bare_scan,
                peer_name="scandir and stat alone",
            )  # fmt: skip


def main() -> None:
    """Take every figure on tmpfs and on disk."""
    bench = Bench(__doc__)
    count = 20_000 if bench.quick else 200_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with tempfile.TemporaryDirectory(prefix="swarmstead-bench-") as name:
        work = Path(name)
        with redis_server(work) as socket:
            shm = SHM / work.name
            for where, files in (("tmpfs", shm), ("disk", work / "files")):
                try:
                    measure(bench, files, count, work, socket, where)
                finally:
                    shutil.rmtree(files, ignore_errors=True)
            many = 50_000 if bench.quick else 1_000_000
            figure = f"memory at {many:,} sessions"
            if bench.wants(figure):
                with redis.Redis(unix_socket_path=socket) as server:
                    server.flushall()
                try:
                    shm.mkdir()
                    for n in range(many):
                        (shm / f"sess_{n:026d}").write_bytes(b"user_id|i:%d;" % n)
                    bench.add(figure, rss_of_a_copy(shm, socket, work / "rss"), unit="MiB", better="less")
                finally:
                    shutil.rmtree(shm, ignore_errors=True)
    bench.done()


if __name__ == "__main__":
    main()
