"""A PHP app under traffic moves from one host to a real Swarm and back: no login lost, no file lost."""

import time
from collections.abc import Iterator

import pytest

from lab import Lab
from tests.lab.photos_site import VISITORS, Site, photos_site

_TRAFFIC_SECONDS = 3


@pytest.fixture
def site(migrate_image: str, lab: Lab) -> Iterator[Site]:
    with photos_site(lab, migrate_image) as one:
        yield one


def test_there_and_back_under_traffic(site: Site) -> None:
    site.start_visitors()
    site.app(kill_at="deploy")
    assert site.entry.side() == "old"
    site.app(kill_at="switch")
    deadline = time.monotonic() + 30
    while site.entry.side() == "hold" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert site.entry.side() in {"old", "new"}, "users are left waiting"
    events = site.app()
    assert site.entry.side() == "new"
    assert events[-1]["event"] == "moved"
    time.sleep(_TRAFFIC_SECONDS)

    [proof] = [event for event in site.migrate("verify") if event["event"] == "proof"]
    assert proof["proved"]
    assert proof["switched"]
    assert proof["parts"]["sessions"]["checked"] >= VISITORS
    assert proof["parts"]["files uploads"]["checked"] > 0

    site.migrate("rollback", "--yes")
    assert site.entry.side() == "old"
    time.sleep(_TRAFFIC_SECONDS)
    seen = site.end_visitors()
    assert (seen["logins_lost"], seen["counters_lost"], seen["files_lost"]) == (0, 0, 0), seen["failures"]
    assert seen["failures"] == []
    assert seen["pictures_checked"] > 0
    listed = site.lab.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    images = [name for name in listed if name.startswith("photos:")]
    assert images
    for image in images:
        history = site.lab.docker("history", "--no-trunc", image) + site.lab.docker("inspect", image)
        assert site.password not in history
