"""What we read of the engine's answers: only the fields used, so that decoding skips all others.

Names are the API's own (moby, api/docs), in snake case. A service's and a task's environment, secrets and
configs are not among them: the decoder passes over their bytes. Fields that Go leaves out when they are zero
have a default.
"""

import msgspec

__all__ = [
    "Container",
    "Disk",
    "Event",
    "Info",
    "Node",
    "Resources",
    "Service",
    "Task",
]


_INITIALS = {"id": "ID", "os": "OS", "tls": "TLS", "cpus": "CPUs"}


def _docker_name(field: str) -> str:
    """Return a field's name as the engine writes it."""
    return "".join(_INITIALS.get(word, word.capitalize()) for word in field.split("_"))


class _Record(msgspec.Struct, frozen=True, gc=False, rename=_docker_name):
    pass


class Index(_Record, frozen=True):
    """A version or an iteration; 0 is sent as an empty object."""

    index: int = 0


class Resources(_Record, frozen=True):
    """Amounts: billionths of a core, bytes."""

    nano_cpus: int = 0
    memory_bytes: int = 0


class Requirements(_Record, frozen=True):
    """What a task may use at most, and what is kept for it."""

    limits: Resources | None = None
    reservations: Resources | None = None


# Nodes


class Platform(_Record, frozen=True):
    """Architecture and OS, in uname's words for a node, in Go's for an image."""

    architecture: str = ""
    os: str = ""


class NodeSpec(_Record, frozen=True):
    """What an operator set."""

    role: str = ""
    availability: str = ""
    labels: dict[str, str] | None = None


class EngineDescription(_Record, frozen=True):
    """A node's engine."""

    engine_version: str = ""
    labels: dict[str, str] | None = None


class TLSInfo(_Record, frozen=True):
    """The cluster's root CA, as PEM."""

    trust_root: str = ""


class Description(_Record, frozen=True):
    """What a node said of itself."""

    hostname: str = ""
    platform: Platform = Platform()
    resources: Resources = Resources()
    engine: EngineDescription = EngineDescription()
    tls_info: TLSInfo | None = None


class NodeStatus(_Record, frozen=True):
    """What managers hold of a node."""

    state: str = "unknown"
    addr: str = ""
    message: str = ""


class ManagerStatus(_Record, frozen=True):
    """Of managers only."""

    leader: bool = False
    reachability: str = "unknown"
    addr: str = ""


class Node(_Record, frozen=True):
    """A node of ``/nodes``."""

    id: str
    created_at: str = ""
    spec: NodeSpec = NodeSpec()
    description: Description = Description()
    status: NodeStatus = NodeStatus()
    manager_status: ManagerStatus | None = None


# Services


class ContainerSpec(_Record, frozen=True):
    """A service's container, of which we read the image alone."""

    image: str = ""


class RestartPolicy(_Record, frozen=True):
    """When a task is replaced: condition none, on-failure or any; MaxAttempts 0 is without end."""

    condition: str = "any"
    max_attempts: int | None = None


class Placement(_Record, frozen=True):
    """Where tasks may run."""

    constraints: list[str] | None = None
    max_replicas: int = 0
    platforms: list[Platform] | None = None


class TaskTemplate(_Record, frozen=True):
    """What a service's tasks are made from."""

    container_spec: ContainerSpec | None = None
    resources: Requirements | None = None
    restart_policy: RestartPolicy | None = None
    placement: Placement | None = None


class Replicated(_Record, frozen=True):
    """Mode replicated."""

    replicas: int | None = None


class ReplicatedJob(_Record, frozen=True):
    """Mode replicated-job."""

    max_concurrent: int | None = None
    total_completions: int | None = None


class Empty(_Record, frozen=True):
    """A mode without settings."""


class Mode(_Record, frozen=True):
    """One of the four."""

    replicated: Replicated | None = None
    global_: Empty | None = None
    replicated_job: ReplicatedJob | None = None
    global_job: Empty | None = None


class ServiceSpec(_Record, frozen=True):
    """What an operator set."""

    name: str
    labels: dict[str, str] | None = None
    task_template: TaskTemplate = TaskTemplate()
    mode: Mode = Mode()


class UpdateStatus(_Record, frozen=True):
    """An update's or a rollback's state; absent before the first one."""

    state: str = ""
    started_at: str | None = None
    completed_at: str | None = None


class JobStatus(_Record, frozen=True):
    """Of jobs only."""

    job_iteration: Index = Index()
    last_execution: str = ""


