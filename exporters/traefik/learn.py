"""Learn hosts and names: from Traefik's routers (its API) and the services' labels (the engine)."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from exporters.engine import Engine, EngineError, parse_address
from exporters.traefik.names import Directory, Labelled, bare_router, directory, rule_hosts
from exporters.traefik.targets import fetch, resolve, split_address
from swarmstead.errors import Unreachable, UsageError

__all__ = ["Learner", "from_providers", "from_routers", "merged"]

PORT: Final = 8080
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_HURRY_SECONDS: Final = 5.0  # between two times that a new site makes us ask
_PATIENCE_SECONDS: Final = 3.0
_log = logging.getLogger(__name__)


def from_routers(routers: list[Mapping[str, Any]]) -> Directory:
    """Return what ``/api/http/routers`` of v2 and v3 tells: hosts, and which service a router leads to."""
    hosts: list[str] = []
    leads: dict[str, str] = {}
    for router in routers:
        if router.get("provider") == "internal":
            continue
        hosts += rule_hosts(str(router.get("rule", "")))
        service = str(router.get("service", ""))
        if service and not service.endswith("@internal"):
            provider = f"@{router.get('provider', '')}"
            name = service.removesuffix(provider) if provider in ("@swarm", "@docker") else service
            leads[bare_router(str(router.get("name", "")))] = name
    return Directory(routers=leads, hosts=tuple(dict.fromkeys(hosts)))


def from_providers(providers: Mapping[str, Any]) -> Directory:
    """Return what ``/api/providers`` of v1 tells."""
    hosts: list[str] = []
    for provider in providers.values():
        for frontend in (provider.get("frontends") or {}).values():
            for route in (frontend.get("routes") or {}).values():
                hosts += rule_hosts(str(route.get("rule", "")))
    return Directory(hosts=tuple(dict.fromkeys(hosts)))


def merged(labels: Directory, api: Directory) -> Directory:
    """Return both; the labels know better what a router leads to."""
    return Directory(
        labels.services,
        {**api.routers, **labels.routers},
        labels.addresses,
        tuple(dict.fromkeys((*labels.hosts, *api.hosts))),
    )


class Learner:
    """Asks in the background. What could not be asked for stays as it was.

    api: ``http://NAME:PORT`` or ``NAME:PORT``. engine: an address as DOCKER_HOST has it, or "".
    """

    def __init__(self, api: str, engine: str, environment: Mapping[str, str]) -> None:
        self.seconds = 30.0 if api or engine else 0.0
        self.up: dict[str, bool] = {}
        self._api = split_address(api.removeprefix("http://").rstrip("/"), PORT) if api else None
        if api.startswith("https://"):
            raise UsageError("is asked without TLS", subject="--traefik-api", hint="Give http://NAME:PORT.")
        self._engine = Engine(parse_address(engine, environment)) if engine else None
        self._labels = Directory()
        self._routers = Directory()
        self._fresh: Directory | None = None
        self._asked = False
        self._lock = threading.Lock()
        self._hurried = -_HURRY_SECONDS
        self._hurry: threading.Thread | None = None

    def first(self) -> None:
        """Ask once before anything is counted, unless the background was quicker."""
        if self.seconds and not self._asked:
            self.work()

    def take(self) -> Directory | None:
        """Return what was found since the last time, or None."""
        fresh, self._fresh = self._fresh, None
        return fresh

    def hurry(self) -> bool:
        """Ask now, since a site is new; return whether the answer is worth waiting for. Never waits."""
        now = time.monotonic()
        if self._asked and now - self._hurried >= _HURRY_SECONDS:
            self._hurried = now
            self._hurry = threading.Thread(target=self.work, name="hurry", daemon=True)
            self._hurry.start()
        alive = self._hurry is not None and self._hurry.is_alive()
        return (alive or self._fresh is not None) and now - self._hurried < _PATIENCE_SECONDS

    def work(self) -> None:
        """Ask both."""
        with self._lock:
            self._work()

    def _work(self) -> None:
        self._asked = True
        if self._api is not None:
            self._ask("api", self._ask_api)
        if self._engine is not None:
            self._ask("engine", self._ask_engine)
        self._fresh = merged(self._labels, self._routers)

    def _ask(self, name: str, ask: Any) -> None:
        try:
            ask()
            self.up[name] = True
        except (Unreachable, EngineError, ValueError, TypeError, AttributeError) as error:
            if self.up.get(name, True):
                _log.warning("cannot learn hosts and names from %s: %s", name, error)
            self.up[name] = False

    def _ask_api(self) -> None:
        if self._api is None:
            return
        target = resolve(*self._api)[0]
        routers: list[Mapping[str, Any]] = []
        try:
            for page in range(1, _MOST_PAGES):
                found = json.loads(fetch(target, f"/api/http/routers?per_page={_PAGE}&page={page}"))
                routers += found
                if len(found) < _PAGE:
                    break
            self._routers = from_routers(routers)
        except Unreachable:
            self._routers = from_providers(json.loads(fetch(target, "/api/providers")))

    def _ask_engine(self) -> None:
        if self._engine is None:
            return
        services, _ = self._engine.services()
        plain = [Labelled(each.spec.name, each.spec.labels or {}) for each in services]
        found = directory(plain)
        if found.collisions:
            addresses = self._engine.task_addresses()
            found = directory(
                Labelled(each.spec.name, each.spec.labels or {}, tuple(addresses.get(each.id, ())))
                for each in services
            )
        self._labels = found
