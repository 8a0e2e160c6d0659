"""The caches of three real nodes: what one takes all have, and a death loses nothing."""

import json
import secrets
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from demo import parts
from demo.images import ROOT
from lab import Lab
from tests.lab.photos_site import Site, photos_site

_PATIENCE_SECONDS = 5
_CLIENT = """
import http.client, json, sys, time
for line in sys.stdin:
    method, address, path, headers, body = json.loads(line)
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=15)
    started = time.monotonic()
    connection.request(method, path, bytes.fromhex(body) or None, headers)
    answer = connection.getresponse()
    said = answer.read().hex()
    print(json.dumps([answer.status, dict(answer.getheaders()), said, time.monotonic() - started]))
"""


class Answer:
    def __init__(self, line: str) -> None:
        self.status, self.headers, said, self.seconds = json.loads(line)
        self.body = bytes.fromhex(said)


class Client:
    """Somebody on the app's network, who can ask the tasks of each node."""

    def __init__(self, lab: Lab, network: str) -> None:
        self._lab = lab
        image = lab.load_base("python")
        lab.docker("run", "-d", "--name", "client", "--network", network, image, "sleep", "600")
        self._network = network

    def addresses(self, service: str, count: int) -> dict[str, str]:
        """Return node -> address of the service's running task there."""
        end = time.monotonic() + 30
        while True:
            found = dict(self._addresses(service))
            if len(found) == count:
                return found
            if time.monotonic() > end:
                why = self._lab.docker("service", "logs", "--tail", "5", service)
                pytest.fail(self._lab.docker("service", "ps", "--no-trunc", service) + why)
            time.sleep(0.3)

    def _addresses(self, service: str) -> Iterator[tuple[str, str]]:
        rows = self._lab.node("n1").docker_json("service", "ps", "--filter", "desired-state=running", service)
        for row in rows:
            if not row["CurrentState"].startswith("Running"):
                continue
            [task] = json.loads(self._lab.docker("inspect", row["ID"]))
            for attached in task["NetworksAttachments"]:
                if attached["Network"]["Spec"]["Name"] == self._network:
                    yield row["Node"], attached["Addresses"][0].partition("/")[0]

    def ask(self, *requests: tuple[str, str, str, dict[str, str], bytes]) -> list[Answer]:
        """Ask one after the other: method, address, path, headers, body."""
        lines = "".join(
            json.dumps([method, address, path, headers, body.hex()]) + "\n"
            for method, address, path, headers, body in requests
        )
        said = self._lab.node("n1").docker(
            "exec", "-i", "client", "python3", "-c", _CLIENT, stdin=lines.encode()
        )
        return [Answer(line) for line in said.splitlines()]

    def get(self, path: str, *addresses: str) -> list[Answer]:
        return self.ask(*(("GET", address, path, {"Host": "photos"}, b"") for address in addresses))


def picture() -> bytes:
    """Return a small PNG that is like no other."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + secrets.token_bytes(3))
    end = chunk(b"tEXt", b"Comment\0" + secrets.token_bytes(6000).hex().encode()) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + end


class Photos:
    """A person who is logged in at the moved app."""

    def __init__(self, client: Client, replicas: dict[str, str]) -> None:
        self.client = client
        self.at = {node: f"{address}:8080" for node, address in replicas.items()}
        form = {"Host": "photos", "Content-Type": "application/x-www-form-urlencoded"}
        [answer] = client.ask(("POST", self.at["n1"], "/login.php", form, b"name=zoe&password=photos"))
        assert answer.status == 302, answer.body
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def upload(self, node: str, content: bytes) -> str:
        """Upload a picture through one node's replica; return its path once that is acknowledged."""
        field = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
        form = field + content + b"\r\n--x--\r\n"
        headers = {
            "Host": "photos", "Cookie": self.cookie, "Content-Type": "multipart/form-data; boundary=x"
        }  # fmt: skip
        [answer] = self.client.ask(("POST", self.at[node], "/upload.php", headers, form))
        assert answer.status == 302, answer.body
        location: str = answer.headers["Location"]
        return location.removeprefix("/?new=")

    def until(self, path: str, status: int, content: bytes, *nodes: str) -> None:
        """Wait until these nodes answer so, each, and hold them to it."""
        end = time.monotonic() + _PATIENCE_SECONDS
        addresses = [self.at[node] for node in nodes]

        def said() -> list[tuple[int, bool]]:
            answers = self.client.get(path, *addresses)
            return [(one.status, status != 200 or one.body == content) for one in answers]

        wanted = [(status, True)] * len(nodes)
        while (now := said()) != wanted:
            assert time.monotonic() < end, f"{path} after {_PATIENCE_SECONDS} s: {now}"
        assert said() == wanted


@pytest.fixture
def site(migrate_image: str, lab: Lab) -> Iterator[Site]:
    with photos_site(lab, migrate_image) as one:
        yield one


