"""The lab keeps its promises on this machine: a real Swarm, real faults, and nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from lab import CommandFailed, Lab, LabError
from lab.process import state_of, wait_until
from lab.state import Record, home, names, root

_SERVE = ["python3", "-m", "http.server", "8000", "--directory", "/etc"]


def _state(lab: Lab, node: str) -> str:
    return str(lab.swarm_nodes()[node]["Status"]["State"])


def _wait(holds: Callable[[], bool], seconds: float, what: str) -> float:
    began = time.monotonic()
    assert wait_until(holds, timeout=seconds, every=0.2), f"not within {seconds} s: {what}"
    return time.monotonic() - began


def _cli(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *words], capture_output=True, text=True, timeout=60, check=False
    )


# A Swarm


def test_three_nodes_one_swarm(lab: Lab) -> None:
    rows = lab.node("n1").docker_json("node", "ls")
    assert {(row["Hostname"], row["Status"], row["ManagerStatus"]) for row in rows} == {
        ("n1", "Ready", "Leader"), ("n2", "Ready", ""), ("n3", "Ready", ""),
    }  # fmt: skip
    assert lab.leader().name == "n1"
    assert lab.node("n2").docker_json("info")["Swarm"]["NodeAddr"] == lab.node("n2").address


def test_debians_own_client_works_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/usr/bin/docker").exists():
        pytest.skip("no /usr/bin/docker")
    monkeypatch.setenv("SWARMSTEAD_LAB_DOCKER", "/usr/bin/docker")
    assert lab.node("n3").docker_json("version")["Server"]["Version"]


def test_a_failing_command_says_what_the_engine_said(lab: Lab) -> None:
    with pytest.raises(CommandFailed) as failed:
        lab.node("n1").docker("service", "inspect", "nobody")
    assert "nobody" in failed.value.stderr
    with pytest.raises(LabError, match="no node n9"):
        lab.node("n9")


def test_tasks_find_each_other_over_the_overlay(lab: Lab) -> None:
    base = lab.load_base("python")
    lab.docker("network", "create", "-d", "overlay", "--attachable", "mesh")
    lab.docker("service", "create", "-d", "--name", "web", "--mode", "global", "--network", "mesh",
               "--endpoint-mode", "dnsrr", "--no-resolve-image", "--stop-grace-period", "1s",
               "--publish", "mode=host,published=8080,target=8000", base, *_SERVE)  # fmt: skip
    for node in lab.nodes:
        _wait(lambda node=node: _answers(f"http://{node.address}:8080/hostname"), 20, f"web on {node.name}")  # type: ignore[misc]
    ask = (
        "import socket, urllib.request as r\n"
        "for a in sorted({i[4][0] for i in socket.getaddrinfo('tasks.web', 8000)}):\n"
        "    print(r.urlopen(f'http://{a}:8000/hostname', timeout=3).read().decode().strip())"
    )
    said = lab.node("n2").docker("run", "--rm", "--network", "mesh", base, "python3", "-c", ask)
    tasks = {
        json.loads(node.docker("inspect", _container(lab, node.name)))[0]["Config"]["Hostname"]
        for node in lab.nodes
    }
    assert set(said.split()) == tasks
    assert len(tasks) == 3


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _container(lab: Lab, node: str) -> str:
    return lab.node(node).docker("ps", "-q", "--filter", "label=com.docker.swarm.service.name=web").strip()


def test_containers_reach_a_server_on_the_host(lab: Lab) -> None:
    base = lab.load_base("python")
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "8123", "--bind", lab.gateway, "--directory", "/etc"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            _wait(lambda: _answers(f"http://{lab.gateway}:8123/hostname"), 5, "server")
            url = f"http://{lab.gateway}:8123/hostname"
            code = f"import urllib.request as r; print(r.urlopen({url!r}, timeout=3).status)"
            assert lab.node("n3").docker("run", "--rm", base, "python3", "-c", code).strip() == "200"
        finally:
            server.kill()


def test_a_build_reaches_every_node(lab: Lab, tmp_path: Path) -> None:
    base = lab.load_base("python")
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nRUN useradd -u 4000 svc && python3 -m venv --without-pip /opt/app\n"
        "USER svc\n"
        'CMD ["/opt/app/bin/python", "-c", "import os; print(os.getuid())"]\n'
    )
    lab.build(tmp_path, "built:1", build_args={"BASE": base})
    assert len({node.engine.image_id("built:1") for node in lab.nodes}) == 1
    assert lab.node("n3").docker("run", "--rm", "built:1").strip() == "4000"
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nRUN echo it is broken >&2; exit 7\n")
    with pytest.raises(CommandFailed, match="it is broken"):
        lab.build(tmp_path, "built:2")


def test_exec_runs_inside_and_dies_with_the_node(lab: Lab) -> None:
    node = lab.node("n2")
    assert node.exec(["cat", "/proc/sys/kernel/hostname"]).strip() == "n2"
    assert node.address in node.exec(["ip", "-br", "addr"])
    with node.popen(["sleep", "600"]) as sleeper:
        node.kill()
        assert sleeper.wait(timeout=5) != 0


# Faults


@pytest.fixture(scope="module")
def shared_hasty_lab(lab_machine: None) -> Iterator[Lab]:
    with Lab.up(name=f"test-h{os.getpid()}", heartbeat=1) as running:
        yield running


@pytest.fixture
def hasty_lab(shared_hasty_lab: Lab) -> Lab:
    """A lab that calls a node Down after some 4 seconds, where the engine's own 12 to 15 teach nothing."""
    shared_hasty_lab.reset()
    return shared_hasty_lab


