"""The lab's wires: a bridge, one cable per node, and ways to cut them."""

import contextlib
import ipaddress
import json
import shlex
from collections.abc import Iterable, Mapping

from lab.errors import CommandFailed, LabError
from lab.process import run
from lab.state import Record

__all__ = [
    "add_bridge",
    "cut_peer",
    "first_free",
    "free_number",
    "plug",
    "remove_all",
    "set_link",
    "uncut_peer",
    "uncut_peers",
]

# A rule is found again by its comment, which is the lab's mark.
_RULES = (
    ("FORWARD", ("-i", "{bridge}", "-o", "{bridge}")),  # an engine on the host sets FORWARD to DROP
    ("INPUT", ("-i", "{bridge}")),  # containers reach servers that a test runs on the host
)
_CUT = "LAB-CUT"


def _ip(*lines: str) -> None:
    run(["ip", "-batch", "-"], stdin="\n".join(lines).encode() + b"\n")


def free_number(taken: Iterable[int]) -> int:
    """Return a lab number that no lab, link, address or route of this machine uses."""
    links = {link["ifname"] for link in json.loads(run(["ip", "-j", "link"]))}
    routes = json.loads(run(["ip", "-j", "route", "show", "table", "all"]) or "[]")
    return first_free(set(taken), links, routes)


def first_free(numbers: set[int], links: set[str], routes: Iterable[Mapping[str, str]]) -> int:
    """Return the first number that is not in `numbers`, and whose link and subnet nobody has.

    routes: as `ip -j route` gives them. Raises LabError where there is none.
    """
    nets = [
        net for route in routes if (net := _network(route.get("dst", ""))) is not None and net.prefixlen > 0
    ]
    for number in range(77, 256):
        ours = ipaddress.ip_network(f"10.{number}.0.0/24")
        free = number not in numbers and f"swl{number}" not in links
        if free and not any(ours.overlaps(net) for net in nets):
            return number
    raise LabError("No subnet from 10.77.0.0/24 to 10.255.0.0/24 is free here")


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def add_bridge(record: Record) -> None:
    """Make the bridge, give the host its address, and let its traffic through the packet filter."""
    _ip(
        f"link add {record.bridge} type bridge",
        f"link set {record.bridge} alias {record.mark}",
        f"addr add {record.gateway}/24 dev {record.bridge}",
        f"link set {record.bridge} up",
    )
    for chain, match in _RULES:
        fitted = [part.format(bridge=record.bridge) for part in match]
        run(
            [
                "iptables",
                "-w",
                "-I",
                chain,
                *fitted,
                "-m",
                "comment",
                "--comment",
                record.mark,
                "-j",
                "ACCEPT",
            ]
        )


def plug(record: Record, index: int, pid: int) -> None:
    """Run a cable from the bridge to `eth0` in the network namespace of process `pid`.

    There is no default route: what is not in the lab is unreachable at once, not after a time-out.
    """
    link = record.link(index)
    with contextlib.suppress(
        CommandFailed
    ):  # a killed node's namespace takes its cable along, a little later
        run(["ip", "link", "del", link])
    _ip(f"link add {link} type veth peer name eth0 netns {pid}", f"link set {link} master {record.bridge} up")
    inside = f"addr add {record.address(index)}/24 dev eth0\nlink set eth0 up\n"
    run(["nsenter", "-t", str(pid), "-n", "ip", "-batch", "-"], stdin=inside.encode())


def set_link(record: Record, index: int, *, up: bool) -> None:
    """Pull the node's cable out at the bridge, or put it back."""
    run(["ip", "link", "set", record.link(index), "up" if up else "down"])


def cut_peer(pid: int, address: str) -> None:
    """Lose every packet that arrives from `address` in the network namespace of process `pid`.

    Dropped on arrival, before routing: senders notice nothing, as with a network that loses packets,
    and what is for containers (VXLAN too) is lost as well.
    """
    filter_ = _raw_table(pid)
    with contextlib.suppress(CommandFailed):  # the chain is there from the first cut on
        run([*filter_, "-N", _CUT])
        run([*filter_, "-I", "PREROUTING", "-j", _CUT])
    run([*filter_, "-A", _CUT, "-s", address, "-j", "DROP"])


def uncut_peer(pid: int, address: str) -> None:
    """Take back what `cut_peer` did for one address."""
    with contextlib.suppress(CommandFailed):
        run([*_raw_table(pid), "-D", _CUT, "-s", address, "-j", "DROP"])


def uncut_peers(pid: int) -> None:
    """Take back what `cut_peer` did in that namespace."""
    with contextlib.suppress(CommandFailed):
        run([*_raw_table(pid), "-F", _CUT])


def _raw_table(pid: int) -> list[str]:
    return ["nsenter", "-t", str(pid), "-n", "iptables", "-w", "-t", "raw"]


def remove_all(mark: str, number: int | None) -> None:
    """Remove the links and packet filter rules of the lab with this mark, and those of its number."""
    bridges = {
        link["ifname"]
        for link in json.loads(run(["ip", "-j", "link"]))
        if link.get("ifalias") == mark or link["ifname"] == f"swl{number}"
    }
    for bridge in bridges:
        for port in json.loads(run(["ip", "-j", "link", "show", "master", bridge]) or "[]"):
            with contextlib.suppress(CommandFailed):  # it goes by itself when its namespace does
                run(["ip", "link", "del", port["ifname"]])
        run(["ip", "link", "del", bridge])
    for line in run(["iptables", "-w", "-S"]).splitlines():
        words = shlex.split(line)
        if mark in words and words[0] == "-A":
            run(["iptables", "-w", "-D", *words[1:]])
