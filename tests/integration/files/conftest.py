"""A folder of uploads, its manifest, and remotes on real servers."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrate.files import Choices, CopyReport, Manifest, VerifyReport, copy_pass, verify
from migrate.remotes import Policy, Remote, open_remote
from migrate.remotes.testkit import B2Server, S3Proxy
from tests.support.s3servers import KEY, KEY_ID, Server, rclone_s3

QUICK = Policy(deadline=20, first=0.01, longest=0.2)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


class Place:
    """A source folder with its manifest's path and a remote."""

    def __init__(self, folder: Path, remote: Remote) -> None:
        self.root, self.path, self.remote = folder / "uploads", folder / "manifest.ledger", remote
        self.root.mkdir()

    def write(self, name: str, data: bytes = b"data") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def tree(self, count: int = 40) -> dict[str, bytes]:
        files = {f"{n % 7}/file {n}.jpg": os.urandom(n * 97) for n in range(count)}
        for name, data in files.items():
            self.write(name, data)
        return files

    def copy(self, choices: Choices | None = None) -> CopyReport:
        with Manifest(self.path) as manifest:
            return copy_pass(self.root, self.remote, manifest, choices=choices)

    def verify(self, *, download: bool = False, reread: bool = True) -> tuple[VerifyReport, list[str]]:
        marks: list[str] = []
        with Manifest(self.path) as manifest:
            report = verify(
                self.root,
                self.remote,
                manifest,
                download=download,
                reread=reread,
                each=lambda mark, name: marks.append(f"{mark} {name}"),
            )
        return report, marks

    def there(self) -> dict[str, bytes]:
        found = {}
        for stored in self.remote.list():
            with self.remote.get(stored.name) as body:
                assert body is not None
                found[stored.name] = b"".join(body.chunks)
        return found


@pytest.fixture(scope="session")
def rclone_server() -> Iterator[Server]:
    with rclone_s3() as server:
        yield server


@pytest.fixture
def b2() -> Iterator[B2Server]:
    with B2Server.running() as server:
        yield server


@pytest.fixture
def proxy(rclone_server: Server) -> Iterator[S3Proxy]:
    with S3Proxy.running(rclone_server.url) as found:
        yield found


@pytest.fixture
def b2_place(tmp_path: Path, b2: B2Server) -> Place:
    return Place(
        tmp_path,
        open_remote("b2://pictures", endpoint=b2.url, key_id=b2.key.id, key=b2.key.key, policy=QUICK),
    )


@pytest.fixture
def s3_place(tmp_path: Path, proxy: S3Proxy) -> Place:
    url = f"s3://pictures/{tmp_path.name}"
    return Place(tmp_path, open_remote(url, endpoint=proxy.url, key_id=KEY_ID, key=KEY, policy=QUICK))


@pytest.fixture
def file_place(tmp_path: Path) -> Place:
    return Place(tmp_path, open_remote((tmp_path / "remote").as_uri()))


@pytest.fixture(params=["file", "s3", "b2"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


Hook = Callable[[], None]