def test_killed_shows_down_and_start_brings_it_back(hasty_lab: Lab) -> None:
    lab = hasty_lab
    base = lab.load_base("python")
    lab.docker(
        "service", "create", "-d", "--name", "web", "--mode", "global", "--no-resolve-image", base, *_SERVE
    )
    node = lab.node("n3")
    _wait(lambda: bool(_container(lab, "n3")), 60, "a task on n3")
    node.kill()
    assert node.state == "down"
    assert node.members() == set()
    _wait(lambda: _state(lab, "n3") == "down", 60, "n3 Down")
    node.start()
    _wait(lambda: _state(lab, "n3") == "ready", 60, "n3 Ready again")
    _wait(lambda: bool(_container(lab, "n3")), 60, "a task on n3 again")


def test_dockerd_alone_can_die(lab: Lab) -> None:
    base = lab.load_base("python")
    node = lab.node("n2")
    node.docker("run", "-d", "--stop-timeout", "1", base, "sleep", "600")
    anchor = node.anchor
    node.kill(only_dockerd=True)
    assert node.state == "down"
    assert node.members()
    node.start()
    assert node.anchor == anchor


def test_a_hung_node_and_a_cut_one_show_down_and_come_back(hasty_lab: Lab) -> None:
    lab = hasty_lab
    lab.node("n2").pause()
    lab.node("n3").partition()
    assert lab.node("n2").state == "paused"
    assert not lab.node("n2").engine.answers(timeout=1)
    assert lab.node("n3").engine.answers()
    _wait(lambda: {_state(lab, "n2"), _state(lab, "n3")} == {"down"}, 60, "both Down")
    lab.node("n2").resume()
    lab.node("n3").heal()
    _wait(lambda: {_state(lab, "n2"), _state(lab, "n3")} == {"ready"}, 60, "both Ready")


def test_two_sides_cannot_talk_and_each_reaches_the_third(lab: Lab) -> None:
    n1, n2, n3 = lab.nodes
    n2.partition(n3)
    assert not _connects(n2.exec, n3.address)
    assert not _connects(n3.exec, n2.address)
    assert _connects(n2.exec, n1.address)
    lab.heal(n2)
    assert _connects(n2.exec, n3.address)
    assert _connects(n3.exec, n2.address)


def _connects(run: Callable[..., str], address: str) -> bool:
    """Return whether the engine's metrics port of `address` takes a connection."""
    code = f"import socket; socket.create_connection(('{address}', 9323), 1).close()"
    try:
        run([sys.executable, "-c", code])
    except CommandFailed:
        return False
    return True


