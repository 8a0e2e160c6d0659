"""The client against engines that hang, lie, cut off and refuse: a typed error, in time, always."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporters.engine import Engine, EngineError, parse_address
from exporters.engine.records import Node
from exporters.engine.wire import Wire
from swarmstead.errors import UsageError
from tests.integration.engine.engine_server import EngineServer, Reply, engine_at
from tests.unit.swarm.scenarios import scenario

NODES = scenario("29/idle").answers["nodes"][1].encode()


@pytest.fixture
def engine(server: EngineServer, socket_path: Path) -> Engine:
    return Engine(parse_address(f"unix://{socket_path}", {}))


def _fails(engine: Engine, within: float, deadline: float = 0.5) -> EngineError:
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        engine.nodes(deadline)
    assert time.monotonic() - began < within
    return caught.value


def test_a_real_answer_and_the_same_again_is_not_decoded(server: EngineServer, engine: Engine) -> None:
    server.replies["/nodes"] = Reply(body=NODES, chunked=True)
    nodes, changed = engine.nodes()
    assert [type(node) for node in nodes] == [Node] * 3
    assert changed
    again, changed = engine.nodes()
    assert again is nodes
    assert not changed
    assert engine.nodes_answer.skipped == 1
    assert server.paths == ["/_ping", "/v1.41/nodes", "/v1.41/nodes"]


@pytest.mark.parametrize(
    ("theirs", "path"),
    [("1.55", "/v1.55/nodes"), ("1.60", "/v1.55/nodes"), ("1.44", "/v1.44/nodes"), ("1.40", "/v1.40/nodes")],
)
def test_the_version_is_negotiated(server: EngineServer, engine: Engine, theirs: str, path: str) -> None:
    server.replies |= {"/_ping": Reply(headers={"Api-Version": theirs}), "/nodes": Reply(body=b"[]")}
    engine.nodes()
    assert server.paths[-1] == path


def test_without_a_version_header_paths_have_none(server: EngineServer, engine: Engine) -> None:
    server.replies |= {"/_ping": Reply(), "/nodes": Reply(body=b"[]")}
    engine.nodes()
    assert server.paths[-1] == "/nodes"


def test_an_engine_that_is_too_old_says_what_to_do(server: EngineServer, engine: Engine) -> None:
    server.replies["/_ping"] = Reply(headers={"Api-Version": "1.39"})
    assert "19.03" in _fails(engine, 1).hint


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(delay=20), "timeout"),
        (Reply(body=NODES, drip=0.05), "timeout"),  # alive byte by byte, and too late as a whole
        (Reply(404, b'{"message":"page not found"}'), "http_404"),
        (Reply(403, b"<html><body><h1>403 Forbidden</h1></body></html>"), "http_403"),
        (Reply(503, b"<html>no server is available</html>"), "http_503"),
        (Reply(503, b'{"message":"This node is not a swarm manager. Worker nodes..."}'), "not_manager"),
        (Reply(500, b'{"message":"rpc error: The swarm does not have a leader."}'), "no_leader"),
        (
            Reply(500, b'{"message":"rpc error: code = DeadlineExceeded desc = context deadline exceeded"}'),
            "no_leader",
        ),
        (Reply(500, b'{"message":"something else"}'), "http_500"),
        (Reply(body=NODES, keep=100), "truncated"),
        (Reply(body=NODES, keep=100, chunked=True), "truncated"),
        (Reply(body=NODES[:-20]), "truncated"),
        (Reply(body=b'{"message":"an object"}'), "malformed"),
        (Reply(body=b'[{"ID":7}]'), "malformed"),
        (Reply(body=b"\xff\xfe\x00"), "malformed"),
        (Reply(body=b'[{"ID":"\xff"}]'), "malformed"),
        (Reply(body=b"[" * 100_000), "malformed"),
        (Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), "malformed"),
        (Reply(raw=b"\x00" * 100_000), "malformed"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "malformed"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500), "malformed"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n[]"), "too_large"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n"), "too_large"),
        (Reply(raw=b""), "truncated"),
    ],
)
def test_a_bad_answer_is_a_named_error_in_time(
    server: EngineServer, engine: Engine, reply: Reply, kind: str
) -> None:
    server.replies["/nodes"] = reply
    assert _fails(engine, 2).kind == kind
    # and the next, good one is taken
    server.replies["/nodes"] = Reply(body=NODES)
    assert len(engine.nodes(5)[0]) == 3


def test_an_endless_answer_is_not_taken_into_memory(server: EngineServer, engine: Engine) -> None:
    engine.wire = Wire(engine.address, most=10_000)
    server.replies["/nodes"] = Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 50_000)
    assert _fails(engine, 1).kind == "too_large"


def test_no_socket_tells_where_it_looked(socket_path: Path) -> None:
    error = _fails(Engine(parse_address(f"unix://{socket_path}", {})), 1)
    assert error.kind == "refused"
    assert str(socket_path) in str(error)
    assert "--engine" in error.hint


def test_an_engine_that_was_restarted_is_found_again(socket_path: Path) -> None:
    """Also with another API version than before."""
    engine = Engine(parse_address(f"unix://{socket_path}", {}))
    with engine_at(socket_path) as first:
        first.replies["/nodes"] = Reply(body=b"[]")
        engine.nodes()
    assert _fails(engine, 1).kind == "refused"
    with engine_at(socket_path) as second:
        second.replies |= {"/_ping": Reply(headers={"Api-Version": "1.44"}), "/nodes": Reply(body=b"[]")}
        engine.nodes()
        assert second.paths[-1] == "/v1.44/nodes"


def test_events_come_as_they_happen_and_rubbish_between_is_passed_over(
    server: EngineServer, engine: Engine
) -> None:
    server.replies["/events"] = Reply(stream=True)
    seen: list[str] = []
    stood = threading.Event()

    def follow() -> None:
        try:
            for event in engine.events(5):
                if event is None:
                    stood.set()
                else:
                    seen.append(event.action)
        except EngineError as error:
            seen.append(error.kind)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert stood.wait(2)
    server.tell(b'{"Type":"container","Action":"start","Actor":{"ID":"a"}}')
    server.tell(b"not json")
    server.tell(b'{"Type":"container","Action":"die","Actor":{"ID":"a"}}')
    _until(lambda: seen == ["start", "die"])
    server.drop_streams()
    thread.join(2)
    assert seen[-1] == "truncated"


def test_a_silent_stream_ends_with_a_timeout(server: EngineServer, engine: Engine) -> None:
    server.replies["/events"] = Reply(stream=True)
    with pytest.raises(EngineError) as caught:
        list(engine.events(0.3))
    assert caught.value.kind == "timeout"


def test_a_stream_that_a_proxy_forbids(server: EngineServer, engine: Engine) -> None:
    server.replies["/events"] = Reply(403, b"forbidden")
    with pytest.raises(EngineError) as caught:
        list(engine.events(1))
    assert caught.value.kind == "http_403"


def _until(true: Callable[[], bool], seconds: float = 3) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("given", "environment", "shown", "tls", "verify"),
    [
        (None, {}, "unix:///var/run/docker.sock", False, True),
        (None, {"DOCKER_HOST": "unix:///run/x.sock"}, "unix:///run/x.sock", False, True),
        ("tcp://10.0.0.1", {}, "tcp://10.0.0.1:2375", False, False),
        ("tcp://10.0.0.1", {"DOCKER_TLS_VERIFY": "1"}, "tcp://10.0.0.1:2376", True, True),
        ("tcp://h:99", {"DOCKER_CERT_PATH": "/certs"}, "tcp://h:99", True, False),
    ],
)
def test_addresses_are_the_docker_clis(
    given: str | None, environment: dict[str, str], shown: str, tls: bool, verify: bool
) -> None:
    address = parse_address(given, environment)
    assert (str(address), address.tls) == (shown, tls)
    assert not tls or address.verify == verify


@pytest.mark.parametrize("wrong", ["ssh://host", "docker.sock", "tcp://", "tcp://h:port", "unix://"])
def test_other_addresses_are_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        parse_address(wrong, {})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, a server's and a client's certificate, named as the docker CLI names them."""
    folder = tmp_path_factory.mktemp("certs")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *new, "-keyout", f"{name}-key.pem", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = (
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca-key.pem",
            "-CAcreateserial",
        )
        openssl(*signed, "-out", f"{name}.pem", "-days", "2", "-extfile", "names")
    (folder / "client.pem").rename(folder / "cert.pem")
    (folder / "client-key.pem").rename(folder / "key.pem")
    return folder


@pytest.fixture
def tls_server(certificates: Path) -> Iterator[tuple[EngineServer, int]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    server = EngineServer(listener, context)
    server.replies["/nodes"] = Reply(body=NODES)
    yield server, listener.getsockname()[1]
    server.stop()


def test_tls_with_client_certificates(tls_server: tuple[EngineServer, int], certificates: Path) -> None:
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    engine = Engine(parse_address(f"tcp://127.0.0.1:{tls_server[1]}", environment))
    assert len(engine.nodes()[0]) == 3


def test_tls_refuses_a_server_that_our_ca_did_not_sign(
    tls_server: tuple[EngineServer, int], certificates: Path, tmp_path: Path
) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_bytes((certificates / name).read_bytes())
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    engine = Engine(parse_address(f"tcp://127.0.0.1:{tls_server[1]}", environment))
    error = _fails(engine, 2)
    assert error.kind == "refused"
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
