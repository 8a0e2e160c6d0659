"""Labs of tests that were killed are found, those of others are left."""

import os
from pathlib import Path

import pytest

from lab import labs
from lab.state import Record, home


def test_only_orphans_with_the_prefix_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMSTEAD_LAB_DIR", str(tmp_path))
    never_a_process = 2**22 + 1  # above the kernel's highest process id
    for name, owner in (
        ("test-dead", never_a_process),
        ("test-lives", os.getpid()),
        ("mine", never_a_process),
    ):
        home(name).mkdir()
        Record(name, 200, 1, 1, owner).save()
    home("test-half").mkdir()
    taken: list[str] = []
    monkeypatch.setattr(labs, "take_down", taken.append)
    assert labs.sweep("test-") == taken == ["test-dead", "test-half"]
