"""What a metric is: declared once, with all that its page of documentation says.

Names and types follow Prometheus's rules (prometheus.io/docs/practices/naming) and the two text formats
(prometheus.io/docs/instrumenting/exposition_formats, OpenMetrics 1.0).
"""

import re
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Metric", "escape", "number"]

Type = Literal["gauge", "counter", "histogram", "info"]
Stability = Literal["stable", "experimental"]

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_EXACT = 2.0**53
_RESERVED_SUFFIX = {"counter": "_total", "info": "_info"}


def escape(value: str) -> str:
    r"""Return a label value with backslash, quote and line feed escaped, as both formats ask."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value


def number(value: float) -> str:
    """Return a value as both formats write it."""
    if isinstance(value, int):
        return str(int(value))
    if value != value:  # noqa: PLR0124 - the one test for NaN that needs no import
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, what it tells, and the rule behind it.

    name: full name, with ``_total`` for a counter and ``_info`` for an info.
    labels: names of its labels, in the order in which `Family.add` takes their values.
    unit: base unit (``seconds``, ``bytes``, ``cores``), or "" for a count or a state.
    source: where the rule comes from: a file of swarmkit or moby, an API field, a measurement.
    when: when the series is absent, as a sentence; "" means it is always there.
    """

    name: str
    help: str
    type: Type = "gauge"
    labels: tuple[str, ...] = ()
    unit: str = ""
    stability: Stability = "stable"
    source: str = ""
    when: str = ""
    _heads: tuple[str, str] = field(init=False, repr=False, compare=False, default=("", ""))

    def __post_init__(self) -> None:
        suffix = _RESERVED_SUFFIX.get(self.type, "")
        if not _NAME.match(self.name) or not self.name.endswith(suffix):
            raise ValueError(f"{self.name}: no good name for a {self.type}")
        if not all(_LABEL.match(label) for label in self.labels) or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"{self.name}: no good labels {self.labels}")
        object.__setattr__(self, "_heads", (self._text_head(), self._openmetrics_head()))

    def _text_head(self) -> str:
        kind = "gauge" if self.type == "info" else self.type
        words = self.help.replace("\\", "\\\\").replace("\n", "\\n")
        return f"# HELP {self.name} {words}\n# TYPE {self.name} {kind}\n"

    def _openmetrics_head(self) -> str:
        name = self.name.removesuffix(_RESERVED_SUFFIX.get(self.type, ""))
        unit = f"# UNIT {name} {self.unit}\n" if self.unit and name.endswith("_" + self.unit) else ""
        return f"# HELP {name} {escape(self.help)}\n# TYPE {name} {self.type}\n{unit}"

    @property
    def text_head(self) -> str:
        """Return HELP and TYPE in the text format."""
        return self._heads[0]

    @property
    def openmetrics_head(self) -> str:
        """Return HELP, TYPE and UNIT in OpenMetrics."""
        return self._heads[1]

    def series(self, values: tuple[str, ...], suffix: str = "", more: str = "") -> str:
        """Return a sample's text up to its value.

        values: one per label. suffix, more: ``_bucket`` and ``le="0.1"`` of a histogram, and the like.
        """
        inside = ",".join(
            [f'{name}="{escape(value)}"' for name, value in zip(self.labels, values, strict=True)]
            + ([more] if more else [])
        )
        return f"{self.name}{suffix}{{{inside}}} " if inside else f"{self.name}{suffix} "
