"""Sockets of test engines: in a short folder, since a socket's path may have 107 bytes at most."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.engine_server import EngineServer, engine_at


@pytest.fixture
def socket_path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sw"))
    yield folder / "docker.sock"
    shutil.rmtree(folder)


@pytest.fixture
def server(socket_path: Path) -> Iterator[EngineServer]:
    with engine_at(socket_path) as running:
        yield running
