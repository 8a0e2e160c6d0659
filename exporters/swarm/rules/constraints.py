"""Placement constraints and platforms (swarmkit, manager/constraint/constraint.go, scheduler/filter.go)."""

from collections.abc import Iterable
from typing import Final

from exporters.engine import Node, Service

__all__ = ["matches", "meets", "of", "platform_fits"]

_NODE_LABEL: Final = "node.labels."
_ENGINE_LABEL: Final = "engine.labels."
_GO_ARCHITECTURE: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def of(service: Service) -> list[str]:
    """Return a service's constraints."""
    placement = service.spec.task_template.placement
    return (placement.constraints if placement else None) or []


def meets(node: Node, constraints: Iterable[str]) -> bool:
    """Return whether a node meets every constraint. One that cannot be read is met by no node."""
    return all(matches(node, constraint) for constraint in constraints)


def matches(node: Node, constraint: str) -> bool:
    """Return whether a node meets one constraint, such as ``node.labels.zone == a``.

    ``==`` is looked for before ``!=``. Keys and values are compared without regard to case, a label's name
    with it; a label that is not set is the empty string.
    """
    name, operator, wish = _parse(constraint)
    if not operator:
        return False
    low = name.lower()
    if low == "node.ip":
        return _ip_matches(node.status.addr, operator, wish)
    value = _value(node, low, name)
    if value is None:
        return False
    return (value.lower() == wish.lower()) == (operator == "==")


def _parse(constraint: str) -> tuple[str, str, str]:
    for operator in ("==", "!="):
        name, found, wish = constraint.partition(operator)
        if found:
            return name.strip(), operator, wish.strip()
    return "", "", ""


def _value(node: Node, low: str, name: str) -> str | None:
    if low.startswith(_NODE_LABEL):
        return (node.spec.labels or {}).get(name[len(_NODE_LABEL) :], "")
    if low.startswith(_ENGINE_LABEL):
        return (node.description.engine.labels or {}).get(name[len(_ENGINE_LABEL) :], "")
    known = {
        "node.id": node.id,
        "node.hostname": node.description.hostname,
        # The role it has, not the one it was told to take: constraints see the former.
        "node.role": "manager" if node.manager_status else "worker",
        "node.platform.os": node.description.platform.os,
        "node.platform.arch": node.description.platform.architecture,
    }
    return known.get(low)


def _ip_matches(address: str, operator: str, wish: str) -> bool:
    import ipaddress  # noqa: PLC0415 - rare, and not small

    try:
        network = ipaddress.ip_network(wish, strict=False)
    except ValueError:
        return False
    try:
        inside = ipaddress.ip_address(address) in network
    except ValueError:
        inside = False
    return inside == (operator == "==")


def platform_fits(node: Node, service: Service) -> bool:
    """Return whether a node can run a service's image. Only here do uname's and Go's words mix."""
    placement = service.spec.task_template.placement
    platforms = (placement.platforms if placement else None) or []
    have = node.description.platform
    architecture = _GO_ARCHITECTURE.get(have.architecture, have.architecture)
    return not platforms or any(
        wish.os in ("", have.os)
        and _GO_ARCHITECTURE.get(wish.architecture, wish.architecture) in ("", architecture)
        for wish in platforms
    )
