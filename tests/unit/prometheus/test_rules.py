"""Every alert says what it should, has its runbook and its tests, and reads metrics that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.promql import declared, foreign, metric_names, of_the_cache, recorded, rules

ROOT = Path(__file__).parents[3]
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = [
    "Meaning",
    "What the user sees",
    "Look",
    "Mend",
    "When it is false",
    "Why this wait and this severity",
]


def _tests() -> list[dict[str, Any]]:
    files = sorted((ROOT / "prometheus" / "tests").glob("*.yml"))
    return [group for file in files for group in yaml.safe_load(file.read_text())["tests"]]


TESTS = _tests()


def _seconds(text: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([smhd])", text))


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ('max by (service, stack) (swarm_x{a="b or c"} ) == 1', {"swarm_x"}),
        ("rate(a_total[5m]) / on (x) group_left (y) b:c:sum > 1.5e3", {"a_total", "b:c:sum"}),
        ("time() - x_seconds > 86400 and on () vector(1) unless z offset 5m", {"x_seconds", "z"}),
        ('label_replace(q, "a", "$1", "b", "(.*)") >= bool r', {"q", "r"}),
        ('sum(increase(h_bucket{le="+Inf"}[$__range])) or 0 * k', {"h_bucket", "k"}),
    ],
)
def test_metric_names_are_found(expr: str, names: set[str]) -> None:
    assert metric_names(expr) == names


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.get("alert") or rule["record"])
def test_it_reads_metrics_that_exist(rule: dict[str, Any]) -> None:
    unknown = metric_names(rule["expr"]) - declared().keys() - recorded() - foreign() - of_the_cache()
    assert unknown == set()


@pytest.mark.parametrize("name", ALERTS)
def test_it_says_what_where_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info", "none"}
    words = rule["annotations"]
    assert words["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
    assert words["summary"]
    assert words["description"]
    assert not words["summary"].endswith(".")
    assert words["description"].endswith((".", "?"))
    # Text templates may only use labels that the rule keeps; promtool's tests compare the rendered text.
    assert "<no value>" not in yaml.safe_dump(words)


@pytest.mark.parametrize("name", ALERTS)
def test_its_runbook_is_whole(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert all(len(part.strip()) > 5 for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:])


def test_no_runbook_without_alert_and_no_dead_link() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(ALERTS)
    for path in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+\.md)\)", path.read_text()):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


@pytest.mark.parametrize("name", ALERTS)
def test_it_is_tested_silent_firing_and_resolved(name: str) -> None:
    """Some test of it must see it silent, then firing, then silent again."""
    stories = []
    for group in TESTS:
        moments = [each for each in group.get("alert_rule_test", []) if each["alertname"] == name]
        moments.sort(key=lambda each: _seconds(each["eval_time"]))
        stories.append("".join("!" if each.get("exp_alerts") else "." for each in moments))
    if name == "Watchdog":  # fires always, by its purpose
        assert any("!" in story and "." not in story for story in stories)
    else:
        assert any(re.search(r"\.!+\.", story) for story in stories), stories


def test_inhibition_names_alerts_that_exist() -> None:
    """A misspelt name would silence nothing, or hide nothing, and nobody would notice."""
    config = yaml.safe_load((ROOT / "prometheus" / "alertmanager.yml").read_text())
    for rule in config["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            label, operator, value = re.fullmatch(r'(\w+) (=~?) "(.+)"', matcher).groups()  # type: ignore[union-attr]
            assert label == "alertname"
            wanted = _alternatives(value) if operator == "=~" else [value]
            for each in wanted:
                assert any(re.fullmatch(each, name) for name in ALERTS), each


def _alternatives(pattern: str) -> list[str]:
    """Return the top-level alternatives of a pattern, those in one group of brackets spelt out."""
    found = []
    for part in re.split(r"\|(?![^(]*\))", pattern):
        inner = re.search(r"\(([^)]*)\)", part)
        found += [part.replace(inner[0], each) for each in inner[1].split("|")] if inner else [part]
    return found