class Service(_Record, frozen=True):
    """A service of ``/services``."""

    id: str
    spec: ServiceSpec
    version: Index = Index()
    created_at: str = ""
    updated_at: str = ""
    update_status: UpdateStatus | None = None
    job_status: JobStatus | None = None

    @property
    def mode(self) -> str:
        """Return replicated, global, replicated-job or global-job."""
        mode = self.spec.mode
        if mode.global_ is not None:
            return "global"
        if mode.replicated_job is not None:
            return "replicated-job"
        return "global-job" if mode.global_job is not None else "replicated"

    @property
    def stack(self) -> str:
        """Return the stack's name, or "" for a service of its own."""
        return (self.spec.labels or {}).get("com.docker.stack.namespace", "")


# Tasks


class ContainerStatus(_Record, frozen=True):
    """A task's container."""

    exit_code: int = 0


class TaskStatus(_Record, frozen=True):
    """What a task's node, or the scheduler, last said of it."""

    state: str
    timestamp: str = ""
    err: str = ""
    container_status: ContainerStatus | None = None


class TaskSpec(_Record, frozen=True):
    """A task's own copy of its service's template."""

    resources: Requirements | None = None


class Task(_Record, frozen=True):
    """A task of ``/tasks``. Slot is 0 for global tasks and for a job's first slot."""

    id: str
    service_id: str
    status: TaskStatus
    desired_state: str
    created_at: str = ""
    slot: int = 0
    node_id: str = ""
    job_iteration: Index | None = None
    spec: TaskSpec = TaskSpec()


class NetworkAttachment(_Record, frozen=True):
    """A task's place in a network: its addresses, with the prefix's length."""

    addresses: list[str] | None = None


class AttachedTask(_Record, frozen=True):
    """Of a task, what tells its addresses."""

    service_id: str = ""
    networks_attachments: list[NetworkAttachment] | None = None


# This engine


class Orchestration(_Record, frozen=True):
    """Of the cluster's settings, how many ended tasks a slot keeps."""

    task_history_retention_limit: int | None = None


class ClusterSpec(_Record, frozen=True):
    """The cluster's settings."""

    orchestration: Orchestration = Orchestration()


class Cluster(_Record, frozen=True):
    """The cluster, as a manager with quorum knows it; empty without."""

    id: str = ""
    created_at: str = ""
    tls_info: TLSInfo | None = None
    root_rotation_in_progress: bool = False
    spec: ClusterSpec = ClusterSpec()


class Swarm(_Record, frozen=True):
    """The swarm, as this node sees it."""

    node_id: str = ""
    local_node_state: str = ""
    control_available: bool = False
    error: str = ""
    cluster: Cluster | None = None


class Info(_Record, frozen=True):
    """``/info``."""

    name: str = ""
    server_version: str = ""
    os_type: str = ""
    architecture: str = ""
    containers_running: int = 0
    containers_paused: int = 0
    containers_stopped: int = 0
    images: int = 0
    warnings: list[str] | None = None
    swarm: Swarm = Swarm()


class Container(
    _Record, frozen=True, rename={"id": "Id", "state": "State", "status": "Status", "labels": "Labels"}
):
    """A container of ``/containers/json``. Status is text for people; its health is nowhere else in 20.10."""

    id: str
    state: str = ""
    status: str = ""
    labels: dict[str, str] | None = None


class Actor(_Record, frozen=True):
    """What an event happened to."""

    id: str = ""
    attributes: dict[str, str] | None = None


class Event(_Record, frozen=True):
    """A line of ``/events``."""

    type: str = ""
    action: str = ""
    actor: Actor = Actor()


class Sized(_Record, frozen=True):
    """Something on disk: an image or a layer of build cache has Size, a container SizeRw."""

    size: int = 0
    size_rw: int = 0


class VolumeUsage(_Record, frozen=True):
    """-1 where it is not known."""

    size: int = -1


class Volume(_Record, frozen=True):
    """A volume on disk."""

    usage_data: VolumeUsage | None = None


class Usage(_Record, frozen=True):
    """Totals as API 1.52 and later give them."""

    total_size: int = 0


class Disk(_Record, frozen=True):
    """``/system/df``, in its older and its newer form."""

    layers_size: int = 0
    containers: list[Sized] | None = None
    volumes: list[Volume] | None = None
    build_cache: list[Sized] | None = None
    image_usage: Usage | None = None
    container_usage: Usage | None = None
    volume_usage: Usage | None = None
    build_cache_usage: Usage | None = None
