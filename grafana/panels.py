"""The kinds of panels, each with one look."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana.model import Json, Panel, Query

__all__ = ["bars", "series", "stat", "states", "table"]

_GREEN, _AMBER, _RED, _BLUE = "green", "orange", "red", "blue"


def _steps(steps: Sequence[tuple[float | None, str]]) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}


def _graph(style: str, *, fill: int, stack: bool) -> Json:
    return {
        "drawStyle": style,
        "fillOpacity": fill,
        "lineWidth": 1,
        "lineInterpolation": "linear",
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "axisSoftMin": 0,
    }


def _legend(calcs: Sequence[str]) -> Json:
    return {
        "legend": {
            "displayMode": "table" if calcs else "list",
            "placement": "bottom",
            "showLegend": True,
            "calcs": list(calcs),
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def series(
    title: str,
    *queries: Query,
    description: str,
    unit: str = "short",
    width: int = 12,
    height: int = 8,
    stack: bool = False,
    calcs: Sequence[str] = ("lastNotNull", "max"),
) -> Panel:
    """Return a panel of lines over time.

    unit: Grafana's name of it (`short`, `bytes`, `percentunit`, `s`, `reqps`).
    """
    return Panel(
        kind="timeseries",
        title=title,
        queries=queries,
        description=description,
        width=width,
        height=height,
        defaults={
            "unit": unit,
            "color": {"mode": "palette-classic"},
            "custom": _graph("line", fill=30 if stack else 8, stack=stack),
        },
        options=_legend(calcs),
    )


def bars(
    title: str,
    *queries: Query,
    description: str,
    unit: str,
    min_interval: str,
    width: int = 24,
    height: int = 10,
) -> Panel:
    """Return a panel of stacked bars, one per `min_interval` whatever range is shown (up to a month)."""
    return Panel(
        kind="timeseries",
        title=title,
        queries=queries,
        description=description,
        width=width,
        height=height,
        min_interval=min_interval,
        max_points=10_000,  # so that a long range shows every bar instead of every third
        defaults={
            "unit": unit,
            "decimals": 2,
            "color": {"mode": "palette-classic"},
            # a point at T stands for what came before it, so its bar lies to its left
            "custom": _graph("bars", fill=80, stack=True) | {"barAlignment": -1},
        },
        options=_legend(("lastNotNull", "mean", "max")),
    )


def stat(
    title: str,
    query: Query,
    *,
    description: str,
    unit: str = "short",
    width: int = 4,
    height: int = 4,
    steps: Sequence[tuple[float | None, str]] = ((None, _BLUE),),
    words: Mapping[str, str] | None = None,
    no_value: str = "–",
) -> Panel:
    """Return one big figure.

    steps: from which value on which colour, the first from None.
    words: what to show in place of a value, as {"0": "lost"}.
    """
    shown = {
        value: {"text": text, "index": place} for place, (value, text) in enumerate((words or {}).items())
    }
    return Panel(
        kind="stat",
        title=title,
        queries=(query,),
        description=description,
        width=width,
        height=height,
        instant=True,
        defaults={
            "unit": unit,
            "thresholds": _steps(steps),
            "color": {"mode": "thresholds"},
            "mappings": [{"type": "value", "options": shown}] if shown else [],
            "noValue": no_value,
        },
        options={
            "colorMode": "background_solid",
            "graphMode": "none",
            "justifyMode": "auto",
            "textMode": "auto",
            "wideLayout": True,
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )


def states(
    title: str,
    query: Query,
    *,
    description: str,
    colours: Mapping[str, tuple[str, str]],
    width: int = 24,
    height: int = 8,
) -> Panel:
    """Return a timeline of states, a lane per series.

    colours: value -> (word, colour).
    """
    options = {
        value: {"text": word, "color": colour, "index": place}
        for place, (value, (word, colour)) in enumerate(colours.items())
    }
    return Panel(
        kind="state-timeline",
        title=title,
        queries=(query,),
        description=description,
        width=width,
        height=height,
        defaults={
            "color": {"mode": "thresholds"},
            "thresholds": _steps([(None, _GREEN)]),
            "mappings": [{"type": "value", "options": options}],
            "custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
        },
        options={
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "never",
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def table(
    title: str,
    *queries: Query,
    description: str,
    join: str,
    columns: Mapping[str, str],
    units: Mapping[str, str] | None = None,
    width: int = 24,
    height: int = 9,
) -> Panel:
    """Return a table of what holds now, a row per value of the label `join`.

    columns: what to show, in this order, as field -> heading. A query's value is the field `Value #A`,
        `Value #B`, ... (`Value` where there is one query); a label is a field of its own name.
        Everything else is hidden.
    units: heading -> Grafana's unit.
    """
    overrides = tuple(_unit(heading, unit) for heading, unit in (units or {}).items())
    keep = {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}}
    arrange = {
        "id": "organize",
        "options": {
            "indexByName": {name: place for place, name in enumerate(columns)},
            "renameByName": dict(columns),
            "excludeByName": {},
        },
    }
    joined = {"id": "joinByField", "options": {"byField": join, "mode": "outer"}}
    return Panel(
        kind="table",
        title=title,
        queries=queries,
        description=description,
        width=width,
        height=height,
        defaults={"custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True}},
        options={"showHeader": True, "cellHeight": "sm"},
        overrides=overrides,
        transformations=(joined, keep, arrange) if len(queries) > 1 else (keep, arrange),
    )


def _unit(heading: str, unit: str) -> Json:
    properties: list[dict[str, Any]] = [{"id": "unit", "value": unit}]
    return {"matcher": {"id": "byName", "options": heading}, "properties": properties}
