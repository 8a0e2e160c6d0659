"""A setting comes from its flag, its variable or its file, in that order; unknown ones are refused."""

from pathlib import Path

import click
import pytest

from swarmstead import table
from swarmstead.command import run
from swarmstead.errors import UsageError
from swarmstead.logs import masked
from swarmstead.settings import Setting, refuse_unknown, settings

Monkeypatch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]

TABLE = {
    "port": Setting("port", "The port.", 9100, int),
    "hosts": Setting("hosts", "Hosts.", (), multiple=True),
    "password": Setting("password", "The password.", secret=True),
}


@click.command(name="thing")
@settings(TABLE, "port", "hosts", "password")
def thing(port: int, hosts: tuple[str, ...], password: str | None) -> None:
    click.echo(f"{port} {'|'.join(hosts)} {password}")


@pytest.mark.parametrize(
    ("flags", "environment", "shown"),
    [
        ([], {}, "9100  None"),
        ([], {"SWARMSTEAD_PORT": "1"}, "1  None"),
        (["--port", "2"], {"SWARMSTEAD_PORT": "1"}, "2  None"),
        ([], {"SWARMSTEAD_HOSTS": "a, b,"}, "9100 a|b None"),
        (["--hosts", "c", "--hosts", "d"], {"SWARMSTEAD_HOSTS": "a,b"}, "9100 c|d None"),
        ([], {"SWARMSTEAD_PORT": ""}, "9100  None"),
    ],
)
def test_precedence(
    flags: list[str], environment: dict[str, str], shown: str, monkeypatch: Monkeypatch, capsys: Capture
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    thing.main(flags, standalone_mode=False)
    assert capsys.readouterr().out.rstrip("\n") == shown


def test_a_secret_comes_from_its_file_without_the_newline_and_is_masked(
    monkeypatch: Monkeypatch, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter22\n")
    monkeypatch.setenv("SWARMSTEAD_PASSWORD_FILE", str(path))
    thing.main([], standalone_mode=False)
    assert capsys.readouterr().out == "9100  hunter22\n"
    assert masked("login with hunter22 failed") == "login with [hidden] failed"


def test_a_secret_on_the_command_line_is_refused_without_being_shown(capsys: Capture) -> None:
    with pytest.raises(UsageError) as caught:
        thing.main(["--password", "hunter33"], standalone_mode=False)
    assert "SWARMSTEAD_PASSWORD_FILE" in str(caught.value)
    assert "hunter33" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SWARMSTEAD_PASSWORD": "a", "SWARMSTEAD_PASSWORD_FILE": "b"}, "Keep one"),
        ({"SWARMSTEAD_PASSWORD_FILE": "/nonexistent"}, "No such file"),
    ],
)
def test_bad_files_are_told(environment: dict[str, str], words: str, monkeypatch: Monkeypatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=words):
        thing.main([], standalone_mode=False)


def test_an_unknown_setting_is_refused_with_a_guess() -> None:
    with pytest.raises(UsageError, match="Did you mean SWARMSTEAD_PORT"):
        refuse_unknown({"SWARMSTEAD_PROT": "1"}, TABLE)
    refuse_unknown({"SWARMSTEAD_PORT_FILE": "x", "PATH": "/bin", "SWARMSTEAD_TEST_X": "1"}, TABLE)


def test_exit_codes_and_words(capsys: Capture) -> None:
    assert run(thing, ["--port", "x"]) == 2
    assert "thing --help" in capsys.readouterr().err
    assert run(thing, ["--help"]) == 0
    assert "SWARMSTEAD_PASSWORD_FILE" in capsys.readouterr().out


def test_every_setting_is_documented_by_a_sentence() -> None:
    assert all(setting.help.endswith(".") for setting in table.TABLE.values())
