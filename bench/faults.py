"""Random faults on a real Swarm: whose figures are true, ours, docker service ls's, or another exporter's."""

import argparse
import json
import os
import random
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench._harness import Result
from lab import Lab, LabError
from lab.truth import LOSSES, Peer, Service, Stage, Verdict, create, lose, regain, set_availability

_ROOT = Path(__file__).parents[1]
_EXPORTER = [str(Path(sys.executable).with_name("swarm-exporter")), "--engine", "unix:///run/docker.sock"]
_IMAGE = "lab/base:bookworm"
_LS = "docker service ls"
_HOLD = 4.0
_BATCH = 20  # faults on one lab; then its record is judged and a new lab made, so that memory stays bounded
_SERVICES = (
    Service("global", "global"),
    Service("three", replicas=3),
    Service("six", replicas=6),
    Service("running-job", "global-job"),
)


# The faults; each is made, held and mended

Fault = Callable[[Stage, random.Random], None]


def _worker(chance: random.Random) -> str:
    return chance.choice(["n2", "n3"])


def _update(stage: Stage, *options: str) -> None:
    stage.docker("service", "update", "-d", "--no-resolve-image", *options)


def _lost(kind: str) -> Fault:
    def fault(stage: Stage, chance: random.Random) -> None:
        name = _worker(chance)
        lose(stage, kind, name)
        stage.hold(_HOLD)
        regain(stage, kind, name)

    return fault


def _leader(kind: str, called: str) -> Fault:
    def fault(stage: Stage, _: random.Random) -> None:
        name = stage.lab.leader().name
        lose(stage, kind, name, called=called)
        stage.hold(_HOLD)
        regain(stage, kind, name, called=called)

    return fault


def _availability(how: str) -> Fault:
    def fault(stage: Stage, chance: random.Random) -> None:
        name = _worker(chance)
        set_availability(stage, name, how, f"node set to {how}")
        stage.hold(_HOLD)
        set_availability(stage, name, "active", f"node set to {how}")

    return fault


def _scaled(stage: Stage, chance: random.Random) -> None:
    for replicas in (chance.choice([0, 1, 5]), 3):
        with stage.turn("scaled", services=[Service("three", replicas=replicas)]):
            stage.docker("service", "scale", "-d", f"three={replicas}")
        stage.hold(_HOLD / 2)


def _constrained(stage: Stage, chance: random.Random) -> None:
    name = _worker(chance)
    wish = f"node.hostname=={name}"
    with stage.turn("constraint changed", services=[Service("global", "global", nodes=frozenset({name}))]):
        _update(stage, "--constraint-add", wish, "global")
    stage.hold(_HOLD)
    with stage.turn("constraint changed", services=[Service("global", "global")]):
        _update(stage, "--constraint-rm", wish, "global")


def _broken_update(stage: Stage, chance: random.Random) -> None:
    action = chance.choice(["pause", "continue", "rollback"])
    with stage.turn("bad image"):
        _update(stage, "--image", "lab/nowhere:1", "--update-failure-action", action,
                "--update-monitor", "2s", "three")  # fmt: skip
    stage.hold(_HOLD)
    with stage.turn("bad image"):
        _update(stage, "--image", _IMAGE, "three")


def _broken_global(stage: Stage, _: random.Random) -> None:
    """Let a global service's image be missing: `docker service ls` hides it as 0/0."""
    with stage.turn("bad image, global"):
        _update(stage, "--image", "lab/nowhere:1", "--update-failure-action", "continue",
                "--update-monitor", "1ms", "--update-parallelism", "0", "global")  # fmt: skip
    stage.hold(2 * _HOLD)
    with stage.turn("bad image, global"):
        _update(stage, "--image", _IMAGE, "global")


_FAULTS: dict[int, dict[str, Fault]] = {
    1: {
        **{kind: _lost(kind) for kind in LOSSES},
        "node set to drain": _availability("drain"),
        "node set to pause": _availability("pause"),
        "scaled": _scaled,
        "constraint changed": _constrained,
        "bad image": _broken_update,
        "bad image, global": _broken_global,
    },
    3: {
        "leader killed": _leader("killed", "leader killed"),
        "leader cut off": _leader("two sides", "leader cut off"),
    },
}
"""By the number of managers that they need."""
_KINDS = [kind for faults in _FAULTS.values() for kind in faults]


def schedule(count: int, chance: random.Random, only: Sequence[str]) -> list[tuple[int, str]]:
    """Return managers and kind of `count` faults: each kind as often as the others, in random order."""
    every = [(managers, kind) for managers, faults in _FAULTS.items() for kind in faults]
    kinds = [each for each in every if not only or each[1] in only]
    chance.shuffle(kinds)
    chosen = [kinds[index % len(kinds)] for index in range(count)]
    chance.shuffle(chosen)
    return chosen


