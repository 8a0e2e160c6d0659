"""The whole exporter against an engine that serves captured answers, and then misbehaves."""

import http.client
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from exporters.engine import Address
from exporters.exposition import Form, Page, Server
from exporters.swarm import Exporter, Options, Pace
from swarmstead.stop import Stop
from tests.integration.engine.engine_server import EngineServer, Reply, engine_at
from tests.unit.swarm.scenarios import scenario

LISTS = ("/nodes", "/services", "/tasks")
NO_LEADER = Reply(
    500, b'{"message":"rpc error: code = Unknown desc = The swarm does not have a leader. It\'s possible"}'
)
WORKER = Reply(503, b'{"message":"This node is not a swarm manager. Worker nodes can\'t be used to view."}')
FORBIDDEN = Reply(
    403, b"<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>"
)


def _replies(name: str, by: str = "") -> dict[str, Reply]:
    """Return a scenario's answers as replies; containers come as the exporter asks for them: running ones."""
    answers = scenario(name).answers
    replies = {
        f"/{each}": Reply(*answers[by + each][:1], answers[by + each][1].encode())
        for each in ("nodes", "services", "tasks", "info")
    }
    containers = [
        each for each in msgspec.json.decode(answers["containers"][1]) if each["State"] == "running"
    ]
    replies["/containers/json"] = Reply(body=msgspec.json.encode(containers))
    replies["/events"] = Reply(stream=True)
    return replies


class _Watched:
    """An exporter on a test engine, and its page."""

    def __init__(self, server: EngineServer, path: Path, role: str = "auto") -> None:
        self.engine = server
        self.pages: list[Page] = [Page()]
        options = Options(Address(path=str(path)), "0", role=role, pace=Pace(0.1, 1), disk_interval=0)
        self.exporter = Exporter(options, self._publish, lambda: 0)
        self.stop = Stop()

    def _publish(self, page: Page) -> None:
        self.pages.append(page)
        del self.pages[:-50]

    def start(self) -> "_Watched":
        self.exporter.start(self.stop)
        return self

    @property
    def text(self) -> str:
        return self.pages[-1].body(Form(openmetrics=False, gzip=False)).decode()

    def value(self, series: str) -> float | None:
        """Return the value of the one series that begins so, or None."""
        self.exporter.board.compose()
        found = re.findall(rf"(?m)^{re.escape(series)}\S* (\S+)$", self.text)
        return float(found[0]) if found else None

    def until(self, series: str, value: float | None, seconds: float = 6) -> None:
        end = time.monotonic() + seconds
        while self.value(series) != value:
            assert time.monotonic() < end, f"{series} is {self.value(series)}, not {value}"
            time.sleep(0.02)

    def until_at_least(self, series: str, value: float, seconds: float = 6) -> None:
        end = time.monotonic() + seconds
        while (self.value(series) or 0) < value:
            assert time.monotonic() < end, f"{series} is {self.value(series)}, less than {value}"
            time.sleep(0.02)

    def cluster_series(self) -> list[str]:
        return re.findall(r"(?m)^(swarm_(?:node|service|cluster)_\w+)", self.text)


@pytest.fixture
def path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sw"))
    yield folder / "docker.sock"
    shutil.rmtree(folder)


@pytest.fixture
def watch(path: Path) -> Iterator[Callable[..., _Watched]]:
    """Give a way to watch a scenario; all that was started is stopped."""
    started: list[_Watched] = []
    servers = []

    def begin(name: str = "29/managers-idle", role: str = "auto", **replies: Reply) -> _Watched:
        context = engine_at(path)
        server = context.__enter__()
        servers.append(context)
        server.replies |= _replies(name) | {
            f"/{key.replace('__', '/')}": reply for key, reply in replies.items()
        }
        watched = _Watched(server, path, role).start()
        started.append(watched)
        return watched

    yield begin
    for watched in started:
        watched.stop.request()
        watched.exporter.cluster.hint()
    for context in servers:
        context.__exit__(None, None, None)


