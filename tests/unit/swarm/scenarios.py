"""The scenarios of tests/golden/engine, decoded."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from exporters.engine import Container, Info, Node, Service, Task
from exporters.swarm.rules.failures import FailureCounter
from exporters.swarm.times import seconds
from exporters.swarm.view import ClusterView

GOLDEN = Path(__file__).parents[2] / "golden" / "engine"
NAMES = sorted(
    f"{path.parent.name}/{path.name.removesuffix('.json.gz')}" for path in GOLDEN.glob("*/*.json.gz")
)
_T = TypeVar("_T")


class Scenario:
    """One scenario's answers; `by` is the engine asked, "" for the first, "n2-" and the like for others."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.truth: dict[str, Any] = data["truth"]
        self.answers: dict[str, tuple[int, str]] = data["answers"]

    def decode(self, name: str, kind: type[_T]) -> _T:
        status, body = self.answers[name]
        assert status == 200, (name, body[:200])
        return msgspec.json.decode(body, type=kind)

    def has(self, by: str) -> bool:
        return all(self.answers.get(by + name, (0,))[0] == 200 for name in ("nodes", "services", "tasks"))

    def view(self, by: str = "", failures: FailureCounter | None = None) -> ClusterView:
        return ClusterView.of(
            self.decode(f"{by}nodes", list[Node]),
            self.decode(f"{by}services", list[Service]),
            self.decode(f"{by}tasks", list[Task]),
            failures or FailureCounter(),
            seconds(self.truth["at"]),
            self.decode(f"{by}info", Info).swarm.cluster,
        )

    def containers(self) -> list[Container]:
        return self.decode("containers", list[Container])


@cache
def scenario(name: str) -> Scenario:
    return Scenario(json.loads(gzip.decompress((GOLDEN / f"{name}.json.gz").read_bytes())))
