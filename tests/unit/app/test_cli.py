"""`migrate app`, `verify` and `rollback` as a person and a script meet them."""

import json
from pathlib import Path

import pytest
import yaml

from migrate.cli import cli
from swarmstead.command import run

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
GIVEN = [
    "--set", "sessions.redis=redis://127.0.0.1:1",
    "--set", "files.0.remote=file:///nowhere",
    "--set", "entry.hold=['true']",
    "--set", "entry.to_new=['true']",
    "--set", "entry.to_old=['true']",
]  # fmt: skip


def test_a_dry_run_shows_the_plan_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    assert run(cli, ["app", str(PHOTOS), "--state", str(state), "--dry-run", "--json"]) == 0
    event = json.loads(capsys.readouterr().out)
    assert event["event"] == "plan"
    assert event["plan"]["files"][0]["inside"] == "uploads"
    assert {"session.files", "files.upload"} <= {finding["rule"] for finding in event["findings"]}
    assert not state.exists()


def test_a_plan_with_gaps_says_what_to_fill_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["app", str(PHOTOS), "--state", str(tmp_path), "--quiet", "--yes"]) == 3
    said = capsys.readouterr().err
    assert "sessions.redis" in said
    assert "entry.hold" in said


def test_without_consent_the_plan_waits_to_be_edited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cli, ["app", str(PHOTOS), "--state", str(tmp_path), "--quiet", *GIVEN]) == 0
    assert "--yes" in capsys.readouterr().err
    assert not (tmp_path / "app.ledger").exists()
    plan = yaml.safe_load((tmp_path / "plan.yml").read_text())
    assert plan["sessions"]["redis"] == "redis://127.0.0.1:1"


def test_values_for_a_plan_that_is_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["app", str(PHOTOS), "--state", str(tmp_path), "--quiet"]
    assert run(cli, [*words, *GIVEN]) == 0
    assert run(cli, [*words, *GIVEN]) == 2
    assert "--replan" in capsys.readouterr().err
    assert run(cli, [*words, *GIVEN, "--replan"]) == 0


def test_what_blocks_is_refused_until_it_is_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = tmp_path / "shop"
    app.mkdir()
    (app / "index.php").write_text("<?php\nsession_start();\n$db = new PDO('sqlite:shop.db');\n")
    given = [word for word in GIVEN if word != "files.0.remote=file:///nowhere"]
    del given[2]
    words = ["app", str(app), "--quiet", *given]
    assert run(cli, [*words, "--state", str(tmp_path / "a")]) == 5
    assert "index.php:3" in capsys.readouterr().err
    assert run(cli, [*words, "--state", str(tmp_path / "b"), "--set", "accepted=[data.sqlite]"]) == 0


@pytest.mark.parametrize("command", ["verify", "rollback"])
def test_where_nothing_was_planned_they_say_so(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cli, [command, "--state", str(tmp_path / "none")]) == 3
    assert "migrate app PATH" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert run(cli, [command]) == 2


def test_yes_and_dry_run_exclude_each_other(tmp_path: Path) -> None:
    assert run(cli, ["app", str(PHOTOS), "--state", str(tmp_path), "--yes", "--dry-run"]) == 2
