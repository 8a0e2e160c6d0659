"""What is found out about an app's sessions, and how its files are looked through."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Finding", "env_of", "files_of", "find_line", "ip_binding", "text_of"]

_IGNORED = {
    ".git",
    ".venv",
    "venv",
    "node_modules",
    "site-packages",
    "vendor",
    "__pycache__",
    "tests",
    "storage",
}
_MOST_FILES = 20_000
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One store of sessions, or a reason why none need move.

    file, line: where it shows. spec: what to give to ``--from`` ("" if it cannot or need not move).
    keep: settings and secrets that must stay the same. switch: exact lines of configuration.
    warnings: what would log people out all the same.
    """

    stack: str
    store: str
    file: Path
    line: int
    advice: str
    spec: str = ""
    keep: tuple[str, ...] = ()
    switch: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def movable(self) -> bool:
        """Return whether `migrate sessions copy` moves it."""
        return bool(self.spec)

    @property
    def what(self) -> str:
        """Return stack and store in words."""
        return f"{self.stack}: {self.store}"

    def as_dict(self) -> dict[str, object]:
        """Return the finding as JSON values."""
        return {
            "stack": self.stack,
            "store": self.store,
            "file": str(self.file),
            "line": self.line,
            "movable": self.movable,
            "spec": self.spec,
            "advice": self.advice,
            "keep": list(self.keep),
            "switch": list(self.switch),
            "warnings": list(self.warnings),
        }


def text_of(path: Path) -> str:
    """Return the file as text; "" if it cannot be read or is too large for source code."""
    try:
        return path.read_text("utf-8", "replace") if path.stat().st_size <= _LARGEST else ""
    except OSError:
        return ""


def files_of(app: Path, *suffixes: str) -> Iterator[Path]:
    """Yield the app's own files with these suffixes, in a stable order."""
    left = _MOST_FILES
    folders = [app]
    while folders and left:
        try:
            entries = sorted(folders.pop().iterdir())
        except OSError:
            continue
        for path in entries:
            left -= 1
            if path.is_dir() and not path.is_symlink():
                if path.name not in _IGNORED:
                    folders.append(path)
            elif path.name.endswith(suffixes):
                yield path


def find_line(paths: Iterator[Path], pattern: str) -> tuple[Path, int, "re.Match[str]"] | None:
    """Return the first place of the pattern: file, line, match. Lines that are comments do not count."""
    compiled = re.compile(pattern)
    for path in paths:
        for number, line in enumerate(text_of(path).splitlines(), 1):
            found = compiled.search(line)
            if found and not line.lstrip().startswith(("#", "//", "*", ";")):
                return path, number, found
    return None


def env_of(app: Path, name: str) -> tuple[str | None, int]:
    """Return a value of the app's .env and its line; None and 0 if it has none."""
    for number, line in enumerate(text_of(app / ".env").splitlines(), 1):
        key, equals, value = line.strip().partition("=")
        if equals and key.strip() == name:
            return value.strip().strip("\"'"), number
    return None, 0


def ip_binding(app: Path) -> tuple[str, ...]:
    """Return a warning if the app ties sessions to the client's address."""
    found = find_line(
        files_of(app, ".php", ".py", ".rb", ".js"),
        r"(?i)(session.{0,60}REMOTE_ADDR|REMOTE_ADDR.{0,60}session|matchIP\s*=\s*true|ip_check)",
    )
    if not found:
        return ()
    return (
        (
            f"{found[0]}:{found[1]}: the session is bound to the client's address, which Traefik changes: "
            "trust X-Forwarded-For there, or everyone is logged out"
        ),
    )
