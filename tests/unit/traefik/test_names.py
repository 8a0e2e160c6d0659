"""Names and hosts, as a real three-node Swarm behind Traefik 3.7.9 gave them."""

import gzip
import json
from collections import Counter

import pytest

from exporters.traefik.hosts import Hosts, normal_host
from exporters.traefik.learn import from_providers, from_routers, merged
from exporters.traefik.names import Directory, Labelled, Names, directory, normalize, rule_hosts
from tests.unit.traefik.kit import GOLDEN


def swarm() -> Directory:
    services = json.loads((GOLDEN / "swarm-services.json").read_text(encoding="utf-8"))
    return directory(Labelled(each["name"], each["labels"], tuple(each["addresses"])) for each in services)


def test_every_logged_name_leads_to_its_service() -> None:
    names = Names()
    names.directory = swarm()
    found: Counter[tuple[str, str]] = Counter()
    for line in gzip.decompress((GOLDEN / "swarm-v3.jsonl.gz").read_bytes()).splitlines():
        record = json.loads(line)
        if "ServiceName" in record:
            found[record["RequestHost"], names.service(record["ServiceName"], record["ServiceAddr"])] += 1
    assert found == {
        ("shop.example.org", "shop_web"): 50,
        ("blog.example.org", "blog_web"): 50,
        ("a.example.org", "two_web"): 50,
        ("b.example.org", "two_web"): 50,
        ("dnet.example.org", "dnet_web"): 50,
        ("defa-web", "defa_web"): 50,
        # Two stacks share the name dupsvc; only the task's address tells them apart.
        ("dupa.example.org", "dupa_web"): 50,
        ("dupb.example.org", "dupb_web"): 50,
    }
    assert "dupsvc" in names.directory.collisions
    assert names.by_address


def test_a_collision_without_an_address_is_neithers() -> None:
    names = Names()
    names.directory = swarm()
    assert names.service("dupsvc@swarm", "198.51.100.1:80") == "dupsvc@swarm"


def test_a_collision_is_settled_by_an_address_of_ipv6_too() -> None:
    names = Names()
    owners = {"web": ("a_web", "b_web")}
    names.directory = Directory(services=owners, addresses={"fd00::5": "a_web", "10.0.1.6": "b_web"})
    assert names.service("web@swarm", "[fd00::5]:80") == "a_web"
    assert names.service("web@swarm", "10.0.1.6:80") == "b_web"


def test_without_labels_only_the_provider_goes() -> None:
    assert Names().service("shop-web@swarm") == "shop-web"
    assert Names().service("shop-web@docker") == "shop-web"
    assert Names().service("shop@file") == "shop@file"


def test_normalize_is_traefiks() -> None:
    assert normalize("wiki_My_Page--v2") == "wiki-My-Page-v2"


@pytest.mark.parametrize(
    ("rule", "hosts"),
    [
        ("Host(`a.example.org`)", ["a.example.org"]),
        ("Host(`a.example.org`, `b.example.org`) && PathPrefix(`/x`)", ["a.example.org", "b.example.org"]),
        ('Host(`a.example.org`) || Host("b.example.org")', ["a.example.org", "b.example.org"]),
        ("Host(`a.example.org`) && !Host(`b.example.org`)", ["a.example.org"]),
        ("HostRegexp(`.+`) && PathPrefix(`/x`)", []),
        ("Host:a.example.org,b.example.org;PathPrefix:/x", ["a.example.org", "b.example.org"]),
    ],
)
def test_hosts_of_a_rule(rule: str, hosts: list[str]) -> None:
    assert rule_hosts(rule) == hosts


def test_the_api_tells_hosts_and_what_routers_lead_to() -> None:
    found = from_routers(json.loads((GOLDEN / "swarm-routers.json").read_text(encoding="utf-8")))
    assert {"shop.example.org", "blog.example.org"} <= set(found.hosts)
    assert found.routers["shop"] == "shopsvc"
    both = merged(swarm(), found)
    names = Names()
    names.directory = both
    assert names.of_router("shop@swarm") == "shop_web"
    assert names.of_router("websecure-shop@swarm", "websecure") == "shop_web"
    assert names.of_router("nobody@swarm") == ""


def test_v1s_api_tells_hosts() -> None:
    found = from_providers(json.loads((GOLDEN / "v1-providers.json").read_text(encoding="utf-8")))
    assert {"shop.example.com", "blog.example.com"} <= set(found.hosts)


def test_patterns() -> None:
    hosts = Hosts(["*.example.org", "shop.example.com"], learn=False)
    assert hosts.label("A.example.org", routed=False, requests=1) == "*.example.org"
    assert hosts.label("example.org", routed=True, requests=1) == "other"
    assert hosts.label("shop.example.com.", routed=False, requests=1) == "shop.example.com"


@pytest.mark.parametrize(
    ("raw", "host"),
    [("[::1]", "::1"), ("::1", "::1"), ("", ""), ("a/b", ""), ("x" * 4000, ""), ("Ex.", "ex"), ("a\nb", "")],
)
def test_odd_hosts(raw: str, host: str) -> None:
    assert normal_host(raw) == host