def batches(chosen: Sequence[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield what one lab is used for: its number of managers and its faults."""
    for managers in _FAULTS:
        kinds = [kind for needs, kind in chosen if needs == managers]
        for first in range(0, len(kinds), _BATCH):
            yield managers, kinds[first : first + _BATCH]


# Counting


@dataclass
class Tally:
    """Judged and wrong figures by source, kind of fault and figure; how often each fault was made."""

    judged: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    wrong: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    ours: list[str] = field(default_factory=list)

    def take(self, verdicts: Sequence[Verdict], zero: float) -> None:
        """Count what can be judged; keep our own wrong ones in words."""
        for each in verdicts:
            if not each.kind or each.excused:
                continue
            key = each.source, each.kind.removesuffix(", back"), each.figure
            self.judged[key] += 1
            self.wrong[key] += each.wrong
            if each.wrong and each.source == "ours":
                true = sorted(each.allowed, key=str)
                said = f"{each.service} {each.figure} {each.got}, true {true}"
                self.ours.append(f"{each.at - zero:.1f} s, {each.kind}: {said}")

    def sum(self, counts: Counter[tuple[str, str, str]], source: str, kind: str, *figures: str) -> int:
        """Return a count over these figures."""
        return sum(counts[source, kind, figure] for figure in figures)

    @property
    def kinds(self) -> list[str]:
        """What was judged, in order."""
        return sorted({kind for _, kind, _ in self.judged})


def results(tally: Tally, peer: str) -> list[Result]:
    """Return the wrong figures by kind: ours beside the peer's."""
    found = []
    both = ("running", "desired")
    for kind in tally.kinds:
        ours = tally.sum(tally.wrong, "ours", kind, *both)
        theirs = tally.sum(tally.wrong, peer, kind, *both)
        ratio = theirs / ours if ours else None
        made = tally.made[kind]
        found.append(Result(f"wrong {kind}", ours, theirs, peer, "wrong figures", ratio, made))
    verified = sum(tally.sum(tally.wrong, "ours", kind, "verified") for kind in tally.kinds)
    found.append(Result("wrong verified", verified, None, "", "wrong figures", None, tally.made.total()))
    return found


def table(tally: Tally, sources: Sequence[str]) -> str:
    """Return a Markdown table of wrong and judged figures, a row for each kind of fault."""
    columns = [(source, figure) for source in sources for figure in ("running", "desired")]
    columns.insert(2, ("ours", "verified"))
    lines = [
        "| fault | made | " + " | ".join(f"{source}: {figure}" for source, figure in columns) + " |",
        "|---|--:|" + "--:|" * len(columns),
    ]
    for kind in tally.kinds:
        cells = [
            f"{tally.wrong[source, kind, figure]} of {tally.judged[source, kind, figure]}"
            for source, figure in columns
        ]
        lines.append(f"| {kind} | {tally.made[kind]} | " + " | ".join(cells) + " |")
    sums = [
        f"**{sum(tally.wrong[source, kind, figure] for kind in tally.kinds)}"
        f" of {sum(tally.judged[source, kind, figure] for kind in tally.kinds)}**"
        for source, figure in columns
    ]
    return "\n".join([*lines, f"| **all** | **{tally.made.total()}** | " + " | ".join(sums) + " |"])


# Running


def _batch(
    managers: int, kinds: Sequence[str], chance: random.Random, tally: Tally, peer: Peer | None
) -> None:
    """Make these faults, one after the other, on a new Swarm, and count."""
    with Lab.up(3, managers, f"faults-{os.getpid()}", heartbeat=1) as lab:
        image = lab.load_base("base")
        with Stage(lab, _EXPORTER, cwd=_ROOT, ls=True, peer=peer) as stage:
            for service in _SERVICES:
                create(stage, image, service)
            stage.hold(_HOLD)
            for kind in kinds:
                _say(f"{tally.made.total() + 1}: {kind}")
                try:
                    _FAULTS[managers][kind](stage, chance)
                except LabError as failed:
                    _say(f"the lab did not come back, its other faults are left out: {failed}")
                    break
                tally.made[kind] += 1
                stage.hold(chance.uniform(3.0, 4.0))
            stage.hold(4)
        tally.take(stage.verdicts(), stage.changes[0].began)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=len(_KINDS), help="faults to make (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for the random order (%(default)s)")
    parser.add_argument(
        "--kind", action="append", default=[], choices=_KINDS, help="only this; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="two faults, within a minute")
    parser.add_argument("--json", action="store_true", help="print one array of figures")
    parser.add_argument(
        "--peer", metavar="CMD", help="another exporter; $DOCKER_HOST is the manager's socket"
    )
    parser.add_argument("--peer-url", metavar="URL", help="where it serves its page")
    parser.add_argument("--peer-running", default="swarm_service_running_replicas", metavar="METRIC")
    parser.add_argument("--peer-desired", default="swarm_service_desired_replicas", metavar="METRIC")
    given = parser.parse_args()
    if bool(given.peer) != bool(given.peer_url):
        parser.error("--peer and --peer-url go together")
    return given


def main() -> None:
    """Make the faults and print who was wrong."""
    given = _arguments()
    peer = None
    if given.peer:
        command = shlex.split(given.peer)
        peer = Peer(command, given.peer_url, running=given.peer_running, desired=given.peer_desired)
    chance = random.Random(given.seed)
    chosen = (
        [(1, "killed"), (1, "bad image, global")]
        if given.quick
        else schedule(given.count, chance, given.kind)
    )
    tally = Tally()
    for managers, kinds in batches(chosen):
        _batch(managers, kinds, chance, tally, peer)
    for line in tally.ours:
        _say(f"ours was wrong: {line}")
    sources = ["ours", _LS, *(["peer"] if peer else [])]
    if given.json:
        print(json.dumps([asdict(each) for each in results(tally, "peer" if peer else _LS)], indent=1))
    else:
        print(f"{tally.made.total()} faults, seed {given.seed}: wrong of judged figures\n")
        print(table(tally, sources))


if __name__ == "__main__":
    main()
