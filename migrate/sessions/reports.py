"""What a pass, a check and a way back did: counts, which a person and a script can judge."""

from collections import Counter
from dataclasses import dataclass, field

from .records import Skip

__all__ = ["PassReport", "VerifyReport"]

_MOST_NOTES = 50


@dataclass(slots=True)
class PassReport:
    """One pass over a store. Counts are sessions.

    seen: found in the source. copied: written to the other side and confirmed. unchanged: stood as they
    were. removed: ended since the last pass and removed from the other side (set aside, for a way back).
    kept: left alone since the other side has a live one. skipped: why and how many gave no record.
    notes: up to fifty lines on what is wrong with single sessions, each under its keyed hash.
    """

    seen: int = 0
    copied: int = 0
    unchanged: int = 0
    removed: int = 0
    kept: int = 0
    value_bytes: int = 0
    seconds: float = 0.0
    dry_run: bool = False
    skipped: Counter[Skip] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def locked(self) -> int:
        """Return how many were held by a request, so that another pass must look again."""
        return self.skipped[Skip.LOCKED]

    @property
    def unmoved(self) -> int:
        """Return how many are there, are no ended ones, and could not be copied."""
        return sum(self.skipped[why] for why in (Skip.LOCKED, Skip.REFUSED, Skip.UNREADABLE, Skip.MALFORMED))

    def note(self, text: str) -> None:
        """Keep a line about one session."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            "seen": self.seen,
            "copied": self.copied,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "kept": self.kept,
            **{why.value: self.skipped[why] for why in Skip if why is not Skip.IGNORED},
            "value_bytes": self.value_bytes,
            "seconds": round(self.seconds, 3),
            "dry_run": self.dry_run,
            "notes": self.notes,
        }


@dataclass(slots=True)
class VerifyReport:
    """One comparison of source and Redis. Counts are sessions.

    same: byte for byte, with the right expiry. different, missing: not so. expiry_off: the bytes are right,
    the expiry is more than a second off. resurrected: in Redis by our copy, ended in the source.
    changed_since: written in the source since the last pass. used_since, ended_since: after the switch, what
    the app itself has changed or ended in Redis. Each skipped one by its reason.
    """

    checked: int = 0
    same: int = 0
    different: int = 0
    missing: int = 0
    expiry_off: int = 0
    resurrected: int = 0
    changed_since: int = 0
    used_since: int = 0
    ended_since: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)
    digest: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """Return whether every live session stands in Redis as it should, and no ended one does."""
        return not (
            self.different
            or self.missing
            or self.expiry_off
            or self.resurrected
            or self.changed_since
            or self.skipped[Skip.LOCKED]
            or self.skipped[Skip.UNREADABLE]
        )

    def note(self, text: str) -> None:
        """Keep a line about one session."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            "proved": self.proved,
            "checked": self.checked,
            "same": self.same,
            "different": self.different,
            "missing": self.missing,
            "expiry_off": self.expiry_off,
            "resurrected": self.resurrected,
            "changed_since": self.changed_since,
            "used_since": self.used_since,
            "ended_since": self.ended_since,
            **{why.value: self.skipped[why] for why in Skip if why is not Skip.IGNORED},
            "digest": self.digest,
            "seconds": round(self.seconds, 3),
            "notes": self.notes,
        }
