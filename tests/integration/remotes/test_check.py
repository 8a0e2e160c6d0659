"""`migrate remote check`: what the key may do, on every kind of remote, told to a person and as JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from migrate.remotes import Remote, check
from migrate.remotes.testkit import B2Server

Told = Callable[..., tuple[int, dict[str, object], str]]


def test_all_of_it_works_on_every_remote(remote: Remote) -> None:
    report = check(remote)
    assert report.ok, [(step.what, step.why) for step in report.steps]
    assert [step.what for step in report.steps] == [
        "list",
        "write",
        "describe",
        "read",
        "read a range",
        "delete",
    ]
    assert list(remote.list()) == []


@pytest.fixture
def told() -> Told:
    def run(url: str, key: tuple[str, str], *, endpoint: str = "") -> tuple[int, dict[str, object], str]:
        environment = os.environ | {"SWARMSTEAD_REMOTE_KEY_ID": key[0], "SWARMSTEAD_REMOTE_KEY": key[1]}
        words = [sys.executable, "-m", "migrate", "remote", "check", url, "--endpoint", endpoint, "--json"]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False, timeout=60)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr

    return run


def test_a_key_that_may_only_read_is_told_and_what_the_bucket_will_delete(told: Told) -> None:
    with B2Server.running("pictures") as server:
        server.set_lifecycle(
            {"fileNamePrefix": "", "daysFromUploadingToHiding": 30, "daysFromHidingToDeleting": 1}
        )
        reader = server.new_key("listBuckets", "listFiles", "readFiles")
        code, report, said = told("b2://pictures", (reader.id, reader.key), endpoint=server.url)
    assert code == 7
    assert "write" in said
    assert reader.key not in said + json.dumps(report)
    assert "30" in json.dumps(report["about"])
    steps = report["steps"]
    assert isinstance(steps, list)
    assert [(step["what"], bool(step["why"])) for step in steps] == [("list", False), ("write", True)]


def test_a_wrong_key_and_no_such_bucket_end_at_once(told: Told, tmp_path: Path) -> None:
    with B2Server.running("pictures") as server:
        code, _, said = told("b2://pictures", ("no-such", "key"), endpoint=server.url)
        assert code == 7
        assert "key" in said
        code, _, said = told("b2://other", (server.key.id, server.key.key), endpoint=server.url)
        assert code != 0
        assert "other" in said
