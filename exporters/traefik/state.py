"""Counts and places, saved together by one rename: a crash leaves the last state or the one before, whole.

It is saved before a page that shows it is published, so that no counter ever goes back after a crash: to
Prometheus that would be a restart from zero, and everything would be counted again.
"""

import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from exporters.traefik.counts import Counts
from exporters.traefik.tail import Place
from swarmstead.errors import InputError

__all__ = ["State", "load_state", "save_state"]

_VERSION = 1


class State(msgspec.Struct):
    """What outlives the process. instance_id: this exporter's name among its peers, made once."""

    counts: Counts
    places: list[Place] = msgspec.field(default_factory=list)
    instance_id: str = msgspec.field(default_factory=lambda: secrets.token_hex(8))
    version: int = _VERSION


def load_state(path: Path | None) -> State | None:
    """Return the saved state, or None where there is none yet.

    Raises InputError when the file is no state of ours: to begin anew silently would count everything again.
    """
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", subject=str(path)) from None
    try:
        state = msgspec.msgpack.decode(data, type=State)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError(
            "is no state of this exporter, or of another version of it",
            subject=str(path),
            hint="Move it away to begin anew; counters then start at 0, and the log is read from its start.",
        ) from None
    return state if state.version == _VERSION else None


def save_state(path: Path, state: State) -> None:
    """Save the state. Raises OSError; then the old state is still there."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(msgspec.msgpack.encode(state))
        os.replace(beside, path)  # noqa: PTH105 - atomic, and says so
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
