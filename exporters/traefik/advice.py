"""One finding of `traefik-exporter check`."""

from dataclasses import asdict, dataclass

__all__ = ["Advice"]


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding. severity: error (figures are missing or false) or note. add: the line to add, or ""."""

    severity: str
    subject: str
    what: str
    add: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it for --json."""
        return asdict(self)
