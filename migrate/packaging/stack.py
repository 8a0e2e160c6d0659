"""The stack file: a web service of several replicas and, where files move, the node's cache beside it.

What it says about updates is what lost the fewest requests on a real Swarm behind a real Traefik:
start-first, a health check, serving on after SIGTERM for longer than Traefik's refresh (1 s) and its health
check (2 s), a grace period above that.
"""

from typing import Any

import yaml

from .image import SOCKETS
from .records import StackSpec, Text

__all__ = ["UPLOADS_IN_CACHE", "render_stack"]

UPLOADS_IN_CACHE = "/var/lib/swarmstead"
"""Where the cache service has the folders of uploads, each under its volume's name (migrate/Dockerfile)."""
_LOGGING = {"driver": "json-file", "options": {"max-size": "5m", "max-file": "2"}}
_HEAD = """\
# {app} on the Swarm. Written by `migrate app`; yours to edit.
#   docker stack deploy --detach=false -c stack.yml {stack}
# Networks and secrets are made beforehand; `migrate app` does it.
"""


def render_stack(spec: StackSpec, *, stack: str) -> Text:
    """Return the stack file's YAML. `stack` is the stack's name."""
    services: dict[str, Any] = {"web": _web(spec)}
    volumes: dict[str, Any] = {folder.volume: None for folder in spec.uploads}
    if spec.cache_command:
        services["cache"] = _cache(spec)
        volumes["sockets"] = None
    document: dict[str, Any] = {"version": "3.8", "services": services}
    names = dict.fromkeys((*spec.networks, *(spec.cache_networks if spec.cache_command else ())))
    document["networks"] = {name: {"external": True} for name in names}
    if volumes:
        document["volumes"] = {name: {} for name in volumes}
    secrets = spec.secrets | (spec.cache_secrets if spec.cache_command else {})
    if secrets:
        document["secrets"] = {name: {"external": True, "name": real} for name, real in secrets.items()}
    return _HEAD.format(app=spec.app, stack=stack) + yaml.safe_dump(document, sort_keys=False, width=110)


def _secrets(names: dict[str, str]) -> list[dict[str, Any]]:
    return [{"source": name, "target": name, "uid": "33", "gid": "33", "mode": 0o400} for name in names]


def _web(spec: StackSpec) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": spec.image,
        "networks": list(spec.networks),
        "cap_drop": ["ALL"],
        "stop_grace_period": f"{spec.stop_seconds}s",
        "logging": _LOGGING,
    }
    if spec.environment:
        service["environment"] = dict(spec.environment)
    mounts = [{"type": "volume", "source": f.volume, "target": f.target} for f in spec.uploads]
    if spec.cache_command:
        mounts.append({"type": "volume", "source": "sockets", "target": SOCKETS})
    if mounts:
        service["volumes"] = mounts
    if spec.secrets:
        service["secrets"] = _secrets(spec.secrets)
    service["deploy"] = {
        "replicas": spec.replicas,
        "endpoint_mode": spec.endpoint_mode,
        "placement": {"preferences": [{"spread": "node.id"}]},
        "resources": {"limits": {"cpus": spec.cpus, "memory": spec.memory}},
        "update_config": {
            "parallelism": 1,
            "order": "start-first",
            "failure_action": "rollback",
            "monitor": f"{spec.drain_seconds + spec.stop_seconds}s",
        },
        "rollback_config": {"parallelism": 1, "order": "start-first"},
        "restart_policy": {"condition": "any", "delay": "2s"},
        **({"labels": _labels(spec)} if spec.host else {}),
    }
    return service


def _labels(spec: StackSpec) -> dict[str, str]:
    router, service = f"traefik.http.routers.{spec.app}", f"traefik.http.services.{spec.app}.loadbalancer"
    return {
        "traefik.enable": "true",
        f"{router}.rule": f"Host(`{spec.host}`)",
        f"{router}.entrypoints": "websecure",
        f"{service}.server.port": "8080",
        f"{service}.healthcheck.path": "/healthz",
        f"{service}.healthcheck.interval": "2s",
    }


def _cache(spec: StackSpec) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": spec.cache_image,
        "command": list(spec.cache_command),
        # The same user as the app's: both write into the folders of uploads.
        "user": "33:33",
        "networks": list(spec.cache_networks or spec.networks),
        "cap_drop": ["ALL"],
        "stop_grace_period": "30s",
        "logging": _LOGGING,
        "environment": dict(spec.cache_environment),
        "volumes": [
            *(
                {"type": "volume", "source": f.volume, "target": f"{UPLOADS_IN_CACHE}/{f.volume}"}
                for f in spec.uploads
            ),
            {"type": "volume", "source": "sockets", "target": SOCKETS},
        ],
    }
    if spec.cache_secrets:
        service["secrets"] = _secrets(spec.cache_secrets)
    service["deploy"] = {
        "mode": "global",
        "endpoint_mode": "dnsrr",
        "resources": {"limits": {"memory": spec.cache_memory}},
        "update_config": {"parallelism": 1, "failure_action": "rollback"},
        "restart_policy": {"condition": "any", "delay": "1s"},
    }
    return service