def test_reset_takes_all_away(lab: Lab) -> None:
    base = lab.load_base("python")
    lab.docker("network", "create", "-d", "overlay", "mesh")
    lab.docker("service", "create", "-d", "--name", "web", "--network", "mesh", "--replicas", "6",
               "--endpoint-mode", "dnsrr", "--no-resolve-image", base, "sleep", "600")  # fmt: skip
    lab.docker("secret", "create", "s", "-", stdin=b"x")
    lab.docker("config", "create", "c", "-", stdin=b"x")
    lab.docker("node", "update", "--availability", "drain", "--label-add", "a=b", "n2")
    lab.node("n3").docker("volume", "create", "vol")
    lab.node("n3").docker("network", "create", "local")
    lab.node("n3").docker("run", "-d", base, "sleep", "600")
    lab.node("n1").partition(lab.node("n2"))
    lab.node("n3").pause()
    lab.reset()
    engine = lab.leader().engine
    for kind in ("services", "tasks", "secrets", "configs"):
        assert engine.call("GET", f"/{kind}") == [], kind
    assert not {net["Name"] for net in engine.call("GET", "/networks")} & {"mesh"}
    specs = {name: row["Spec"] for name, row in lab.swarm_nodes().items()}
    assert specs["n2"] == {"Labels": {}, "Role": "worker", "Availability": "active"}
    for node in lab.nodes:
        assert "local" not in node.docker("network", "ls", "--format", "{{.Name}}").split()
        assert node.docker("ps", "-aq") == node.docker("volume", "ls", "-q") == ""
        assert node.state == "up"
        assert node.cuts == []


def test_three_managers_outlive_their_leader(lab_machine: None) -> None:
    with Lab.up(3, 3, f"test-m{os.getpid()}") as trio:
        first = trio.leader()
        first.kill()
        _wait(
            lambda: trio.leader(timeout=1).name != first.name if _has_leader(trio) else False,
            40,
            "a new leader",
        )
        first.start()
        _wait(lambda: _reachability(trio, first.name) == "reachable", 20, "the old leader reachable")


def _reachability(lab: Lab, node: str) -> str:
    return str(lab.swarm_nodes().get(node, {}).get("ManagerStatus", {}).get("Reachability"))


def _has_leader(lab: Lab) -> bool:
    try:
        lab.leader(timeout=0.5)
    except LabError:
        return False
    return True


# Nothing left behind


def _traces(own: str) -> dict[str, set[str]]:
    """Return what lab `own` could leave on this machine.

    Other labs may run beside it, and change meanwhile: what is theirs, or in their control groups, is left
    out. Process ids of zombies are init's business.
    """
    others = [record for name in names() if name != own and (record := Record.load(name))]
    links = tuple(record.bridge for record in others)
    words = [
        word
        for record in others
        for word in (record.mark, f"swarmstead-{record.name}", str(home(record.name)))
    ]
    pids = {
        path.name
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and state_of(int(path.name)) not in {"", "Z"} and not _is_of(path, words)
    }
    programs = ("dockerd", "containerd", "containerd-shim", "sleep", "docker-proxy", "nsenter", "unshare")
    found: dict[str, Iterable[str]] = {
        "processes": (f"{pid} {name}" for pid in pids if (name := _comm(pid)).startswith(programs)),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "namespaces": (
            line
            for line in _out("lsns", "-nro", "PID,NS,TYPE,COMMAND").splitlines()
            if ("sleep" in line or "docker" in line) and line.split()[0] in pids
        ),
        "named namespaces": _out("ip", "netns").splitlines(),
        "links": (
            name
            for link in json.loads(_out("ip", "-j", "link"))
            if not (name := link["ifname"]).startswith(links)
        ),
        "rules": _out("iptables", "-w", "-S").splitlines(),
        "cgroups": map(str, Path("/sys/fs/cgroup").rglob("swarmstead-*")),
        "folders": map(str, root().glob("*")),
    }
    return {kind: {it for it in all_ if not _mentions(it, words)} for kind, all_ in found.items()}


