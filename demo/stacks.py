"""The stacks around the app, from the files that users deploy, with what the lab needs put over them."""

import shutil
from pathlib import Path

import yaml

from demo import parts
from demo.images import ROOT
from lab import Lab

__all__ = ["deploy_monitoring"]

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
