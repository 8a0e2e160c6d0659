"""From Traefik's name of a service to the Swarm's.

Traefik (v3 ``@swarm``, v2 ``@docker``) names a service as its operator does in
``traefik.http.services.NAME.…``, or else after the Swarm service, each run of other characters made a dash
(``shop_web`` becomes ``shop-web``). The way back needs the labels. Without them the name stays Traefik's,
less the provider: whether a dash was an underscore cannot be known, and a wrong name is worse than an odd
one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Directory", "Labelled", "Names", "bare_router", "directory", "normalize", "rule_hosts"]

_SERVICE_LABEL: Final = re.compile(r"traefik\.http\.services\.([^.]+)\.", re.IGNORECASE)
_ROUTER_LABEL: Final = re.compile(r"traefik\.http\.routers\.([^.]+)\.(\w+)", re.IGNORECASE)
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9]+")
_SWARM: Final = ("@swarm", "@docker")
_HOST_CALL: Final = re.compile(r"(!\s*)?\bHost\s*\(([^)]*)\)")
_QUOTED: Final = re.compile(r"[`\"]([^`\"]+)[`\"]")
_V1_HOST: Final = re.compile(r"\bHost\s*:\s*([^;]+)")


def normalize(name: str) -> str:
    """Return Traefik's default name of a Swarm service (its provider's `provider.Normalize`)."""
    return _NO_NAME.sub("-", name).strip("-")


def bare_router(name: str, entrypoint: str = "") -> str:
    """Return a router's name without provider and without the entrypoint that Traefik may put before it."""
    return name.rpartition(" -> ")[2].partition("@")[0].removeprefix(f"{entrypoint}-" if entrypoint else "")


def rule_hosts(rule: str) -> list[str]:
    """Return the hosts that a rule names in ``Host(…)`` (v2, v3) or ``Host:…`` (v1), denied ones left out."""
    hosts: list[str] = []
    for denied, inside in _HOST_CALL.findall(rule):
        if not denied:
            hosts += _QUOTED.findall(inside)
    for listed in _V1_HOST.findall(rule):
        hosts += [host.strip() for host in listed.split(",")]
    return [host for host in hosts if host]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A Swarm service: its name, its labels, and the addresses (IP) of its running tasks."""

    name: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """What the labels tell. services: Traefik's bare name to the Swarm services that bear it."""

    services: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    routers: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()

    @property
    def collisions(self) -> list[str]:
        """Return the names that two Swarm services share, which Traefik merges or drops silently."""
        return sorted(name for name, owners in self.services.items() if len(owners) > 1)


def directory(labelled: Iterable[Labelled]) -> Directory:
    """Return what the services' labels tell of names, routers and hosts."""
    services: dict[str, set[str]] = {}
    routers: dict[str, str] = {}
    addresses: dict[str, str] = {}
    hosts: list[str] = []
    for each in labelled:
        if each.labels.get("traefik.enable", "").lower() == "false":
            continue
        named = {match[1] for label in each.labels if (match := _SERVICE_LABEL.match(label))}
        for name in named or {normalize(each.name)}:
            services.setdefault(name, set()).add(each.name)
        for label, value in each.labels.items():
            match = _ROUTER_LABEL.match(label)
            if match:
                routers.setdefault(match[1], each.name)
            if match and match[2].lower() == "rule":
                hosts += rule_hosts(value)
            if label == "traefik.frontend.rule":
                hosts += rule_hosts(value)
        addresses.update(dict.fromkeys(each.addresses, each.name))
    return Directory(
        {name: tuple(sorted(owners)) for name, owners in services.items()},
        routers,
        addresses,
        tuple(dict.fromkeys(hosts)),
    )


class Names:
    """Names services by the directory known last."""

    def __init__(self) -> None:
        self.directory = Directory()

    @property
    def by_address(self) -> bool:
        """Return whether names alone do not tell services apart, so lines must be told apart by server."""
        return bool(self.directory.collisions)

    def is_new(self, name: str) -> bool:
        """Return whether a name of the Swarm's provider is in no label that was read: a new service's."""
        bare, at, provider = name.rpartition("@")
        return (
            bool(self.directory.services) and at + provider in _SWARM and bare not in self.directory.services
        )

    def service(self, name: str, address: str = "") -> str:
        """Return the service's label. name: as logged. address: ``IP:port`` of the server, or "".

        Two Swarm services that share the name are told apart by the task's address; where that is not known,
        the label is Traefik's full name, which is neither's.
        """
        if not name.endswith(_SWARM):
            return name
        bare = name.rpartition("@")[0]
        owners = self.directory.services.get(bare, ())
        if len(owners) == 1:
            return owners[0]
        if owners:
            return self.directory.addresses.get(address.rpartition(":")[0].strip("[]"), name)
        return bare

    def of_router(self, router: str, entrypoint: str = "") -> str:
        """Return the service whose labels define the router, or "" when that is not known."""
        return self.directory.routers.get(bare_router(router, entrypoint), "") if router else ""
