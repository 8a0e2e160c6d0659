"""Learning names and hosts from an engine: what a real manager (Engine 29) answered, served on a socket.

tests/lab/test_learn_engine.py asks a living one.
"""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.engine import Engine, EngineError, parse_address
from exporters.exposition import Form
from exporters.traefik import Exporter, Options
from tests.integration.engine.engine_server import EngineServer, Reply, engine_at
from tests.unit.traefik.kit import GOLDEN, capture
from tests.unit.traefik.test_intake import line

PLAIN = Form(openmetrics=False, gzip=False)


@pytest.fixture
def socket_path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sw"))  # a socket's path may have 107 bytes at most
    yield folder / "docker.sock"
    shutil.rmtree(folder)


@pytest.fixture
def manager(socket_path: Path) -> Iterator[EngineServer]:
    with engine_at(socket_path) as server:
        server.replies |= {
            "/services": Reply(body=capture("engine-services.json.gz")),
            "/tasks": Reply(body=capture("engine-tasks.json.gz")),
        }
        yield server


def test_the_addresses_of_running_tasks(manager: EngineServer, socket_path: Path) -> None:
    engine = Engine(parse_address(f"unix://{socket_path}", {}))
    names = {service.id: service.spec.name for service in engine.services()[0]}
    found = {names[identity]: sorted(addresses) for identity, addresses in engine.task_addresses().items()}
    seen = json.loads((GOLDEN / "swarm-services.json").read_text(encoding="utf-8"))
    assert found == {each["name"]: sorted(each["addresses"]) for each in seen if each["addresses"]}
    assert manager.paths[-1] == "/v1.41/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D"


@pytest.mark.parametrize(
    "body",
    [b"[]", b'[{"ServiceID":"a"}]', b'[{"ServiceID":"a","NetworksAttachments":null}]',
     b'[{"ServiceID":"a","NetworksAttachments":[{"Addresses":null},{}]}]'],
)  # fmt: skip
def test_tasks_without_addresses_have_none(body: bytes, manager: EngineServer, socket_path: Path) -> None:
    manager.replies["/tasks"] = Reply(body=body)
    found = Engine(parse_address(f"unix://{socket_path}", {})).task_addresses()
    assert not any(found.values())


def test_a_task_may_have_addresses_in_several_networks(manager: EngineServer, socket_path: Path) -> None:
    attachments = b'[{"Addresses":["10.0.1.5/24","fd00::5/64"]},{"Addresses":["10.0.2.9/24"]}]'
    body = b'[{"ServiceID":"a","NetworksAttachments":%s}]' % attachments
    manager.replies["/tasks"] = Reply(body=body)
    engine = Engine(parse_address(f"unix://{socket_path}", {}))
    assert engine.task_addresses() == {"a": ["10.0.1.5", "fd00::5", "10.0.2.9"]}


@pytest.mark.parametrize(
    "reply", [Reply(body=b"{}"), Reply(body=b"[1]"), Reply(503, b'{"message":"no leader"}')]
)
def test_an_answer_that_is_none_is_an_error_of_the_engine(
    reply: Reply, manager: EngineServer, socket_path: Path
) -> None:
    manager.replies["/tasks"] = reply
    with pytest.raises(EngineError):
        Engine(parse_address(f"unix://{socket_path}", {})).task_addresses()


def exporter_of(socket_path: Path, log: Path) -> Exporter:
    log.write_bytes(capture("swarm-v3.jsonl.gz"))
    return Exporter(Options(log=(str(log),), learn_engine=f"unix://{socket_path}"))


def test_an_exporter_names_services_and_hosts_as_the_swarm_does(
    manager: EngineServer, socket_path: Path, tmp_path: Path
) -> None:
    exporter = exporter_of(socket_path, tmp_path / "access.json")
    exporter.learner.first()
    exporter.learn()
    exporter.read_all()
    page = exporter.show().body(PLAIN).decode()
    requests: Counter[tuple[str, str]] = Counter()
    for (host, service, _), classes in exporter.counts.requests.items():
        requests[host, service] += sum(classes)
    # Two stacks share Traefik's name `dupsvc`: only the tasks' addresses tell them apart.
    for pair in (
        ("shop.example.org", "shop_web"),
        ("dupa.example.org", "dupa_web"),
        ("dupb.example.org", "dupb_web"),
    ):
        assert requests[pair] == 50, pair
    assert 'traefik_rate_service_collision{name="dupsvc"} 1\n' in page
    assert 'traefik_rate_learn_up{from="engine"} 1\n' in page


def test_without_an_answer_names_are_traefiks_and_that_is_said(
    manager: EngineServer, socket_path: Path, tmp_path: Path
) -> None:
    manager.replies.clear()
    exporter = exporter_of(socket_path, tmp_path / "access.json")
    exporter.learner.first()
    exporter.learn()
    exporter.read_all()
    page = exporter.show().body(PLAIN).decode()
    assert 'traefik_rate_learn_up{from="engine"} 0\n' in page
    assert {service for _, service in exporter.counts.rows} >= {"dupsvc", "shopsvc"}


# A site that was deployed a moment ago


def _new_site(socket_path: Path, manager: EngineServer, log: Path) -> Exporter:
    """Return an exporter that has learnt, with a request to a site that the engine tells of since then."""
    exporter = exporter_of(socket_path, log)
    exporter.learner.first()
    exporter.learn()
    exporter.read_all()
    labels = {"traefik.http.routers.n.rule": "Host(`new.example.org`)",
              "traefik.http.services.new.loadbalancer.server.port": "80"}  # fmt: skip
    services = json.loads(capture("engine-services.json.gz"))
    services.append(
        {**services[0], "ID": "new", "Spec": {**services[0]["Spec"], "Name": "new_web", "Labels": labels}}
    )
    manager.replies["/services"] = Reply(body=json.dumps(services).encode())
    with log.open("ab") as file:
        file.write(line(RequestHost="new.example.org", ServiceName="new@swarm", RouterName="n@swarm"))
    exporter.read()
    return exporter


def test_a_new_sites_first_request_waits_for_its_name(
    manager: EngineServer, socket_path: Path, tmp_path: Path
) -> None:
    exporter = _new_site(socket_path, manager, tmp_path / "access.json")
    turns = 0
    while exporter.is_asking():
        turns += 1
        time.sleep(0.02)
        exporter.learn()
    exporter.show()
    assert 0 < turns < 150
    assert ("new.example.org", "new_web") in exporter.counts.rows
    assert not any(host == "other" and "new" in service for host, service in exporter.counts.rows)


def test_a_silent_engine_does_not_hold_the_page_back(
    manager: EngineServer, socket_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.traefik.learn._PATIENCE_SECONDS", 0.2)
    exporter = _new_site(socket_path, manager, tmp_path / "access.json")
    manager.replies["/services"] = Reply(body=b"[]", delay=2)
    began = time.monotonic()
    while exporter.is_asking():
        time.sleep(0.02)
    assert time.monotonic() - began < 1
    exporter.show()
    assert ("other", "new") in exporter.counts.rows
    asked = manager.asked["/services"]
    for _ in range(20):  # nor does it ask at every look
        exporter.is_asking()
    assert manager.asked["/services"] == asked
