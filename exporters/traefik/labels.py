"""What the labels of a stack's services keep out of the figures: what Traefik's Swarm provider passes over.

Seen on real Traefik 2.11 and 3.7 on a real Swarm: a service without a port label gets no router at all, and
one with the networks' labels of both versions is skipped by v3 and served by v2, with one log line each.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporters.traefik.advice import Advice
from exporters.traefik.names import rule_hosts

__all__ = ["advise_labels", "has_labels"]

_ROUTER: Final = re.compile(r"traefik\.http\.routers\.([^.]+)\.(.+)", re.IGNORECASE)
_PORT: Final = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port", re.IGNORECASE)
_OFF: Final = ("observability.accesslogs", "observability.metrics")


def advise_labels(tree: Mapping[str, Any]) -> list[Advice]:
    """Return what to change in the labels of a stack file's services."""
    return [advice for name, *labels in _services(tree) for advice in _of_service(name, *labels)]


def has_labels(tree: Mapping[str, Any]) -> bool:
    """Return whether any service of a stack file has labels for Traefik."""
    return any(deployed or plain for _, deployed, plain in _services(tree))


def _services(tree: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    for name, given in (tree.get("services") or {}).items():
        service = given or {}
        yield str(name), _labels((service.get("deploy") or {}).get("labels")), _labels(service.get("labels"))


def _labels(given: Any) -> dict[str, str]:
    pairs = given.items() if isinstance(given, Mapping) else (str(each).split("=", 1) for each in given or [])
    labels = {}
    for key, *rest in pairs:
        if str(key).lower().startswith("traefik."):
            value = rest[0] if rest else ""
            labels[str(key)] = str(value).lower() if isinstance(value, bool) else str(value)
    return labels


def _of_service(name: str, deployed: Mapping[str, str], plain: Mapping[str, str]) -> Iterator[Advice]:
    if plain and not deployed:
        what = "its labels are the container's: in a Swarm Traefik reads those under `deploy:`"
        yield Advice("error", name, what, "deploy: {labels: …}")
    if not deployed or deployed.get("traefik.enable", "true").lower() == "false":
        return
    routers = {(match[1], match[2].lower()): value for key, value in deployed.items()
               if (match := _ROUTER.fullmatch(key))}  # fmt: skip
    if routers and not any(_PORT.fullmatch(key) for key in deployed):
        what = (
            "no port is named: Traefik makes no router for it, so none of its requests is counted as its own"
        )
        yield Advice("error", name, what, f"traefik.http.services.{name}.loadbalancer.server.port=PORT")
    if "traefik.docker.network" in deployed and "traefik.swarm.network" in deployed:
        what = "the networks of v2 and v3 are both named: v3 skips the service"
        yield Advice("error", name, what, "remove traefik.docker.network")
    for (router, option), value in routers.items():
        if option in _OFF and value.lower() == "false":
            label = f"traefik.http.routers.{router}.{option}"
            yield Advice(
                "error", name, f"{label}=false: its requests are in no log or metric", f"remove {label}"
            )
        if option == "rule" and not rule_hosts(value):
            what = (
                f"router {router} takes any host: without a list of hosts, clients choose what gets a label"
            )
            yield Advice("note", name, what, "traefik-exporter serve --host NAME")