def test_the_leader_answers_for_the_cluster(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    assert it.value("swarm_cluster_quorum") == 1
    assert it.value("swarm_cluster_quorum_margin") == 1
    assert it.value('swarm_service_running_replicas{service="rep6"') == 6
    it.until(
        'swarm_engine_service_containers{node_id="m959o3c1n70zvx6237yulzq73",hostname="n1",service="rep6",stack="",health="none"',
        2,
    )
    assert it.value("swarm_engine_up") == 1
    assert it.exporter.health().good


def test_another_manager_answers_for_its_engine_alone(watch: Callable[..., _Watched]) -> None:
    it = watch(info=Reply(body=scenario("29/leader-killed-60s").answers["n3-info"][1].encode()))
    it.until('swarm_exporter_data_timestamp_seconds{part="cluster"', None, 0.1)
    it.until("swarm_engine_manager", 1)
    time.sleep(0.3)
    assert it.value("swarm_exporter_cluster_source") == 0
    assert it.cluster_series() == []
    assert it.engine.asked["/tasks"] == 0, "who does not lead does not ask for tasks"


def test_leadership_comes_and_goes_within_a_poll_and_counters_start_anew(
    watch: Callable[..., _Watched],
) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    nodes = it.engine.replies["/nodes"]
    other = nodes.body.replace(b'"Leader":true,', b"")
    it.engine.replies["/nodes"] = Reply(body=other)
    it.until("swarm_exporter_cluster_source", 0, 1)
    assert it.cluster_series() == []
    it.engine.replies["/nodes"] = nodes
    it.until("swarm_exporter_cluster_source", 1, 1)
    assert (
        it.value(
            'swarm_service_failures_total{service="crash",stack="",mode="replicated",class="exit_nonzero"'
        )
        == 0
    )


def test_a_leader_that_is_cut_off_from_the_majority_takes_all_back(watch: Callable[..., _Watched]) -> None:
    nodes = scenario("29/managers-idle").answers["nodes"][1]
    it = watch()
    it.until("swarm_cluster_quorum", 1)
    alone = re.sub(r'("Reachability":\s*)"reachable"', r'\1"unreachable"', nodes)
    alone = re.sub(r'("Leader":\s*true,\s*"Reachability":\s*)"unreachable"', r'\1"reachable"', alone)
    assert alone.count('"unreachable"') == 2
    it.engine.replies["/nodes"] = Reply(body=alone.encode())
    it.until("swarm_cluster_quorum", 0)
    assert it.cluster_series() == ["swarm_cluster_quorum"]
    assert it.value("swarm_exporter_cluster_source") == 0
    it.engine.replies["/nodes"] = Reply(body=nodes.encode())
    it.until("swarm_cluster_quorum", 1)


def test_without_a_leader_nothing_is_said_but_that(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    for each in LISTS:
        it.engine.replies[each] = NO_LEADER
    it.until("swarm_cluster_quorum", 0, 1)
    assert it.cluster_series() == ["swarm_cluster_quorum"]
    assert it.value("swarm_engine_up") == 1
    assert 'health="none"' in it.text, "the second witness stays"
    assert it.value('swarm_exporter_poll_errors_total{part="cluster",class="no_leader"') is not None
    for each, reply in _replies("29/managers-idle").items():
        it.engine.replies[each] = reply
    it.until("swarm_cluster_quorum", 1, 1)


def test_an_election_hangs_calls_while_the_engine_answers(watch: Callable[..., _Watched]) -> None:
    """Calls that began before it never return; one that begins after it is answered at once."""
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    it.engine.replies["/nodes"] = Reply(delay=20)
    it.until("swarm_cluster_quorum", 0, 6)
    assert it.cluster_series() == ["swarm_cluster_quorum"]
    assert it.value("swarm_engine_up") == 1
    it.engine.replies["/nodes"] = _replies("29/managers-idle")["/nodes"]
    it.until("swarm_cluster_quorum", 1, 4)


def test_a_hung_engine_takes_all_back_and_claims_no_loss_of_quorum(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    for each in list(it.engine.replies):
        it.engine.replies[each] = Reply(delay=20)
    it.until("swarm_engine_up", 0, 9)
    it.until("swarm_exporter_cluster_source", 0, 5)
    it.until("swarm_cluster_quorum", None, 1)
    assert it.cluster_series() == []
    assert "swarm_engine_service_containers{" not in it.text
    assert it.value('swarm_exporter_poll_errors_total{part="engine",class="timeout"') is not None


@pytest.mark.parametrize(
    "bad", [Reply(body=b"{}"), Reply(body=b"[1"), Reply(404, b""), Reply(body=b"[", keep=0)]
)
def test_one_bad_answer_changes_nothing_and_many_take_it_back(
    watch: Callable[..., _Watched], bad: Reply
) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    it.engine.replies["/tasks"] = bad
    time.sleep(0.4)
    assert it.value('swarm_service_running_replicas{service="rep6"') == 6
    it.exporter.cluster._read_at -= 20  # as if it had been so for 20 s
    it.until("swarm_exporter_cluster_source", 0, 3)
    it.engine.replies["/tasks"] = _replies("29/managers-idle")["/tasks"]
    it.until("swarm_exporter_cluster_source", 1, 3)


def test_trouble_is_logged_once(watch: Callable[..., _Watched], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    it.engine.replies["/tasks"] = Reply(404, b'{"message":"page not found"}')
    it.until_at_least('swarm_exporter_poll_errors_total{part="cluster",class="http_404"', 3)
    end = time.monotonic() + 5
    it.engine.replies["/tasks"] = _replies("29/managers-idle")["/tasks"]
    while "answers again" not in caplog.text:
        assert time.monotonic() < end
        time.sleep(0.02)
    told = [record.getMessage() for record in caplog.records if "cluster" in record.getMessage()]
    assert told == ["cluster: GET /v1.41/tasks: answered 404: page not found", "cluster: answers again"]


def test_a_worker_is_no_manager_and_no_trouble(watch: Callable[..., _Watched]) -> None:
    info = Reply(body=scenario("29/idle").answers["worker-info"][1].encode())
    it = watch("29/idle", nodes=WORKER, services=WORKER, tasks=WORKER, info=info)
    it.until("swarm_engine_manager", 0)
    assert it.value("swarm_exporter_cluster_source") == 0
    assert "poll_errors_total{" not in it.text
    assert it.cluster_series() == []


def test_a_proxy_without_containers_costs_the_witness_only(watch: Callable[..., _Watched]) -> None:
    it = watch(containers__json=FORBIDDEN)
    it.until("swarm_exporter_cluster_source", 1)
    it.until("swarm_engine_witness_up", 0)
    assert "swarm_engine_service_containers{" not in it.text
    it.until_at_least('swarm_exporter_poll_errors_total{part="containers",class="http_403"', 1)
    it.until("swarm_engine_up", 1)
    it.until("swarm_exporter_event_stream_up", 1)
    time.sleep(0.5)
    assert it.engine.asked["/containers/json"] <= 2, "it is not asked on and on"


def test_a_proxy_without_events_costs_time_only(watch: Callable[..., _Watched]) -> None:
    it = watch(events=FORBIDDEN)
    it.until("swarm_exporter_cluster_source", 1)
    it.until("swarm_exporter_event_stream_up", 0)
    it.until("swarm_engine_witness_up", 1)


def test_a_proxy_without_info_can_be_told_to_answer(watch: Callable[..., _Watched]) -> None:
    it = watch(info=FORBIDDEN, role="always")
    it.until("swarm_exporter_cluster_source", 1)
    assert it.value('swarm_service_running_replicas{service="rep6"') == 6


def test_a_proxy_that_allows_nothing_is_told_apart_from_a_dead_engine(watch: Callable[..., _Watched]) -> None:
    it = watch(
        nodes=FORBIDDEN, services=FORBIDDEN, tasks=FORBIDDEN, info=FORBIDDEN, containers__json=FORBIDDEN
    )
    it.until('swarm_exporter_poll_errors_total{part="cluster",class="http_403"', 1)
    it.until("swarm_engine_up", 1)
    assert it.value("swarm_exporter_cluster_source") == 0


def _event(action: str, identity: str) -> bytes:
    labels = {"com.docker.swarm.service.name": "rep6", "com.docker.swarm.task.id": "t"}
    return msgspec.json.encode(
        {"Type": "container", "Action": action, "Actor": {"ID": identity, "Attributes": labels}}
    )


def test_events_keep_the_witness_without_a_new_list(watch: Callable[..., _Watched]) -> None:
    it = watch()
    node = 'node_id="m959o3c1n70zvx6237yulzq73",hostname="n1"'
    series = f'swarm_engine_service_containers{{{node},service="rep6",stack="",health="none"'
    it.until(series, 2)
    it.until("swarm_exporter_event_stream_up", 1)
    time.sleep(0.5)
    lists = it.engine.asked["/containers/json"]
    containers = msgspec.json.decode(it.engine.replies["/containers/json"].body)
    (first, *_) = (
        each["Id"] for each in containers if each["Labels"]["com.docker.swarm.service.name"] == "rep6"
    )
    it.engine.tell(_event("die", first))
    it.until(series, 1, 1)
    assert it.engine.asked["/containers/json"] == lists
    it.engine.tell(_event("start", first))
    it.until(series, 2, 1)
    assert "%22id%22" in [path for path in it.engine.paths if "/containers" in path][-1], (
        "asked for this one only"
    )


def test_events_hasten_a_poll(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_event_stream_up", 1)
    it.exporter.cluster._pace = Pace(30, 1)
    time.sleep(0.5)
    asked = it.engine.asked["/tasks"]
    began = time.monotonic()
    it.engine.tell(b'{"Type":"service","Action":"update","Actor":{"ID":"x"}}')
    while it.engine.asked["/tasks"] == asked:
        assert time.monotonic() - began < 1.5
        time.sleep(0.01)


def test_a_dropped_stream_is_opened_again_and_the_list_taken_anew(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_event_stream_up", 1)
    it.until("swarm_engine_witness_up", 1)
    lists = it.engine.asked["/containers/json"]
    it.engine.drop_streams()
    it.until("swarm_exporter_event_reconnects_total", 1, 3)
    it.until("swarm_exporter_event_stream_up", 1, 3)
    end = time.monotonic() + 3
    while it.engine.asked["/containers/json"] < lists + 1:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_deaf_stream_is_found_out_by_the_next_list(
    watch: Callable[..., _Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.swarm.watch_engine._SETTLE_SECONDS", 0.2)
    it = watch()
    it.until("swarm_exporter_event_stream_up", 1)
    it.until("swarm_engine_witness_up", 1)
    end = time.monotonic() + 10
    kept = it.exporter.containers
    while not (kept._streaming and kept._list_at > time.monotonic() + 30):  # it has settled
        assert time.monotonic() < end
        time.sleep(0.05)
    it.engine.replies["/containers/json"] = Reply(body=b"[]")
    it.exporter.containers._list_at = 0
    while not it.value("swarm_exporter_events_missed_total"):
        assert time.monotonic() < end
        time.sleep(0.02)
    it.until("swarm_exporter_event_reconnects_total", 1, 3)
    assert "swarm_engine_service_containers{" not in it.text


def test_an_engine_that_dies_and_comes_back(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    alive = dict(it.engine.replies)
    for each in alive:
        it.engine.replies[each] = Reply(raw=b"")
    it.engine.drop_all()
    it.until("swarm_engine_up", 0, 6)
    it.until("swarm_engine_witness_up", 0, 3)
    it.exporter.cluster._read_at -= 20
    it.until("swarm_exporter_cluster_source", 0, 4)
    it.engine.replies |= alive
    it.until("swarm_exporter_event_stream_up", 1, 3)  # not after the pause that had grown meanwhile
    it.until("swarm_exporter_cluster_source", 1, 6)
    it.until("swarm_engine_witness_up", 1, 6)
    assert it.value("swarm_engine_up") == 1


def test_an_unchanged_cluster_is_neither_decoded_nor_rendered(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    time.sleep(0.4)
    sections = it.pages[-1].sections[:3]
    skipped = it.value("swarm_exporter_answers_unchanged_total") or 0
    time.sleep(0.6)
    assert (it.value("swarm_exporter_answers_unchanged_total") or 0) >= skipped + 6
    assert all(a is b for a, b in zip(sections, it.pages[-1].sections[:3], strict=True))


def test_services_are_asked_for_when_an_event_or_a_task_says_so(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    it.until("swarm_exporter_event_stream_up", 1)
    time.sleep(0.4)
    asked = it.engine.asked

    def grown(seconds: float) -> tuple[int, int]:
        before = asked["/services"], asked["/tasks"]
        time.sleep(seconds)
        return asked["/services"] - before[0], asked["/tasks"] - before[1]

    services, tasks = grown(1)
    assert services <= 1, "while the stream tells of nothing, tasks alone are polled"
    assert tasks >= 4
    body = it.engine.replies["/services"].body
    it.engine.replies["/services"] = Reply(body=body.replace(b'"Name":"rep6"', b'"Name":"six"'))
    it.engine.tell(b'{"Type":"service","Action":"update","Actor":{"ID":"x"},"timeNano":1}')
    it.until('swarm_service_running_replicas{service="six"', 6, 2)
    it.engine.replies["/services"] = Reply(body=body)
    it.engine.replies["/tasks"] = Reply(body=b" " + it.engine.replies["/tasks"].body)
    it.until('swarm_service_running_replicas{service="rep6"', 6, 2)
    it.engine.replies["/events"] = FORBIDDEN
    it.engine.drop_streams()
    it.until("swarm_exporter_event_stream_up", 0)
    services, tasks = grown(1)
    assert services >= tasks - 1 >= 4, "without a stream all is polled"


def test_a_dead_engine_is_noticed_by_its_stream(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_event_stream_up", 1)
    time.sleep(0.3)
    it.engine.stop()
    it.until("swarm_exporter_cluster_source", 0, 1)
    it.until("swarm_engine_up", 0, 4)


def test_scrapes_go_on_while_everything_hangs(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_exporter_cluster_source", 1)
    server = Server("127.0.0.1", 0, it.exporter.health)
    server.publish(it.pages[-1])
    server.start()
    try:
        for each in list(it.engine.replies):
            it.engine.replies[each] = Reply(delay=20)
        began = time.monotonic()
        for _ in range(20):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)
            connection.request("GET", "/metrics")
            assert connection.getresponse().status == 200
            connection.close()
        assert time.monotonic() - began < 2
    finally:
        server.stop()


def test_health_is_judged_when_asked(watch: Callable[..., _Watched]) -> None:
    it = watch()
    it.until("swarm_engine_up", 1)
    for each in list(it.engine.replies):
        it.engine.replies[each] = Reply(delay=20)
    it.exporter.board.last_answer = time.time() - 61
    health = it.exporter.health()
    assert not health.good
    assert "the engine has not answered for 6" in health.words
