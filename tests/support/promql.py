"""Read metric names out of PromQL, and the names that the code declares or that other programs have."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from exporters.exposition import Metric

__all__ = ["declared", "foreign", "metric_names", "of_the_cache", "recorded", "rules"]

ROOT = Path(__file__).parents[2]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_BRACES = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_LABEL_LISTS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\(|[a-zA-Z0-9_:])")
_WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left",
          "group_right", "inf", "nan", "Inf", "NaN"}  # fmt: skip
_HISTOGRAM = ("_bucket", "_sum", "_count")


def metric_names(expr: str) -> set[str]:
    """Return the metrics that a PromQL expression reads."""
    bare = _STRING.sub('""', expr)
    for pattern in (_BRACES, _LABEL_LISTS):
        bare = pattern.sub(" ", bare)
    bare = re.sub(r"\$\w+", " ", bare)
    bare = re.sub(r"(?<![\w:])[0-9][0-9.]*(e[+-]?[0-9]+)?[smhdwy]*", " ", bare)
    return {name for name in _NAME.findall(bare) if name not in _WORDS}


def rules() -> Iterator[dict[str, Any]]:
    """Yield every rule that ships, as its file has it."""
    for path in sorted((ROOT / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


@cache
def recorded() -> set[str]:
    """Return the names of the recording rules."""
    return {rule["record"] for rule in rules() if "record" in rule}


@cache
def declared() -> dict[str, Metric]:
    """Return every metric that the exporters' code declares; a histogram by the names of its series."""
    found: dict[str, Metric] = {}
    for path in sorted((ROOT / "exporters").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for value in vars(importlib.import_module(name)).values():
            for metric in _metrics(value):
                names = (
                    [metric.name + end for end in _HISTOGRAM] if metric.type == "histogram" else [metric.name]
                )
                found |= dict.fromkeys(names, metric)
    return found


@cache
def of_the_cache() -> set[str]:
    """Return the metrics of `migrate cache serve`, as its code names them."""
    code = (ROOT / "migrate" / "cache" / "metrics.py").read_text()
    made = re.findall(r'_(gauge|counter|by)\(\s*"(\w+)"', code)
    return {f"swarmstead_cache_{name}" + ("" if kind == "gauge" else "_total") for kind, name in made}


def _metrics(value: object) -> Iterator[Metric]:
    if isinstance(value, Metric):
        yield value
    elif isinstance(value, dict):
        yield from (each for each in value.values() if isinstance(each, Metric))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (each for each in value if isinstance(each, Metric))


@cache
def foreign(program: str = "") -> set[str]:
    """Return the metrics of other programs that rules and dashboards may read, or of one of them."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in (Path(__file__).parent / "foreign.txt").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(section, set()).add(line)
    return found[program] if program else set().union(*found.values())
