"""Every remote on a real server: a folder, B2's simulator over HTTP, moto and `rclone serve s3`."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from migrate.remotes import Policy, Remote, open_remote
from migrate.remotes.testkit import B2Server
from tests.support.s3servers import KEY, KEY_ID, moto_s3, rclone_s3

IMPATIENT = Policy(deadline=5, first=0.01, longest=0.1)
_prefixes = itertools.count()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, tuple[str, str, str, str]]]:
    """Return URL of the bucket, endpoint, key id and key of each kind, started when first asked for."""
    with ExitStack() as stack:
        yield _Lazy(stack)


class _Lazy(dict[str, tuple[str, str, str, str]]):
    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, kind: str) -> tuple[str, str, str, str]:
        if kind == "b2":
            b2 = self._stack.enter_context(B2Server.running("pictures"))
            self[kind] = "b2://pictures", b2.url, b2.key.id, b2.key.key
        else:
            s3 = self._stack.enter_context(moto_s3() if kind == "moto" else rclone_s3())
            self[kind] = f"s3://{s3.bucket}", s3.url, KEY_ID, KEY
        return self[kind]


@pytest.fixture(params=["file", "b2", "moto", "rclone"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, servers: _Lazy) -> Remote:
    kind: str = request.param
    if kind == "file":
        return open_remote((tmp_path / "remote").as_uri())
    url, endpoint, key_id, key = servers[kind]
    prefix = f"test{next(_prefixes)}"
    return open_remote(f"{url}/{prefix}", endpoint=endpoint, key_id=key_id, key=key, policy=IMPATIENT)