def in_replica(lab: Lab, node: str, code: str) -> None:
    """Run PHP as the app would, in its replica on this node."""
    [container] = lab.node(node).docker("ps", "-q", "--filter", "name=photos_web").split()
    lab.node(node).docker("exec", container, "php", "-r", code)


def test_photos_on_three_nodes(site: Site) -> None:
    lab = site.lab
    site.app()
    client = Client(lab, parts.EDGE)
    photos = Photos(client, client.addresses("photos_web", 3))
    everywhere = list(photos.at.values())

    content = picture()
    path = photos.upload("n2", content)
    seen = client.get(path, *everywhere)
    assert [(one.status, one.body == content) for one in seen] == [(200, True)] * 3, "at once, on every node"

    newer = picture()
    name = path.removeprefix("/uploads/")
    place = f"/srv/app/uploads/{name}"
    in_replica(
        lab,
        "n3",
        f"file_put_contents('{place}.t', hex2bin('{newer.hex()}')); rename('{place}.t', '{place}');",
    )
    photos.until(path, 200, newer, "n1", "n2", "n3")

    in_replica(lab, "n1", f"unlink('{place}');")
    photos.until(path, 404, b"", "n1", "n2", "n3")

    # The cloud is away: what is here is served, what is not is refused at once.
    kept = picture()
    path = photos.upload("n1", kept)
    assert client.get(path, photos.at["n1"])[0].status == 200
    site.s3.stop()
    cold, here = client.get("/uploads/none.png", photos.at["n2"])[0], client.get(path, photos.at["n1"])[0]
    assert (here.status, here.body == kept) == (200, True)
    assert (cold.status, "Retry-After" in cold.headers) == (503, True)
    assert cold.seconds < 3, "refused, but slowly"
    peers = client.get(path, photos.at["n2"], photos.at["n3"])
    assert [(one.status, one.body == kept) for one in peers] == [(200, True)] * 2, "from the peer that has it"
    site.s3.start()

    last = picture()
    end = time.monotonic() + 40  # the breaker looks again after a while
    while client.get("/uploads/none.png", photos.at["n3"])[0].status != 404:
        assert time.monotonic() < end, "the cache does not find the cloud again"
        time.sleep(0.5)
    path = photos.upload("n3", last)
    lab.node("n3").kill()
    seen = client.get(path, photos.at["n1"], photos.at["n2"])
    assert [(one.status, one.body == last) for one in seen] == [(200, True)] * 2, "acknowledged, and lost"


def test_the_stack_for_files_alone(site: Site) -> None:
    lab = site.lab
    parts.make_network(lab, parts.MONITORING)
    for name, value in (("remote_key_id", site.s3.access_key), ("remote_key", site.s3.secret_key)):
        lab.docker("secret", "create", name, "-", stdin=value.encode())
    stack: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / "cache.yml").read_text())
    del stack["services"]["nginx"]["healthcheck"]  # the lab's image has no nc
    stack["services"]["cache"]["healthcheck"]["interval"] = "1s"  # so that the test need not wait
    stack["configs"]["nginx_conf"]["file"] = str(ROOT / "stacks" / "cache-nginx.conf")
    file = site.folder / "cache.yml"
    file.write_text(yaml.safe_dump(stack))
    content = secrets.token_bytes(300_000)
    (site.folder / "s3" / site.s3.bucket / "pictures").mkdir()
    (site.folder / "s3" / site.s3.bucket / "pictures" / "a.bin").write_bytes(content)
    variables = {
        "MIGRATE_IMAGE": site.migrate_image,
        "NGINX_IMAGE": lab.load_base("php"),
        "REMOTE": f"s3://{site.s3.bucket}",
        "REMOTE_ENDPOINT": site.s3.endpoint,
        "FILES_HOST": "files.example.com",
    }
    parts.deploy_stack(lab, "cache", file, variables=variables)
    client = Client(lab, parts.EDGE)
    nginx = [f"{address}:8080" for address in client.addresses("cache_nginx", 3).values()]
    caches = [f"{address}:9325" for address in client.addresses("cache_cache", 3).values()]
    for asked in ("pulled", "from the folder"):
        seen = client.get("/pictures/a.bin", *nginx)
        assert [(one.status, one.body == content) for one in seen] == [(200, True)] * 3, asked
    time.sleep(2.5)  # nginx writes its log every second, the cache reads it every second
    pages = [one.body.decode() for one in client.get("/metrics", *caches)]
    numbers = [
        {line.split()[0]: float(line.split()[1]) for line in page.splitlines() if line[:1] != "#"}
        for page in pages
    ]
    assert all(one['swarmstead_cache_requests_total{result="nginx"}'] >= 1 for one in numbers), numbers[0]
    assert sum(one["swarmstead_cache_peer_gets_total"] for one in numbers) >= 1, "no node asked another"
