"""Pickles of plain data only: no name is ever looked up, so no code can run.

Who can write to a session store could else run code in the tool that reads it.
"""

import io
import pickle
import pickletools
from typing import Any, NoReturn

__all__ = ["dump_plain", "load_plain"]

_LARGEST = 16 << 20
_NAMES = {
    "GLOBAL",
    "STACK_GLOBAL",
    "INST",
    "OBJ",
    "NEWOBJ",
    "NEWOBJ_EX",
    "REDUCE",
    "BUILD",
    "PERSID",
    "BINPERSID",
}
_NAMES |= {"EXT1", "EXT2", "EXT4"}


class _Plain(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError("a session holds an object")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        raise pickle.UnpicklingError("a session refers to something outside")


def load_plain(data: bytes) -> dict[str, Any]:
    """Return the dictionary of a pickle of dict, list, tuple, set, str, bytes, int, float, bool and None.

    Raises ValueError for anything else: objects, trailing bytes, other top values, more than 16 MiB.
    """
    if len(data) > _LARGEST:
        raise ValueError("too large for a session")
    try:
        for opcode, _, _ in pickletools.genops(data):
            if opcode.name in _NAMES:
                raise ValueError("a session holds an object")
        stream = io.BytesIO(data)
        value = _Plain(stream).load()
    except (
        pickle.PickleError,
        EOFError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        MemoryError,
    ) as error:
        raise ValueError(f"no plain pickle ({type(error).__name__})") from None
    if not isinstance(value, dict) or stream.read(1):
        raise ValueError("no dictionary")
    return value


def dump_plain(value: dict[str, Any]) -> bytes:
    """Return the pickle, protocol 4: read by Django's RedisCache, django-redis and Flask-Session alike."""
    return pickle.dumps(value, 4)
