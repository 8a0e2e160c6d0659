"""Captures of real Traefik processes (1.7, 2.11.53, 3.7.9), and an intake to count them with."""

import gzip
from collections import Counter
from pathlib import Path

from exporters.traefik import Counts, Folder, Hosts, Intake, Names, Options, nanoseconds

GOLDEN = Path(__file__).parents[2] / "golden" / "traefik"
NOW = 1_795_550_000.0  # an hour after the captures


def capture(name: str) -> bytes:
    return gzip.decompress((GOLDEN / name).read_bytes())


def make_intake(
    *, hosts: tuple[str, ...] = (), now: float = NOW, most_hosts: int = 200, most_services: int = 200
) -> Intake:
    counts = Counts(nanoseconds(Options().buckets))
    known = Hosts(hosts, most=most_hosts, learn=not hosts)
    return Intake(Folder(counts, known, Names(), clock=lambda: now, most_services=most_services))


def outcomes(counts: Counts) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in counts.rows.values():
        total.update(row.outcomes)
    return Counter({what: number for what, number in total.items() if number})


def total(counts: Counts) -> int:
    return sum(sum(classes) for classes in counts.requests.values())
