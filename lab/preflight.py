"""Can this machine hold a lab? The first thing that is missing, in one line."""

import os
import shutil
import sys
import tempfile

from lab import cgroups
from lab.errors import CommandFailed, LabUnavailable
from lab.process import run
from lab.state import root

__all__ = ["PROGRAMS", "preflight"]

PROGRAMS = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "docker": "docker.io",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
}
"""Programs a lab needs, and the Debian package of each."""

# Each is tried in namespaces of its own, which leave nothing behind.
_TRIALS = (
    ("mount, host name and network namespaces", "true"),
    ("bridges", "ip link add probe0 type bridge"),
    ("veth pairs", "ip link add probe0 type veth peer name probe1"),
    ("VXLAN links", "ip link add probe0 type vxlan id 1 dstport 4789"),
    ("the packet filter (iptables)", "iptables -w -S && iptables -w -t nat -S && iptables -w -t raw -S"),
    ("tmpfs and sysfs mounts", 'mount -t tmpfs tmpfs "$0" && mount -t sysfs sysfs /sys'),
    (
        "overlayfs on the lab's folder",
        'cd "$0" && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w overlay m',
    ),
)


def preflight() -> str | None:
    """Return None where a lab can be made here, otherwise one line that says what is missing."""
    if not sys.platform.startswith("linux"):
        return f"A lab needs Linux; this is {sys.platform}"
    if os.geteuid() != 0:
        return "A lab needs root (it makes namespaces, links and mounts)"
    for program, package in _programs().items():
        if shutil.which(program) is None:
            return f"A lab needs {program}, which is not on the PATH (Debian: apt-get install {package})"
    try:
        cgroups.read_tree()
    except LabUnavailable as missing:
        return missing.what
    return _try_kernel()


def _programs() -> dict[str, str]:
    own = {
        os.environ.get("SWARMSTEAD_LAB_DOCKERD"): "dockerd",
        os.environ.get("SWARMSTEAD_LAB_DOCKER"): "docker",
    }
    named = {usual: given for given, usual in own.items() if given}
    return {named.get(program, program): package for program, package in PROGRAMS.items()}


def _try_kernel() -> str | None:
    root().mkdir(parents=True, exist_ok=True)
    for feature, attempt in _TRIALS:
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=root()) as folder:
            try:
                run(["unshare", "-m", "-u", "-n", "sh", "-c", attempt, folder], timeout=20)
            except CommandFailed as refused:
                said = (refused.stderr.strip().splitlines() or ["it did not say why"])[-1]
                return f"A lab needs {feature}, and this machine refused: {said}"
    return None
