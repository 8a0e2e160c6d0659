"""The entry takes any Traefik: its flags are those of its version."""

from pathlib import Path

import pytest

from exporters.traefik.check import advise
from exporters.traefik.static import of_stack
from lab.entry import flags, given, parse_version
from lab.errors import LabError


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Version:      v1.7.34\nCodename:     maroilles\n", 1),
        ("Version:      2.11.53\nCodename:     mimolette\nGo version:   go1.26\n", 2),
        ("Version:      3.7.9\n", 3),
        ("Version:      dev\nCodename:     cheddar\n", 3),
    ],
)
def test_the_version_is_what_the_binary_says(said: str, version: int) -> None:
    assert parse_version(said) == version


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_log_of_every_version_gives_true_figures(version: int) -> None:
    (options,) = of_stack({"services": {"traefik": {"image": "traefik", "command": flags(version)}}}).values()
    assert advise("entry", options) == []


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(LabError, match="no flags of Traefik 4"):
        flags(4)


def test_a_path_that_leads_nowhere_is_said_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SWARMSTEAD_TRAEFIK", raising=False)
    assert given() is None
    monkeypatch.setenv("SWARMSTEAD_TRAEFIK", str(tmp_path / "traefik"))
    with pytest.raises(LabError, match="no program"):
        given()
