"""What a lab looks like, as data and as a table."""

from typing import Any

from lab.cluster import Lab

__all__ = ["as_table", "status_of"]

_COLUMNS = ("node", "address", "engine", "swarm", "availability", "role", "cuts")


def status_of(lab: Lab) -> dict[str, Any]:
    """Return the lab with its nodes: each as it is (`engine`) and as the Swarm sees it (`swarm`).

    `swarm`, `availability` and `role` are "" where no manager answers.
    """
    rows = lab.swarm_nodes()
    nodes = []
    for node in lab.nodes:
        row = rows.get(node.name, {})
        spec, manager = row.get("Spec", {}), row.get("ManagerStatus") or {}
        nodes.append(
            {
                "node": node.name,
                "address": node.address,
                "engine": node.state,
                "swarm": row.get("Status", {}).get("State", ""),
                "availability": spec.get("Availability", ""),
                "role": "leader" if manager.get("Leader") else spec.get("Role", ""),
                "cuts": node.cuts,
                "socket": str(node.socket),
            }
        )
    return {"name": lab.name, "gateway": lab.gateway, "bridge": lab.record.bridge, "nodes": nodes}


def as_table(status: dict[str, Any]) -> str:
    """Return the status for people."""
    rows = [[_cell(node[column]) for column in _COLUMNS] for node in status["nodes"]]
    rows.insert(0, [column.upper() for column in _COLUMNS])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([f"Lab {status['name']}, host at {status['gateway']}", *lines])


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(value) or "-"
    return str(value) or "-"
