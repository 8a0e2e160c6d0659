"""Which packages go into an image."""

import pytest

from lab import debian
from lab.errors import LabError
from lab.recipes import RECIPES, Recipe, recipe

_LISTING = "\n".join(
    "\t".join(fields)
    for fields in (
        ("ii ", "app", "amd64", "1", "", "libc6 (>= 2.36), , gone | awk:any, perl"),
        ("ii ", "libc6", "amd64", "2.36", "libc", "libgcc-s1"),
        ("ii ", "libgcc-s1", "amd64", "12", "", "gcc-12-base (= 12), libc6"),
        ("ii ", "gcc-12-base", "amd64", "12", "", ""),
        ("ii ", "mawk", "amd64", "1.3", "awk", "libc6"),
        ("ii ", "perl", "amd64", "5.36", "", ""),
        ("rc ", "removed", "amd64", "1", "", ""),
    )
)


def _names(*roots: str) -> list[str]:
    return [package.name for package in debian.closure(roots, debian.parse(_LISTING))]


def test_dependencies_come_along_once_and_virtual_ones_through_their_provider() -> None:
    assert _names("app") == ["app", "libc6", "libgcc-s1", "mawk"]


def test_what_only_installs_stays_out_and_what_is_not_here_is_no_error() -> None:
    assert _names("perl", "gcc-12-base", "removed", "nothing") == []


@pytest.mark.parametrize("each", RECIPES.values(), ids=lambda each: each.name)
def test_every_recipe_names_a_tag_and_stands_on_a_shell(each: Recipe) -> None:
    assert each.tag == f"lab/{each.name}:bookworm"
    assert {"bash", "coreutils", "dash", "passwd"} <= set(each.all_packages)


def test_an_unknown_recipe_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match="no base image named cobol") as refused:
        recipe("cobol")
    assert "python" in refused.value.hint


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("/usr/share/doc/bash/copyright", True),
        ("/usr/share/document", False),
        ("/usr/share/zoneinfo/Europe/Berlin", False),
        ("/usr/share/zoneinfo/posix/UTC", True),
        ("/etc/cron.daily/x", True),
        ("/etc/redis/redis.conf", False),
    ],
)
def test_ballast(path: str, *, out: bool) -> None:
    assert bool(debian._BALLAST.match(path)) is out
