"""Real MariaDB and PostgreSQL for the tests, each with a database and a user of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrate.sessions import Database
from migrate.sessions.database_servers import DatabaseAddress, database_server
from tests.support.programs import free_port, need

from .conftest import wait_for_port

__all__ = ["PASSWORD", "Served", "served"]

PASSWORD = 'a-database\'s "password"'
_POSTGRES = Path("/usr/lib/postgresql")
_NOBODY = "nobody"
#: How to run something as nobody, where we are root.
_AS = ["setpriv", f"--reuid={_NOBODY}", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def _run(command: list[str], folder: Path, words: str | None = None) -> None:
    """Run a command as the server's own user, for neither server runs as root."""
    done = subprocess.run(
        [*_AS, *command], cwd=folder, input=words, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _postgres(folder: Path, port: int) -> list[str]:
    found = sorted(_POSTGRES.glob("*/bin/initdb"))
    programs = found[-1].parent if found else Path(need("initdb", package="postgresql"))
    (folder / "password").write_text(PASSWORD)
    data = str(folder / "data")
    make = [str(programs / "initdb"), "-D", data, "-U", "shop", "--pwfile", str(folder / "password")]
    _run([*make, "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"], folder)
    server = [str(programs / "postgres"), "-D", data]
    _run([*server[:1], "--single", *server[1:], "postgres"], folder, "create database shop;\n")
    return [*server, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "fsync=off"]


def _mariadb(folder: Path, port: int) -> list[str]:
    server = need("mariadbd", "mariadb-install-db", package="mariadb-server-core")
    data = f"--datadir={folder / 'data'}"
    make = ["mariadb-install-db", "--no-defaults", data, "--skip-test-db"]
    _run([*make, "--auth-root-authentication-method=normal"], folder)
    quoted = PASSWORD.replace("'", "''")
    (folder / "init.sql").write_text(
        "create database shop character set utf8mb4;\n"
        f"create user shop@'%' identified by '{quoted}';\n"
        "grant all on shop.* to shop@'%';\n"
    )
    command = [server, "--no-defaults", data, f"--port={port}", "--bind-address=127.0.0.1"]
    command += [f"--socket={folder / 'mysqld.sock'}", f"--init-file={folder / 'init.sql'}"]
    return [*command, "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2"]


class Served:
    """A running server of this kind (``mysql``, ``postgresql``) with a database and a user ``shop``."""

    def __init__(self, kind: str) -> None:
        self.kind, self.port = kind, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="swarmstead-db-"))
        self.folder.chmod(0o755)
        if _AS:
            shutil.chown(self.folder, _NOBODY)
        self._command = (_mariadb if kind == "mysql" else _postgres)(self.folder, self.port)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*_AS, *self._command], stdout=log, stderr=log, cwd=self.folder)
        wait_for_port(self.port, self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    @property
    def url(self) -> str:
        return f"{self.kind}://shop@127.0.0.1:{self.port}/shop"

    @property
    def socket(self) -> str:
        return str(self.folder / "mysqld.sock" if self.kind == "mysql" else self.folder)

    def database(self, **options: Any) -> Database:
        address = DatabaseAddress.parse(self.url, password=PASSWORD, **options)
        return database_server(address, retry_seconds=20)


@contextmanager
def served(kind: str) -> Iterator[Served]:
    """Run a server until the end."""
    server = Served(kind)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
