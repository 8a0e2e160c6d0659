"""This node's own engine: the second witness, which every node gives, also when no manager can answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporters.engine import Disk, Info
from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample, states

__all__ = ["HEALTHS", "LAST_ANSWER", "METRICS", "SWARM_STATES", "EngineView", "samples"]

SWARM_STATES: Final = ("inactive", "pending", "active", "error", "locked")
HEALTHS: Final = ("healthy", "starting", "unhealthy", "none")
_N: Final = ("node_id", "hostname")

UP = Metric(
    "swarm_engine_up",
    "Whether this node's engine answers.",
    labels=_N,
    source="GET /_ping, or any other call, within 5 s",
)
LAST_ANSWER = Metric(
    "swarm_engine_last_answer_timestamp_seconds",
    "When this node's engine answered last, in Unix time.",
    labels=_N,
    unit="seconds",
    source="any call",
    when="Absent until it answered once.",
)
INFO = Metric(
    "swarm_engine_info",
    "This node's engine.",
    "info",
    (*_N, "version", "api_version", "os", "arch"),
    source="GET /info, /_ping",
    when="Absent until the engine's info could be read.",
)
SWARM_STATE = Metric(
    "swarm_engine_swarm_state",
    "State of the swarm as this node sees its own part, 1 for the current one.",
    labels=(*_N, "state"),
    source="GET /info: Swarm.LocalNodeState",
    when="Absent until the engine's info could be read.",
)
MANAGER = Metric(
    "swarm_engine_manager",
    "Whether this node is a manager.",
    labels=_N,
    source="GET /info: Swarm.ControlAvailable",
    when="Absent until the engine's info could be read.",
)
SWARM_ERROR = Metric(
    "swarm_engine_swarm_error",
    "Whether this node reports an error of its swarm, such as the lack of a leader.",
    labels=_N,
    source="GET /info: Swarm.Error is not empty",
    when="Absent until the engine's info could be read.",
)
WITNESS = Metric(
    "swarm_engine_witness_up",
    "Whether this node's containers can be counted; 0 when the engine or a proxy in front of it refuses.",
    labels=_N,
    source="GET /containers/json, /events",
)
CONTAINERS_OF_SERVICE = Metric(
    "swarm_engine_service_containers",
    "Running containers of swarm tasks on this node, by health; `none` has no health check.",
    labels=(*_N, "service", "stack", "health"),
    source="GET /containers/json: label com.docker.swarm.service.name, State; kept by /events",
    when="Absent while swarm_engine_witness_up is 0, and for services that have no container here.",
)
OOM_KILLS = Metric(
    "swarm_engine_oom_kills_total",
    "Containers of swarm tasks in which the kernel killed for want of memory, from this exporter's start on.",
    "counter",
    (*_N, "service", "stack"),
    source="GET /events: container oom",
    when="Absent for services that had none.",
)
CONTAINERS = Metric(
    "swarm_engine_containers",
    "All containers of this engine by state.",
    labels=(*_N, "state"),
    source="GET /info: ContainersRunning, ContainersPaused, ContainersStopped",
    when="Absent until the engine's info could be read.",
)
IMAGES = Metric(
    "swarm_engine_images",
    "Images of this engine.",
    labels=_N,
    source="GET /info: Images",
    when="Absent until the engine's info could be read.",
)
WARNINGS = Metric(
    "swarm_engine_warnings",
    "Warnings that this engine gives of itself.",
    labels=_N,
    source="GET /info: Warnings",
    when="Absent until the engine's info could be read.",
)
DISK = Metric(
    "swarm_engine_disk_bytes",
    "Disk used by this engine, by kind.",
    labels=(*_N, "kind"),
    unit="bytes",
    source="GET /system/df",
    when="Absent until it could be read, and with --disk-interval 0.",
)
CERTIFICATE = Metric(
    "swarm_engine_certificate_expiry_timestamp_seconds",
    "When this node's swarm certificate ends, in Unix time.",
    labels=_N,
    unit="seconds",
    source="the file of --certificate, /var/lib/docker/swarm/certificates/swarm-node.crt of the host",
    when="Only with --certificate.",
)

METRICS: Final = (
    UP,
    INFO,
    SWARM_STATE,
    MANAGER,
    SWARM_ERROR,
    WITNESS,
    CONTAINERS_OF_SERVICE,
    OOM_KILLS,
    CONTAINERS,
    IMAGES,
    WARNINGS,
    DISK,
    CERTIFICATE,
)


@dataclass(frozen=True, slots=True)
class EngineView:
    """This node's engine at one moment.

    containers: number by (service, stack, health), or None while they cannot be counted.
    """

    up: bool
    info: Info | None = None
    api_version: str = ""
    containers: Mapping[tuple[str, str, str], int] | None = None
    ooms: Mapping[tuple[str, str], int] = field(default_factory=dict)
    disk: Disk | None = None
    certificate_expiry: float | None = None


def samples(view: EngineView) -> Iterator[Sample]:
    """Yield this node's samples."""
    info = view.info
    labels = (info.swarm.node_id, info.name) if info else ("", "")
    yield UP, labels, int(view.up)
    yield WITNESS, labels, int(view.containers is not None)
    for service, stack in sorted({name[:2] for name in view.containers or {}}):
        for health in HEALTHS:
            count = (view.containers or {}).get((service, stack, health), 0)
            yield CONTAINERS_OF_SERVICE, (*labels, service, stack, health), count
    for of, number in sorted(view.ooms.items()):
        yield OOM_KILLS, (*labels, *of), number
    if view.certificate_expiry:
        yield CERTIFICATE, labels, view.certificate_expiry
    if view.disk:
        for kind, size in _disk(view.disk).items():
            yield DISK, (*labels, kind), size
    if info:
        yield from _info(info, labels, view.api_version)


def _info(info: Info, labels: tuple[str, str], api_version: str) -> Iterator[Sample]:
    yield INFO, (*labels, info.server_version, api_version, info.os_type, info.architecture), 1
    yield from states(SWARM_STATE, labels, SWARM_STATES, info.swarm.local_node_state)
    yield MANAGER, labels, int(info.swarm.control_available)
    yield SWARM_ERROR, labels, int(bool(info.swarm.error))
    yield CONTAINERS, (*labels, "running"), info.containers_running
    yield CONTAINERS, (*labels, "paused"), info.containers_paused
    yield CONTAINERS, (*labels, "stopped"), info.containers_stopped
    yield IMAGES, labels, info.images
    yield WARNINGS, labels, len(info.warnings or ())


def _disk(disk: Disk) -> dict[str, int]:
    """Return bytes by kind, from the newer totals where the engine gives them (API 1.52)."""
    if disk.image_usage is not None:
        new = {
            "images": disk.image_usage,
            "containers": disk.container_usage,
            "volumes": disk.volume_usage,
            "build_cache": disk.build_cache_usage,
        }
        return {kind: usage.total_size if usage else 0 for kind, usage in new.items()}
    return {
        "images": disk.layers_size,
        "containers": sum(each.size_rw for each in disk.containers or ()),
        "volumes": sum(max(0, each.usage_data.size) for each in disk.volumes or () if each.usage_data),
        "build_cache": sum(each.size for each in disk.build_cache or ()),
    }
