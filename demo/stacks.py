"""The stacks around the app, from the files that users deploy, with what the lab needs put over them."""

import secrets
import shutil
from pathlib import Path

import yaml

from demo import parts
from demo.images import ROOT
from lab import Lab

__all__ = ["deploy_monitoring", "deploy_redis"]

# No IPVS in some kernels: a VIP would carry no traffic.
# The lab's image has no folder of the right owner for the volume to begin as.
_AS_ROOT = {"user": "0:0", "cap_drop": []}
_BY_NAME = {"deploy": {"endpoint_mode": "dnsrr"}}


def deploy_monitoring(lab: Lab, folder: Path, exporters: str, traffic: str) -> None:
    """Deploy Prometheus, Alertmanager and the exporter, and let Prometheus scrape the visitors too.

    exporters: their image. traffic: ``address:port`` of the visitors' figures.
    """
    here = folder / "monitoring"
    for name in ("stacks", "prometheus"):
        shutil.copytree(ROOT / name, here / name)
    configuration = here / "prometheus" / "prometheus.yml"
    scraped = yaml.safe_load(configuration.read_text(encoding="utf-8"))
    scraped["scrape_configs"].append(
        {"job_name": "visitors", "scrape_interval": "2s", "static_configs": [{"targets": [traffic]}]}
    )
    configuration.write_text(yaml.safe_dump(scraped), encoding="utf-8")
    over = here / "stacks" / "over.yml"
    port = {"target": 9090, "published": 9090, "mode": "host"}
    services = {
        "prometheus": {"ports": [port], **_AS_ROOT, **_BY_NAME},
        "alertmanager": {**_AS_ROOT, **_BY_NAME},
    }
    over.write_text(yaml.safe_dump({"version": "3.8", "services": services}), encoding="utf-8")
    parts.deploy_stack(
        lab,
        "monitoring",
        here / "stacks" / "monitoring.yml",
        here / "stacks" / "swarm-exporter.yml",
        over,
        variables={
            "PROMETHEUS_IMAGE": "lab/prometheus:bookworm",
            "PROMETHEUS_HEALTHCHECK": "true",  # the lab's image has no wget
            "ALERTMANAGER_IMAGE": "lab/prometheus:bookworm",
            "ALERTMANAGER_BINARY": "prometheus-alertmanager",
            "ALERTMANAGER_HEALTHCHECK": "true",
            "MONITORING_NODE": "node.hostname == n1",
            "EXPORTERS_IMAGE": exporters,
        },
    )


def deploy_redis(lab: Lab, folder: Path) -> Path:
    """Deploy a Redis for sessions on n1: ``redis:6379`` on the entry's network, and n1's address.

    Return the file that holds its password.
    """
    here = folder / "redis"
    here.mkdir(mode=0o700)
    password = here / "password"
    password.write_text(secrets.token_hex(24), encoding="utf-8")
    (here / "redis.conf").write_text(
        f"requirepass {password.read_text()}\nmaxmemory 64mb\nmaxmemory-policy volatile-lru\n"
        "appendonly yes\nappendfsync everysec\ndir /data\n",
        encoding="utf-8",
    )
    service = {
        "image": "lab/redis:bookworm",
        "command": ["redis-server", "/run/secrets/redis.conf"],
        "secrets": ["redis.conf"],
        "networks": ["edge"],
        "volumes": ["redis:/data"],
        "ports": [{"target": 6379, "published": 6379, "mode": "host"}],
        "deploy": {"placement": {"constraints": ["node.hostname == n1"]}, **_BY_NAME["deploy"]},
    }
    stack = {
        "version": "3.8",
        "services": {"redis": service},
        "secrets": {"redis.conf": {"file": "./redis.conf"}},
        "networks": {"edge": {"external": True}},
        "volumes": {"redis": {}},
    }
    (here / "redis.yml").write_text(yaml.safe_dump(stack), encoding="utf-8")
    parts.deploy_stack(lab, "redis", here / "redis.yml")
    parts.wait_for_port(lab.node("n1").address, 6379)
    return password
