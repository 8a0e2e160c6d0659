"""Every node: what the managers say of it, what is reserved and used on it, what its engine says itself."""

from grafana.model import Board, Query, Row, Variable
from grafana.panels import series, states, table

__all__ = ["BOARD"]

_N = '{hostname=~"$hostname"}'

_LIST = table(
    "Nodes",
    Query(f"max by (hostname, role, engine_version, os, arch, address) (swarm_node_info{_N})", table=True),
    Query(
        'max by (hostname, status) (label_replace(swarm_node_state == 1, "status", "$1", "state", "(.+)"))',
        table=True,
    ),
    Query(
        """max by (hostname, availability) (
        label_replace(swarm_node_availability == 1, "availability", "$1", "state", "(.+)"))""",
        table=True,
    ),
    Query('sum by (hostname) (max by (hostname, state) (swarm_node_tasks{state="running"}))', table=True),
    Query(
        """sum by (hostname) (max by (hostname, service, health) (
        swarm_engine_service_containers{health=~"healthy|none"}))""",
        table=True,
    ),
    Query("max by (hostname) (swarm_node_memory_reserved_bytes / "
    "swarm_node_memory_capacity_bytes)", table=True),
    Query("max by (hostname) (swarm_node_cpu_reserved_cores / swarm_node_cpu_capacity_cores)", table=True),
    description="A node that is down keeps its tasks in the managers' count; its engine confirms none.",
    join="hostname",
    columns={
        "hostname": "Node",
        "role": "Role",
        "status": "State",
        "availability": "Availability",
        "address": "Address",
        "engine_version": "Docker",
        "arch": "Platform",
        "Value #D": "Tasks (managers)",
        "Value #E": "Containers (engine)",
        "Value #F": "Memory reserved",
        "Value #G": "CPU reserved",
    },
    units={"Memory reserved": "percentunit", "CPU reserved": "percentunit"},
    height=9,
)  # fmt: skip

BOARD = Board(
    uid="swarmstead-nodes",
    title="Swarm: nodes",
    description="Every node: as the managers see it, as its own engine sees itself, and the "
    "machine under it.",
    variables=(Variable("hostname", "Node", "swarm_engine_info"),),
    rows=(
        Row("Nodes", (_LIST,)),
        Row(
            "State",
            (
                states(
                    "Ready, as the managers say",
                    Query(f"node:swarm_node_ready:max{_N}", legend="{{hostname}}"),
                    description="Gaps: no manager could say anything.",
                    colours={"1": ("ready", "green"), "0": ("not ready", "red")},
                    width=12,
                ),
                states(
                    "Engine answers, as its own exporter says",
                    Query(f"max by (hostname) (swarm_engine_up{_N})", legend="{{hostname}}"),
                    description="Gaps: the exporter itself could not be reached.",
                    colours={"1": ("answers", "green"), "0": ("silent", "red")},
                    width=12,
                ),
            ),
        ),
        Row(
            "Room in the Swarm",
            (
                series(
                    "Memory reserved of what the node has",
                    Query(
                        f"""max by (hostname) (swarm_node_memory_reserved_bytes{_N})
                        / max by (hostname) (swarm_node_memory_capacity_bytes{_N})""",
                        legend="{{hostname}}",
                    ),
                    description="What services reserve, not what they use: the scheduler counts this.",
                    unit="percentunit",
                ),
                series(
                    "CPU reserved of what the node has",
                    Query(
                        f"""max by (hostname) (swarm_node_cpu_reserved_cores{_N})
                        / max by (hostname) (swarm_node_cpu_capacity_cores{_N})""",
                        legend="{{hostname}}",
                    ),
                    description="What services reserve, not what they use: the scheduler counts this.",
                    unit="percentunit",
                ),
            ),
        ),
        Row(
            "The machine (node-exporter)",
            (
                series(
                    "Memory available",
                    Query(f"host:node_memory_available:ratio{_N}", legend="{{hostname}}"),
                    description="Of all; below 7 % for 15 minutes an alert fires.",
                    unit="percentunit",
                    width=8,
                ),
                series(
                    "CPU busy",
                    Query(
                        f"""(1 - avg by (instance) (
                        rate(node_cpu_seconds_total{{mode="idle"}}[$__rate_interval])))
                        * on (instance) group_left (hostname) instance:node_hostname:info{_N}""",
                        legend="{{hostname}}",
                    ),
                    description="All cores together; includes what the provider's other guests stole.",
                    unit="percentunit",
                    width=8,
                ),
                series(
                    "Disk free",
                    Query(f"host:node_filesystem_avail:ratio{_N}", legend="{{hostname}} {{mountpoint}}"),
                    description="Below 5 % an alert is critical.",
                    unit="percentunit",
                    width=8,
                ),
                series(
                    "Waiting for memory",
                    Query(
                        f"""rate(node_pressure_memory_waiting_seconds_total[$__rate_interval])
                        * on (instance) group_left (hostname) instance:node_hostname:info{_N}""",
                        legend="{{hostname}}",
                    ),
                    description="Part of the time in which some program stood still for want of memory.",
                    unit="percentunit",
                    width=8,
                ),
                series(
                    "Load, 1 minute",
                    Query(
                        f"node_load1 * on (instance) group_left (hostname) instance:node_hostname:info{_N}",
                        legend="{{hostname}}",
                    ),
                    description="Programs that run or wait for disk.",
                    width=8,
                ),
                series(
                    "Disk busy",
                    Query(
                        f"""max by (instance) (rate(node_disk_io_time_seconds_total[$__rate_interval]))
                        * on (instance) group_left (hostname) instance:node_hostname:info{_N}""",
                        legend="{{hostname}}",
                    ),
                    description="Part of the time in which the busiest disk had something to do.",
                    unit="percentunit",
                    width=8,
                ),
            ),
        ),
        Row(
            "Docker",
            (
                series(
                    "Disk used by Docker",
                    Query(
                        f"sum by (hostname, kind) (max by (hostname, kind) (swarm_engine_disk_bytes{_N}))",
                        legend="{{hostname}} {{kind}}",
                    ),
                    description="Asked rarely, because the engine needs long to answer.",
                    unit="bytes",
                    width=8,
                ),
                series(
                    "Containers",
                    Query(
                        f"max by (hostname, state) (swarm_engine_containers{_N})",
                        legend="{{hostname}} {{state}}",
                    ),
                    description="All of the engine, also those that are no part of the Swarm.",
                    width=8,
                ),
                series(
                    "Killed for memory",
                    Query(
                        f"sum by (hostname, service) "
                        f"(increase(swarm_engine_oom_kills_total{_N}[$__rate_interval]))",
                        legend="{{hostname}} {{service}}",
                    ),
                    description="Processes that the kernel killed.",
                    width=8,
                ),
            ),
        ),
    ),
)
