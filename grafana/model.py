"""What a dashboard is made of, and the JSON that Grafana reads (schema 39: Grafana 11 and later)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Board", "Panel", "Query", "Row", "Variable"]

Json = dict[str, Any]

SCHEMA_VERSION = 39
COLUMNS = 24
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """One PromQL query of a panel.

    legend: name of each series, with Grafana's `{{label}}`; for a table, unused.
    table: ask for one moment, as rows of a table.
    """

    expr: str
    legend: str = ""
    table: bool = False

    def json(self, ref: str, *, instant: bool) -> Json:
        """Return the target; `ref` is its letter within the panel."""
        now = instant or self.table
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": " ".join(self.expr.split()),
            "format": "table" if self.table else "time_series",
            "instant": now,
            "legendFormat": self.legend or "__auto",
            "range": not now,
            "refId": ref,
        }


@dataclass(frozen=True)
class Panel:
    """One panel. Make them with `grafana.panels`, which knows each kind's options.

    width: of 24 columns. height: in grid units of some 30 pixels.
    instant: ask for the last moment instead of the shown range.
    min_interval: the least step between two points, as `5m`; "" leaves it to Grafana.
    max_points: more points than this make Grafana take a longer step; 0 leaves it to the panel's width.
    """

    kind: str
    title: str
    queries: tuple[Query, ...]
    description: str
    width: int
    height: int
    defaults: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    instant: bool = False
    min_interval: str = ""
    max_points: int = 0

    def json(self, number: int, x: int, y: int) -> Json:
        """Return the panel at its place."""
        made: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": dict(self.defaults), "overrides": list(self.overrides)},
            "options": dict(self.options),
            "targets": [
                query.json(chr(ord("A") + place), instant=self.instant)
                for place, query in enumerate(self.queries)
            ],
        }
        if self.transformations:
            made["transformations"] = list(self.transformations)
        if self.min_interval:
            made["interval"] = self.min_interval
        if self.max_points:
            made["maxDataPoints"] = self.max_points
        return made


@dataclass(frozen=True)
class Row:
    """A titled row of panels; they flow from left to right and wrap at 24 columns."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard: the values of a label, or several at once."""

    name: str
    label: str
    metric: str
    source: str = ""
    """The label whose values are offered; the variable's own name where it is left out."""
    one: bool = False
    """Exactly one value is chosen, at first the first: for values that must never be added up."""

    def json(self) -> Json:
        """Return the variable."""
        query = f"label_values({self.metric},{self.source or self.name})"
        return {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": DATASOURCE,
            "definition": query,
            "query": {"query": query, "refId": self.name, "qryType": 1},
            "refresh": 2,
            "sort": 1,
            "multi": not self.one,
            "includeAll": not self.one,
            "allValue": None if self.one else ".*",
            "current": {} if self.one else {"text": ["All"], "value": ["$__all"]},
            "options": [],
        }


@dataclass(frozen=True)
class Board:
    """A dashboard. `uid` is its fixed address: /d/UID."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    refresh: str = "10s"
    since: str = "now-3h"

    def json(self) -> Json:
        """Return the dashboard, importable as it is: the data source is a variable."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["swarmstead"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": self.refresh,
            "time": {"from": self.since, "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [_LINKS],
            "templating": {"list": [_DATASOURCE_VARIABLE, *(one.json() for one in self.variables)]},
            "panels": list(_placed(self.rows)),
        }


_LINKS: Json = {
    "type": "dashboards",
    "title": "Swarmstead",
    "tags": ["swarmstead"],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "icon": "external link",
    "targetBlank": False,
    "tooltip": "",
    "url": "",
}
_DATASOURCE_VARIABLE: Json = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "options": [],
    "refresh": 1,
    "regex": "",
}


def _placed(rows: tuple[Row, ...]) -> Iterator[Json]:
    """Yield rows and panels with their numbers and places, none over another."""
    number = y = 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        y += 1
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield panel.json(number, x, y)
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
