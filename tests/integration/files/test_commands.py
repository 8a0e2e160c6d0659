"""`migrate files` and `migrate remote check` as a person and as a script use them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from migrate.cli import cli
from migrate.remotes.testkit import B2Server
from swarmstead import errors
from tests.integration.files.conftest import Place


class Shell:
    """Runs commands with the remote's key in the environment."""

    def __init__(self, place: Place, b2: B2Server) -> None:
        self.place, self.b2 = place, b2
        self.env = {
            "SWARMSTEAD_REMOTE_KEY_ID": b2.key.id,
            "SWARMSTEAD_REMOTE_KEY": b2.key.key,
            "SWARMSTEAD_ENDPOINT": b2.url,
        }

    def files(self, *words: str) -> Result:
        where = [str(self.place.root), "b2://pictures/up", "--state-file", str(self.place.path)]
        return CliRunner().invoke(cli, ["files", words[0], *where, *words[1:]], env=self.env)

    def events(self, *words: str) -> list[dict[str, object]]:
        result = self.files(*words, "--json")
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def shell(b2_place: Place, b2: B2Server) -> Shell:
    return Shell(b2_place, b2)


def test_the_whole_way_there_and_back(shell: Shell) -> None:
    shell.place.tree(10)
    plan = shell.files("plan")
    assert plan.exit_code == 0
    assert "10" in plan.stdout
    assert shell.files("copy", "--dry-run").exit_code == 0
    assert [*shell.place.remote.list()] == []
    assert shell.files("copy").exit_code == 0
    verified = shell.files("verify", "--all")
    assert verified.exit_code == 0
    assert verified.stdout.count("= ") >= 10
    assert shell.files("cutover", "--quiet-seconds", "0").exit_code == 0
    late = shell.files("copy")
    assert isinstance(late.exception, errors.Refused)
    assert "in charge since" in str(late.exception)
    assert shell.files("rollback").exit_code == 0
    assert shell.files("copy").exit_code == 0


def test_json_has_one_object_a_line_and_the_bill(shell: Shell) -> None:
    shell.place.tree(10)
    shell.files("copy")
    shell.place.write("new", b"x")
    *_, copy = shell.events("copy")
    assert (copy["event"], copy["copied"], copy["unchanged"]) == ("copy", 1, 10)
    bill = copy["bill"]
    assert isinstance(bill, dict)
    assert bill["calls"]["put"] == 1
    shell.place.write("newer", b"x")
    events = shell.events("verify")
    assert {"event": "file", "mark": "+", "name": "newer"} in events
    assert events[-1]["proved"] is False


def test_a_difference_is_exit_4_and_the_next_copy_mends_it(shell: Shell, b2: B2Server) -> None:
    shell.place.write("x", b"x")
    shell.files("copy")
    prefix = shell.place.remote.url
    assert prefix == "b2://pictures/"
    shell.place.remote.delete("up/x")
    failed = shell.files("verify")
    assert isinstance(failed.exception, errors.Different)
    assert "+ x" in failed.stdout
    shell.files("copy")
    assert shell.files("verify").exit_code == 0
    assert b2.versions("up/x") == ["upload", "hide", "upload"]


def test_only_there_is_a_difference_unless_one_way(shell: Shell) -> None:
    shell.place.write("x", b"x")
    shell.files("copy")
    (shell.place.root / "x").unlink()
    assert isinstance(shell.files("verify").exception, errors.Different)
    assert shell.files("verify", "--one-way").exit_code == 0


def test_links_are_refused_until_somebody_chooses(shell: Shell) -> None:
    shell.place.write("x", b"x")
    (shell.place.root / "l").symlink_to("x")
    for words in (["plan"], ["copy"], ["cutover"]):
        refused = shell.files(*words)
        assert isinstance(refused.exception, errors.Refused)
        assert "--links follow, keep or skip" in str(refused.exception)
    assert [*shell.place.remote.list()] == []
    assert shell.files("copy", "--links", "skip").exit_code == 0


def test_two_at_once_on_one_manifest_are_refused(shell: Shell) -> None:
    from migrate.files import Manifest  # noqa: PLC0415

    shell.place.write("x", b"x")
    with Manifest(shell.place.path):
        assert isinstance(shell.files("copy").exception, errors.Busy)


def check(b2: B2Server, key_id: str, key: str, *words: str) -> Result:
    env = {"SWARMSTEAD_REMOTE_KEY_ID": key_id, "SWARMSTEAD_REMOTE_KEY": key, "SWARMSTEAD_ENDPOINT": b2.url}
    return CliRunner().invoke(cli, ["remote", "check", "b2://pictures", *words], env=env)


def test_check_says_rights_lifecycle_and_cost(b2: B2Server) -> None:
    b2.set_lifecycle(
        {"fileNamePrefix": "tmp/", "daysFromUploadingToHiding": 7, "daysFromHidingToDeleting": 30}
    )
    result = check(b2, b2.key.id, b2.key.key)
    assert result.exit_code == 0, result.exception
    words = " ".join(result.stdout.split())
    assert "the key may do more than is needed:" in words
    assert "deleteFiles" in words
    assert "tmp/*: hides objects 7 days after they were put" in words
    assert "the bucket removes files by itself" in words
    assert b2.key.key not in result.output
    report = json.loads(check(b2, b2.key.id, b2.key.key, "--json").stdout)
    assert report["ok"]
    assert report["dollars_per_month"] == 0


def test_check_names_what_a_narrow_key_may_not(b2: B2Server) -> None:
    key = b2.new_key("listBuckets", "listFiles", "readFiles")
    result = check(b2, key.id, key.key)
    assert isinstance(result.exception, errors.Denied)
    assert "this does not work: write" in str(result.exception)


def test_check_of_a_wrong_key_is_short(b2: B2Server) -> None:
    assert isinstance(check(b2, "unknown", "wrong-secret").exception, errors.Denied)


def test_prices_of_the_user(b2: B2Server, tmp_path: Path) -> None:
    path = tmp_path / "prices.yml"
    path.write_text("storage_free_gb: 0\nstorage_per_tb_month: 1000000000\n")
    report = json.loads(check(b2, b2.key.id, b2.key.key, "--prices", str(path), "--json").stdout)
    assert report["dollars_per_month"] == 0
    assert report["objects"] == 0
