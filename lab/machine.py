"""One machine of the lab: its namespaces, held by an anchor, and the dockerd that runs in them.

An *anchor* is one sleeping process. It holds the machine's mount, host name and network namespaces, so
that dockerd alone can be killed and started again in them; when the anchor goes too, the kernel takes
the mounts, the network and the cable away by itself, and nothing is left that could be forgotten.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import cgroups
from lab.engine import Engine
from lab.errors import LabError
from lab.process import clean_environment, state_of, wait_until

__all__ = ["drop_anchor", "enter", "prepare", "read_anchor", "start_dockerd"]

# Steps in the shell, since each is one command: join the group, then leave the host's namespaces.
# --rbind: on cgroup v1 /sys/fs/cgroup is a tmpfs with a mount for each controller below it.
# resolv.conf: a resolver that refuses lets image look-ups fail at once; otherwise each costs some 20 s.
_ANCHOR = """
set -e
mount --rbind /sys/fs/cgroup "$2"
mount -t sysfs sysfs /sys
mount --rbind "$2" /sys/fs/cgroup
umount -l "$2"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
resolver=$(readlink -m /etc/resolv.conf)
case "$resolver" in
  /run/*) mkdir -p "${resolver%/*}"; echo "nameserver 127.0.0.1" >"$resolver" ;;
  *) echo "nameserver 127.0.0.1" >/run/resolv.conf
     [ ! -e "$resolver" ] || mount --bind /run/resolv.conf "$resolver" ;;
esac
echo "$1" >/proc/sys/kernel/hostname
ip link set lo up
echo ready
exec sleep infinity >/dev/null 2>&1
"""
_JOIN = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
_AT = 'cd -- "$1" 2>/dev/null; shift; exec "$@"'


def _in_group(group: Path, argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` as a member of the control group."""
    return ["sh", "-c", _JOIN, "lab", str(group), *argv]


def prepare(folder: Path, group: Path) -> None:
    """Make the machine's folder and control groups."""
    for path in (folder / "cgroup", folder / "client", group / "anchor", group / "host"):
        path.mkdir(parents=True, exist_ok=True)


def drop_anchor(folder: Path, group: Path, name: str) -> int:
    """Start the anchor of machine `name` and return its process id. Raises LabError where it fails."""
    shell = ["unshare", "-m", "-u", "-n", "sh", "-c", _ANCHOR, "anchor", name, str(folder / "cgroup")]
    log = folder / "anchor.log"
    with log.open("wb") as errors, subprocess.Popen(
        ["setsid", "--fork", *_in_group(group / "anchor", shell)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=clean_environment(),
    ) as started:  # fmt: skip
        said = started.stdout.readline() if started.stdout else b""
    pid = read_anchor(group)
    if said != b"ready\n" or pid is None:
        raise LabError(f"The namespaces of {name} could not be made: {log.read_text().strip()[-500:]}")
    return pid


def read_anchor(group: Path) -> int | None:
    """Return the anchor's process id, None where the machine is off."""
    return next((pid for pid in cgroups.members(group / "anchor") if state_of(pid) not in {"", "Z"}), None)


def enter(group: Path, anchor: int, argv: Sequence[str], cwd: Path | None = None) -> list[str]:
    """Return the command that runs `argv` inside the machine, as a part of it: it dies with the machine."""
    inside = ["nsenter", "-t", str(anchor), "-m", "-u", "-n", "--"]
    return _in_group(group / "host", [*inside, "sh", "-c", _AT, "lab", str(cwd or Path.cwd()), *argv])


def start_dockerd(
    folder: Path, group: Path, anchor: int, *, gateway: str, parent: str, settings: Mapping[str, object]
) -> None:
    """Start dockerd in the machine and wait until it answers on ``docker.sock`` in its folder.

    parent: control group of its containers, from the hierarchy's root.
    settings: more of daemon.json.
    Raises LabError, with the end of its log, where it ends or does not answer within 40 seconds.
    """
    socket = folder / "docker.sock"
    config = folder / "daemon.json"
    config.write_text(json.dumps(_daemon(folder, gateway, parent) | dict(settings), indent=1))
    # What a killed dockerd leaves: it would refuse to start, or wait for a containerd that is a zombie.
    containerd = Path("/proc", str(anchor), "root", "run/docker/containerd/containerd.pid")
    for stale in (socket, folder / "docker.pid", containerd):
        stale.unlink(missing_ok=True)
    dockerd = os.environ.get("SWARMSTEAD_LAB_DOCKERD") or "dockerd"
    log = folder / "dockerd.log"
    with log.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", *enter(group, anchor, [dockerd, "--config-file", str(config)], folder)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=clean_environment(), check=True,
        )  # fmt: skip
    engine = Engine(socket)

    def settled() -> bool:
        return engine.answers() or not cgroups.members(group / "host")

    # The shell needs a moment to join the group; an empty group means "it ended" only after that.
    wait_until(lambda: bool(cgroups.members(group / "host")), timeout=2)
    if not wait_until(settled, timeout=40) or not engine.answers():
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-6:])
        raise LabError(f"dockerd does not answer; the end of its log:\n{tail}", f"The whole log is {log}")


def _daemon(folder: Path, gateway: str, parent: str) -> dict[str, object]:
    """Return daemon.json: everything that would clash with another engine has its own place."""
    return {
        "hosts": [f"unix://{folder / 'docker.sock'}", "unix:///run/docker.sock"],
        "data-root": str(folder / "data"),
        "exec-root": "/run/docker",  # in the node's own /run: gone when it loses power, as it should be
        "pidfile": str(folder / "docker.pid"),
        "cgroup-parent": parent,
        "exec-opts": ["native.cgroupdriver=cgroupfs"],  # systemd's driver would want slices
        "storage-driver": "overlay2",
        "dns": [gateway],  # refused there, at once; without it containers get public resolvers
        "metrics-addr": "0.0.0.0:9323",
        "experimental": True,
    }
