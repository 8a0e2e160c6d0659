"""A report for a person: a table of names and values."""

from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["print_report"]

_SHOWN_NAMES = 20


def print_report(fields: dict[str, Any], title: str) -> None:
    """Print the fields that say something, lists up to their twentieth."""
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in fields.items():
        if isinstance(value, list):
            _list_row(table, name, value)
        elif value not in ("", {}, None):
            table.add_row(name.replace("_", " "), _words(value))
    Console(highlight=False).print(table)


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k.replace('_', ' ')} {_words(v)}" for k, v in value.items() if v)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _list_row(table: Table, name: str, values: list[Any]) -> None:
    if not values:
        return
    shown = [f"{v['name']}: {v['why']}" if isinstance(v, dict) else str(v) for v in values[:_SHOWN_NAMES]]
    more = len(values) - len(shown)
    table.add_row(name.replace("_", " "), "\n".join([*shown, *([f"… and {more:,} more"] if more else [])]))
