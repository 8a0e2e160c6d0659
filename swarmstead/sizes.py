"""Amounts of bytes as people write them: ``2GB``, ``512MiB``, ``100000``."""

import re

import click

__all__ = ["Size"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Size(click.ParamType[int]):
    """A click type: bytes. ``kB`` is 1000, ``KiB`` is 1024."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if not match:
            self.fail(f"not an amount of bytes: {value} (write 2GB or 512MiB)", param, ctx)
        number, power, binary = match.groups()
        return int(float(number) * (1024 if binary else 1000) ** _POWERS[power.lower()])
