"""Real Express: session-file-store and MemoryStore to connect-redis."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from migrate.sessions import ExpressFiles, RedisTarget, State, copy_pass, verify
from migrate.sessions.memory_store import MemoryStore
from tests.support.programs import free_port, need

from .conftest import APPS, RedisServer
from .load import Gate, Load
from .test_python_stacks import move

Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="session")
def express() -> Path:
    """Install the app's packages from npm's registry, once per version list."""
    need("node")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: Express comes from its registry")
    listing = (APPS / "express" / "package.json").read_bytes()
    digest = hashlib.sha256(listing).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"swarmstead-express-{os.getuid()}-{digest}"
    if not (folder / "done").exists():
        work = Path(tempfile.mkdtemp(prefix="swarmstead-express-"))
        (work / "package.json").write_bytes(listing)
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        if subprocess.run(command, cwd=work, timeout=180, check=False).returncode:
            pytest.skip("npm could not install Express (no registry?)")
        (work / "done").touch()
        try:
            work.rename(folder)
        except OSError:  # another worker was first
            shutil.rmtree(work)
    return folder


def serve(spawn: Spawn, express: Path, *arguments: str, inspector: int = 0) -> tuple[int, int]:
    port = free_port()
    program = express / "app.js"
    shutil.copy(APPS / "express" / "app.js", program)
    command = [need("node"), f"--inspect-port={inspector}", str(program), str(port), *arguments]
    process = spawn(command, port, cwd=express)
    return port, process.pid


def test_session_file_store_keeps_every_login(
    tmp_path: Path, spawn: Spawn, express: Path, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()

    def old() -> int:
        return serve(spawn, express, "file", str(folder))[0]

    def new() -> int:
        return serve(spawn, express, "redis", redis_server.url)[0]

    move(Gate(old()), ExpressFiles(folder), redis, state, new, old)


def test_memory_store_is_saved_from_the_living_process(
    tmp_path: Path, spawn: Spawn, express: Path, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    inspector = free_port()
    port, pid = serve(spawn, express, "memory", "-", inspector=inspector)
    gate = Gate(port)
    load = Load(gate, 20, threads=2)
    load.login()
    load.start()
    load.run_for(0.3)
    source = MemoryStore(pid, port=inspector)
    copy_pass(source, redis, state)
    gate.hold()
    copy_pass(source, redis, state)
    assert verify(source, redis, state).proved
    gate.release(serve(spawn, express, "redis", redis_server.url)[0])
    load.run_for(0.5)
    load.stop()
    assert load.faults == []
    assert load.resurrected() == []
