"""The bill: calls by class, bytes both ways, and what they cost.

Classes by B2's price list: A (uploads, deletes) is free, B (get, head) and C (list, copy, authorise) cost by
number after a free daily allowance. Prices change: they are a file of the user's, these are its defaults.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from swarmstead.errors import InputError, SwarmsteadError, Throttled

__all__ = ["Bill", "Call", "Prices", "monthly"]

Call = Literal[
    "abandon",
    "authorise",
    "begin",
    "buckets",
    "copy",
    "delete",
    "finish",
    "get",
    "head",
    "list",
    "part",
    "parts",
    "put",
    "url",
]
_CLASSES: Mapping[str, str] = {
    **dict.fromkeys(("abandon", "begin", "delete", "finish", "part", "put", "url"), "A"),
    **dict.fromkeys(("get", "head"), "B"),
    **dict.fromkeys(("authorise", "buckets", "copy", "list", "parts"), "C"),
}
_GB, _TB = 10**9, 10**12
_DAYS = 30


class Bill:
    """Counts every request that left, also those that failed: they are billed, too. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self.sent_bytes = 0
        self.received_bytes = 0
        self.slowed = 0
        self.failed = 0

    def told(self, error: SwarmsteadError) -> None:
        """Count a try that failed; and by itself, that the server asked to slow down."""
        with self._lock:
            self.failed += 1
            self.slowed += isinstance(error, Throttled)

    def count(self, call: Call, *, sent: int = 0, received: int = 0) -> None:
        """One request more, and so many bytes of objects."""
        with self._lock:
            self._calls[call] += 1
            self.sent_bytes += sent
            self.received_bytes += received

    def receive(self, amount: int) -> None:
        """So many bytes more of a body under way."""
        with self._lock:
            self.received_bytes += amount

    @property
    def calls(self) -> dict[str, int]:
        """Return the number of requests by kind."""
        with self._lock:
            return dict(sorted(self._calls.items()))

    @property
    def classes(self) -> dict[str, int]:
        """Return the number of requests by class A, B and C."""
        counts = dict.fromkeys("ABC", 0)
        for call, number in self.calls.items():
            counts[_CLASSES[call]] += number
        return counts

    def as_dict(self, prices: "Prices | None" = None) -> dict[str, object]:
        """Return the bill as JSON values; dollars without the free allowance, so an upper bound."""
        prices = prices or Prices()
        classes = self.classes
        dollars = (
            classes["B"] / 10_000 * prices.class_b_per_10000
            + classes["C"] / 1000 * prices.class_c_per_1000
            + self.received_bytes / _GB * prices.egress_per_gb
        )
        return {
            "calls": self.calls,
            "class_a": classes["A"],
            "class_b": classes["B"],
            "class_c": classes["C"],
            "sent_bytes": self.sent_bytes,
            "received_bytes": self.received_bytes,
            "failed_tries": self.failed,
            "asked_to_slow_down": self.slowed,
            "dollars_at_most": round(dollars, 4),
        }


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars, by BackBlaze's public price list of spring 2026. Amounts in decimal GB and TB."""

    storage_per_tb_month: float = 6.0
    storage_free_gb: float = 10.0
    egress_per_gb: float = 0.01
    class_b_per_10000: float = 0.004
    class_b_free_per_day: float = 2500
    class_c_per_1000: float = 0.004
    class_c_free_per_day: float = 2500

    @classmethod
    def load(cls, path: Path) -> "Prices":
        """Read a YAML file of some of these names. Raises InputError naming file and key."""
        import yaml  # noqa: PLC0415 - a hundredth of a second, for a file that few have

        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", subject=str(path)) from None
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"no YAML: {error}", subject=str(path)) from None
        names = [field.name for field in fields(cls)]
        if not isinstance(found, dict):
            raise InputError("no mapping of prices", subject=str(path), hint="Names: " + ", ".join(names))
        for name, value in found.items():
            if name not in names:
                raise InputError(
                    "no such price", subject=f"{path}: {name}", hint="Names: " + ", ".join(names)
                )
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise InputError("not an amount of dollars", subject=f"{path}: {name}")
        return cls(**{name: float(value) for name, value in found.items()})

    def as_dict(self) -> dict[str, float]:
        """Return the prices by name."""
        return asdict(self)


def monthly(
    prices: Prices, *, stored_bytes: int, class_b: int = 0, class_c: int = 0, egress_bytes: int = 0
) -> float:
    """Return what a month costs in dollars: bytes kept, calls by class and bytes taken out in it."""
    kept = max(0.0, stored_bytes - prices.storage_free_gb * _GB) / _TB * prices.storage_per_tb_month
    paid_b = max(0.0, class_b - prices.class_b_free_per_day * _DAYS) / 10_000 * prices.class_b_per_10000
    paid_c = max(0.0, class_c - prices.class_c_free_per_day * _DAYS) / 1000 * prices.class_c_per_1000
    return kept + paid_b + paid_c + egress_bytes / _GB * prices.egress_per_gb
