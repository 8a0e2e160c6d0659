"""Real S3 servers for tests and benches: `rclone serve s3` (checks signatures) and moto (has versions)."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["KEY", "KEY_ID", "Server", "moto_s3", "rclone_program", "rclone_s3", "s3_client"]

KEY_ID, KEY = "test-key-id", "test-secret-key"


@dataclass(frozen=True)
class Server:
    """url: endpoint. folder: where rclone keeps the objects; None for moto. pid: of the process."""

    url: str
    bucket: str
    folder: Path | None
    pid: int


def rclone_program() -> str | None:
    """Return rclone of the PyPI wheel, beside this Python; Debian's is too old."""
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else shutil.which("rclone")


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server does not listen")


@contextmanager
def _started(words: list[str], port: int, env: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(port, process)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def s3_client(url: str, *, tries: int = 5) -> "S3Client":
    """Return boto3's own client of a server here, to see what ours did."""
    import boto3  # noqa: PLC0415 - a third of a second that most tests do not need
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=KEY,
        config=Config(retries={"total_max_attempts": tries}),
    )


@contextmanager
def rclone_s3(bucket: str = "pictures") -> Iterator[Server]:
    """Serve a temporary folder as S3, with one bucket and one key."""
    program = rclone_program()
    if program is None:
        _missing("rclone")
    with tempfile.TemporaryDirectory(prefix="rclone-s3-") as name:
        folder, port = Path(name), free_port()
        (folder / bucket).mkdir()
        env = {**os.environ, "RCLONE_AUTH_KEY": f'"{KEY_ID},{KEY}"', "RCLONE_CONFIG": "/dev/null"}
        env.pop("AWS_CA_BUNDLE", None)
        words = [str(program), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--quiet"]
        words += [name]
        with _started(words, port, env) as pid:
            yield Server(f"http://127.0.0.1:{port}", bucket, folder / bucket, pid)


@contextmanager
def moto_s3(bucket: str = "pictures") -> Iterator[Server]:
    """Serve moto's S3 with one bucket that keeps versions."""
    program = Path(sys.executable).with_name("moto_server")
    if not program.exists():
        _missing("moto_server")
    port = free_port()
    with _started(
        [str(program), "-p", str(port)], port, {**os.environ, "MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS": "1"}
    ) as pid:
        url = f"http://127.0.0.1:{port}"
        client = s3_client(url)
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield Server(url, bucket, None, pid)
