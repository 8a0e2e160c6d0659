"""The dashboards are what the boards say, Grafana can read them, and every query asks for what exists."""

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.boards import BOARDS
from grafana.build import FOLDER, text_of
from grafana.model import Board, Panel, Query, Row
from tests.support.programs import need
from tests.support.promql import declared, foreign, metric_names, of_the_cache, recorded

ROOT = Path(__file__).parents[3]
FILES = sorted(FOLDER.glob("*.json"))
NAMES = [path.stem for path in FILES]
# Grafana's own panels since version 8; graph, singlestat and table-old were Angular's and are gone.
PANELS = {"row", "timeseries", "stat", "table", "state-timeline"}


def _panels(path: Path) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return panels


def _queries() -> dict[str, str]:
    """Return every query, its variables filled in as Grafana would."""
    found = {}
    for path in FILES:
        for panel in _panels(path):
            for target in panel.get("targets", []):
                expr = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "1h")
                found[f"{path.stem}/{panel['title']}/{target['refId']}"] = re.sub(r'"\$\w+"', '".*"', expr)
    return found


QUERIES = _queries()


def test_files_are_what_the_boards_say() -> None:
    assert {path.name for path in FILES} == {f"{board.uid}.json" for board in BOARDS}
    for board in BOARDS:
        same = (FOLDER / f"{board.uid}.json").read_text() == text_of(board)
        assert same, f"run: python -m grafana.build ({board.uid})"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_grafana_can_import_it(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["schemaVersion"] >= 36
    assert re.fullmatch(r"[a-z-]{1,40}", board["uid"])  # Grafana's limit
    assert "id" not in board  # its number in another database
    assert board["templating"]["list"][0]["type"] == "datasource"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in PANELS
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["description"].endswith((".", "?"))
            assert panel["datasource"]["uid"] == "${datasource}"
            refs = [target["refId"] for target in panel["targets"]]
            assert refs
            assert len(refs) == len(set(refs))
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_uids_and_titles_are_one_of_a_kind() -> None:
    assert len({board.uid for board in BOARDS}) == len({board.title for board in BOARDS}) == len(BOARDS)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_panel_lies_over_another(path: Path) -> None:
    places = [panel["gridPos"] for panel in _panels(path)]
    assert all(p["x"] >= 0 and p["x"] + p["w"] <= 24 for p in places)
    for a, b in itertools.combinations(places, 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, (a, b)


@pytest.mark.parametrize("name", QUERIES)
def test_queries_ask_for_metrics_that_exist(name: str) -> None:
    unknown = metric_names(QUERIES[name]) - declared().keys() - recorded() - foreign() - of_the_cache()
    assert unknown == set()


def test_prometheus_can_parse_every_query(tmp_path: Path) -> None:
    need("promtool", package="prometheus")
    rules = [{"record": f"q{number}", "expr": expr} for number, expr in enumerate(QUERIES.values())]
    (tmp_path / "q.yml").write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "q.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_variables_are_used_and_defined(path: Path) -> None:
    board = json.loads(path.read_text())
    defined = {each["name"] for each in board["templating"]["list"]} - {"datasource"}
    text = json.dumps(board["panels"])
    used = set(re.findall(r"\$(?!__)\{?([a-z]\w*)", text)) - {"datasource"}
    assert used == defined
    for each in board["templating"]["list"][1:]:
        metric, label = re.fullmatch(r"label_values\((\w+),(\w+)\)", each["definition"]).groups()  # type: ignore[union-attr]
        assert label in declared()[metric].labels


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_tables_show_columns_that_are_there(path: Path) -> None:
    """A column whose name no query gives would silently be empty."""
    for panel in _panels(path):
        if panel["type"] != "table":
            continue
        refs = {target["refId"] for target in panel["targets"]}
        values = {f"Value #{ref}" for ref in refs} if len(refs) > 1 else {"Value"}
        shown = next(
            step["options"]["indexByName"] for step in panel["transformations"] if step["id"] == "organize"
        )
        exprs = " ".join(target["expr"] for target in panel["targets"])
        for column in shown:
            named = column in values or re.search(rf"\b{column}\b", exprs) or "ALERTS" in exprs
            assert named, f"{panel['title']}: {column}"


def test_the_seeds_panel_says_exactly_what_it_shows() -> None:
    (panel, by_service) = (
        each for each in _panels(FOLDER / "swarmstead-sites.json")[:3] if each["type"] != "row"
    )
    assert panel["title"] == "Requests per second, mean of 5 minutes, by host"
    assert by_service["title"] == "Requests per second, mean of 5 minutes, by service"
    for each in (panel, by_service):
        assert each["fieldConfig"]["defaults"]["unit"] == "reqps"
        assert each["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars"
        assert each["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
        assert each["interval"] == "5m"


def test_grafana_gets_every_dashboard_where_it_looks() -> None:
    stack = yaml.safe_load((ROOT / "stacks" / "grafana.yml").read_text())
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/swarmstead.yml").read_text())
    mounted = {each["target"]: each["source"] for each in stack["services"]["grafana"]["configs"]}
    where = provider["providers"][0]["options"]["path"]
    for path in FILES:
        config = stack["configs"][mounted[f"{where}/{path.name}"]]
        assert (ROOT / "stacks" / config["file"]).resolve() == path
    home = stack["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in mounted


def test_panels_wrap_into_the_next_line() -> None:
    def panel(width: int, height: int) -> Panel:
        return Panel("stat", "t", (Query("up"),), "d.", width, height)

    board = Board(
        "u", "t", "d", (Row("r", (panel(12, 4), panel(12, 6), panel(8, 3))), Row("s", (panel(24, 5),)))
    )
    places = [tuple(each["gridPos"][key] for key in "xywh") for each in board.json()["panels"]]
    assert places == [
        (0, 0, 24, 1),
        (0, 1, 12, 4),
        (12, 1, 12, 6),
        (0, 7, 8, 3),
        (0, 10, 24, 1),
        (0, 11, 24, 5),
    ]