def _is_of(process: Path, words: list[str]) -> bool:
    try:
        return _mentions((process / "cgroup").read_text(), words)
    except OSError:  # it has just ended
        return False


def _mentions(text: str, words: list[str]) -> bool:
    return any(re.search(rf"{re.escape(word)}(?![\w-])", text) for word in words)


def _out(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _comm(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _assert_nothing_new(own: str, before: dict[str, set[str]]) -> None:
    def new() -> dict[str, set[str]]:
        return {kind: left for kind, now in _traces(own).items() if (left := now - before[kind])}

    wait_until(lambda: not new(), timeout=5, every=0.1)  # the kernel ends namespaces in its own time
    assert new() == {}


def test_a_second_lab_beside_the_first_leaves_nothing(lab: Lab) -> None:
    name = f"test-b{os.getpid()}"
    before = _traces(name)
    with Lab.up(2, 1, name) as second:
        assert second.gateway != lab.gateway
        base = second.load_base("python")
        second.docker("network", "create", "-d", "overlay", "mesh")
        second.docker("service", "create", "-d", "--name", "web", "--mode", "global", "--network", "mesh",
                      "--endpoint-mode", "dnsrr", "--no-resolve-image", base, *_SERVE)  # fmt: skip
        for node in second.nodes:
            _wait(lambda node=node: bool(_container(second, node.name)), 20, "a task on each node")  # type: ignore[misc]
        assert lab.docker("service", "ls", "-q") == ""
        with pytest.raises(LabError, match="already"):
            Lab.up(name=name)
        second.node("n2").pause()
    _assert_nothing_new(name, before)
    assert lab.leader().name == "n1"


@pytest.mark.parametrize("after", [0.15, 0.4, 0.8])
def test_down_after_up_was_killed_half_way(lab: Lab, after: float) -> None:
    name = f"test-k{os.getpid()}"
    before = _traces(name)
    with subprocess.Popen(
        [sys.executable, "-m", "lab", "up", "--name", name], stdout=subprocess.DEVNULL
    ) as up:
        wait_until((root() / name).exists, timeout=10, every=0.005)
        time.sleep(after)
        up.kill()
    done = _cli("down", "--name", name)
    assert done.returncode == 0, done.stderr
    assert "is gone" in done.stdout
    _assert_nothing_new(name, before)


def test_an_interrupted_up_removes_what_it_made(lab: Lab) -> None:
    name = f"test-i{os.getpid()}"
    before = _traces(name)
    # Whoever runs the tests in the background has a shell that makes all of them deaf to SIGINT.
    hears = ["env", "--default-signal=INT", sys.executable, "-m", "lab", "up", "--name", name]
    with subprocess.Popen(hears, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as up:
        wait_until((root() / name).exists, timeout=10, every=0.005)
        time.sleep(0.3)
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=30)
    assert up.returncode == 130, said.decode()
    _assert_nothing_new(name, before)


def test_down_finds_a_lab_whose_folder_is_lost(lab: Lab) -> None:
    name = f"test-f{os.getpid()}"
    before = _traces(name)
    Lab.up(1, 1, name)
    (root() / name / "lab.json").unlink()
    assert _cli("down", "--name", name).returncode == 0
    _assert_nothing_new(name, before)


# The command line


def test_the_command_line(lab: Lab) -> None:
    assert "n1, n2" in _cli("--help").stdout
    (told,) = json.loads(_cli("status", "--json", "--name", lab.name).stdout)
    assert [(node["node"], node["engine"], node["role"]) for node in told["nodes"]] == [
        ("n1", "up", "leader"), ("n2", "up", "worker"), ("n3", "up", "worker"),
    ]  # fmt: skip
    assert _cli("exec", "--name", lab.name, "n1", "--", "sh", "-c", "exit 7").returncode == 7
    nobody = _cli("status", "--name", "nobody")
    assert nobody.returncode == 1
    assert "There is no lab named nobody" in nobody.stderr
    assert _cli("up", "--nodes", "77").returncode == 2
