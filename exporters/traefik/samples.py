"""Read the text format, as far as it is needed: of a page of thousands of series the few asked for."""

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["Sample", "read_samples"]

Sample = tuple[str, dict[str, str], float]
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


def _plain(value: str) -> str:
    if "\\" not in value:
        return value
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], value)


def read_samples(body: bytes, prefixes: tuple[str, ...]) -> Iterator[Sample]:
    """Yield name, labels and value of each sample whose name begins with one of the prefixes.

    Lines that are no samples are passed over.
    """
    for line in body.decode("utf-8", "replace").split("\n"):
        if not line.startswith(prefixes):
            continue
        series, _, text = line.rpartition(" ")
        name, _, inside = series.partition("{")
        try:
            value = float(text)
        except ValueError:
            continue
        yield name, {key: _plain(found) for key, found in _LABEL.findall(inside)}, value
