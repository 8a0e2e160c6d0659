"""What a reset removes, and what it finds that it cannot."""

from collections.abc import Callable
from typing import Any

import pytest

from lab import reset
from lab.errors import EngineError, LabError
from lab.reset import _remove_all


def _engine(*words: str) -> Callable[..., Any]:
    """Return an engine with one network, which refuses its removal with these words, then removes it."""
    left = list(words)
    there = ["x1"]

    def call(method: str, _url: str) -> Any:
        if method == "GET":
            return [{"Id": one, "Name": "edge"} for one in there] + [{"Id": "b", "Name": "bridge"}]
        if left and (word := left[0]):
            if word != "network x1 not found":  # that one is said for ever
                left.pop(0)
            raise EngineError(word, status=500, subject="")
        there.clear()
        return None

    return call


def test_a_network_in_use_is_asked_for_until_it_is_gone() -> None:
    assert _remove_all(_engine("in use by task t", "in use by task t"), "networks", "Id")


def test_what_the_swarm_no_longer_knows_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reset, "_GHOST_SECONDS", 0.2)
    assert not _remove_all(_engine("in use by task t", "network x1 not found"), "networks", "Id")


def test_what_stays_in_use_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reset, "_PATIENCE", 0.3)
    with pytest.raises(LabError, match="in use"):
        _remove_all(_engine(*["in use by task t"] * 50), "networks", "Id")
