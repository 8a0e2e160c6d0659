"""The server over real sockets: what it serves, and whom it does not let spoil it for the others."""

import gzip
import http.client
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import bcrypt
import pytest

from exporters.exposition import Family, Health, Metric, Page, Section, Server, WebConfig, load_web_config
from swarmstead.errors import Refused

HOST = "127.0.0.1"
METRIC = Metric("x_bytes", "Help.", labels=("name",), unit="bytes")


def _page(samples: int = 2) -> Page:
    family = Family(METRIC)
    for number in range(samples):
        family.add((f"n{number}",), number)
    return Page([Section([family])])


class _Running:
    def __init__(self, web: WebConfig | None = None) -> None:
        self.health = Health(good=True, words="ok")
        self.server = Server(HOST, 0, lambda: self.health, web)
        self.server.publish(_page())
        self.server.start()

    def get(
        self, path: str = "/metrics", headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection(HOST, self.server.port, timeout=5)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        with socket.create_connection((HOST, self.server.port), 5) as connection:
            found = b""
            with suppress(OSError):  # it may have been closed on us already
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(65536):
                    found += more
            return found


@pytest.fixture
def running() -> Iterator[_Running]:
    it = _Running()
    yield it
    it.server.stop()


def test_text_openmetrics_and_gzip(running: _Running) -> None:
    status, body, headers = running.get()
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert body.splitlines()[-1] == b'x_bytes{name="n1"} 1'
    wish = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
    status, body, headers = running.get(headers=wish)
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert gzip.decompress(body).endswith(b"# EOF\n")
    assert running.server.scrapes == 2


def test_paths_and_methods(running: _Running) -> None:
    assert running.get("/healthz")[:2] == (200, b"ok\n")
    running.health = Health(good=False, words="the engine has not answered for 61 s")
    assert running.get("/healthz")[:2] == (503, b"the engine has not answered for 61 s\n")
    assert b"/metrics" in running.get("/")[1]
    assert running.get("/etc/passwd")[0] == 404
    assert running.get(method="POST")[0] == 405
    status, body, headers = running.get(method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


def test_several_requests_on_one_connection_also_sent_together(running: _Running) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    found = running.raw(one * 3)
    assert found.count(b"HTTP/1.1 200 OK") == 3
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert running.raw(last + one).count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n\r\n", b"400"),
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000, b"431"),
        (b"GET /metrics HTTP/1.1\r\n", b""),  # left before its end
    ],
)
def test_a_broken_request_gets_its_status_and_the_next_client_its_page(
    running: _Running, data: bytes, status: bytes
) -> None:
    assert running.raw(data).split(b" ")[1:2] == ([status] if status else [])
    assert running.get()[0] == 200


def test_slow_and_silent_clients_delay_nobody(running: _Running) -> None:
    """Two hundred clients that ask for a large page and do not read, and two hundred that never ask."""
    running.server.publish(_page(40_000))
    idle = [socket.create_connection((HOST, running.server.port)) for _ in range(400)]
    for each in idle[:200]:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert running.get("/healthz")[0] == 200
        took.append(time.monotonic() - began)
    began = time.monotonic()
    running.server.publish(_page(3))
    assert time.monotonic() - began < 0.5, "publishing waits for no client"
    assert sorted(took)[10] < 0.25
    for each in idle:
        each.close()
    assert running.get()[0] == 200


def test_a_page_is_never_mixed_from_two(running: _Running) -> None:
    """While pages change as fast as they can, every answer is one of them, whole."""
    stop = threading.Event()

    def publish() -> None:
        size = 0
        while not stop.is_set():
            size = size % 300 + 1
            running.server.publish(_page(size))

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    for _ in range(100):
        lines = running.get()[1].decode().splitlines()[2:]
        assert lines == [f'x_bytes{{name="n{number}"}} {number}' for number in range(len(lines))]
    stop.set()
    thread.join()


def test_stop_lets_an_answer_end(running: _Running) -> None:
    port = running.server.port
    running.server.publish(_page(200_000))
    with socket.create_connection((HOST, running.server.port)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        threading.Thread(target=running.server.stop, daemon=True).start()
        found = b""
        while more := slow.recv(65536):
            found += more
    assert found.endswith(b'x_bytes{name="n199999"} 199999\n')
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), 1)


def test_a_port_in_use_says_so(running: _Running) -> None:
    with pytest.raises(Refused, match="--listen"):
        Server(HOST, running.server.port, lambda: running.health)


def _auth(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    for name in ("server", "client"):
        names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        subprocess.run(
            [*command, "-keyout", f"{name}.key", "-out", f"{name}.crt", *names],
            cwd=path,
            check=True,
            capture_output=True,
        )
    return path


def _configured(folder: Path, text: str) -> _Running:
    (folder / "web.yml").write_text(text)
    return _Running(load_web_config(folder / "web.yml"))


def test_basic_auth(folder: Path) -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    running = _configured(folder, f"basic_auth_users:\n  prometheus: {hashed.replace('$2b$', '$2y$', 1)}\n")
    try:
        status, _, headers = running.get()
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="swarmstead"')
        assert running.get(headers=_auth("prometheus", "wrong"))[0] == 401
        assert running.get(headers=_auth("nobody", "right"))[0] == 401
        assert running.get(headers={"Authorization": "Basic ???"})[0] == 401
        assert running.get(headers={"Authorization": "Bearer x"})[0] == 401
        for _ in range(3):
            assert running.get(headers=_auth("prometheus", "right"))[0] == 200
        assert running.get("/healthz")[0] == 200, "the health check knows no password"
    finally:
        running.server.stop()


def test_checking_passwords_delays_nobody(folder: Path) -> None:
    """bcrypt at cost 12 takes a quarter of a second: those who guess wait, those who are known do not."""
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(12)).decode()
    running = _configured(folder, f"basic_auth_users: {{prometheus: {hashed}}}\n")
    try:
        assert running.get(headers=_auth("prometheus", "right"))[0] == 200
        guesses = [
            threading.Thread(
                target=running.get, kwargs={"headers": _auth("prometheus", f"guess{i}")}, daemon=True
            )
            for i in range(4)
        ]
        for each in guesses:
            each.start()
        time.sleep(0.05)
        assert running.get(headers=_auth("prometheus", "right"))[0] == 200
        assert guesses[-1].is_alive(), "the last guess waits for three others"
        for each in guesses:
            each.join()
    finally:
        running.server.stop()


def _tls_get(running: _Running, context: ssl.SSLContext) -> bytes:
    connection = http.client.HTTPSConnection(HOST, running.server.port, timeout=5, context=context)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_tls_with_client_certificates(folder: Path) -> None:
    running = _configured(
        folder,
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client.crt\n",
    )
    try:
        running.server.publish(_page(20_000))
        good = ssl.create_default_context(cafile=str(folder / "server.crt"))
        with pytest.raises(OSError, match=r"(?i)ssl|reset|closed"):
            _tls_get(running, good)
        good.load_cert_chain(folder / "client.crt", folder / "client.key")
        assert _tls_get(running, good).count(b"\n") == 20_002
        # somebody who speaks no TLS, and one who never ends the handshake
        assert not running.raw(b"GET /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
        with socket.create_connection((HOST, running.server.port)):
            assert _tls_get(running, good).count(b"\n") == 20_002
    finally:
        running.server.stop()
