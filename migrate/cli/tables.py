"""Reports as tables."""

from typing import Any

from rich.table import Table

from migrate.app import Proof

__all__ = ["proof_table", "report_table"]

_SHOWN = ("copied", "unchanged", "removed", "kept", "expired", "empty", "locked", "seconds")


def report_table(results: dict[str, Any]) -> Table:
    """Return what a move did, a step a row."""
    table = Table(title="What was done", title_justify="left")
    table.add_column("step")
    table.add_column("result", overflow="fold")
    for step, result in results.items():
        table.add_row(step, _words(result))
    return table


def _words(result: Any) -> str:
    if not isinstance(result, dict):
        return str(result)
    parts = []
    for key, value in result.items():
        if isinstance(value, dict):
            inner = {name: value[name] for name in _SHOWN if value.get(name)} or value
            parts.append(
                f"{key}: " + (", ".join(f"{v} {k}" for k, v in inner.items() if v or v == 0) or "nothing")
            )
        elif not isinstance(value, list):
            parts.append(f"{key} {value}")
    return "; ".join(parts)


def proof_table(proofs: list[Proof]) -> Table:
    """Return what a check found: a row for each kind of state, a column for what it was judged by."""
    table = Table(title="Proof", title_justify="left")
    for column in ("what", "proved", "counts"):
        table.add_column(column, overflow="fold")
    for proof in proofs:
        counts = {
            k: v for k, v in proof.counts.items() if v and not isinstance(v, list | dict) and k != "proved"
        }
        words = ", ".join(f"{key} {value}" for key, value in counts.items())
        table.add_row(proof.what, "[green]yes[/]" if proof.proved else "[red]NO[/]", words)
    return table
