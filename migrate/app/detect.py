"""Look at an app: what it is made with, what ties it to its host, where its uploads lie."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmstead.errors import InputError

from .rules import RULES, Finding, Rule

__all__ = ["Detected", "detect", "kind_of", "scan_text"]

_SKIPPED = {
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "vendor",
    ".venv",
    "venv",
    "site-packages",
    "__pycache__",
    ".idea",
}
_LARGEST = 1 << 20
_LONGEST_LINE = 2000
_COMMENT = re.compile(r"^\s*(//|#|/\*)")
_INNER_COMMENT = re.compile(r"^\s*\*(\s|/|$)")  # of a /** block; a crontab's lines begin with a star, too
_WITH_BLOCKS = {".php", ".phtml", ".inc", ".js", ".mjs", ".cjs", ".ts"}
_FOLDER = re.compile(r"['\"]/?([\w.-]+(?:/[\w.-]+)*)/['\"]")
_UPLOAD_NAMES = re.compile(r"upload|media|pictures|photos|images|files|attachments|avatars", re.IGNORECASE)
_NEAR_LINES = 12
_EXTENSIONS = {
    "gd",
    "mbstring",
    "curl",
    "sqlite3",
    "xml",
    "mysql",
    "pgsql",
    "intl",
    "zip",
    "bcmath",
    "imagick",
}
_BY_CALL = {
    "gd": re.compile(r"\b(imagecreate\w*|getimagesize|imagejpeg|imagepng)\s*\("),
    "mbstring": re.compile(r"\bmb_\w+\s*\("),
    "curl": re.compile(r"\bcurl_init\s*\("),
    "mysql": re.compile(r"\bmysqli|\bmysql:"),
    "pgsql": re.compile(r"\bpg_connect|\bpgsql:"),
    "sqlite3": re.compile(r"\bsqlite:|\bSQLite3\b"),
    "xml": re.compile(r"\bDOMDocument|\bsimplexml_|\bXMLReader"),
    "intl": re.compile(r"\bNumberFormatter|\bIntlDateFormatter|\bCollator\b"),
    "zip": re.compile(r"\bZipArchive\b"),
}


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found.

    kind: ``php``, ``laravel``, ``django``, …; web_root: document root below the app, ``/public`` or empty.
    uploads: folders below the app that it moves uploaded files to. extensions: of PHP.
    """

    kind: str
    web_root: str
    findings: tuple[Finding, ...]
    uploads: tuple[str, ...]
    extensions: tuple[str, ...]


def kind_of(app: Path) -> str:
    """Return what the app is made with, by the markers that railpack, nixpacks and flyctl agree on."""
    if (app / "artisan").is_file():
        return "laravel"
    if (app / "wp-config.php").is_file() or (app / "wp-includes" / "version.php").is_file():
        return "wordpress"
    if (
        (app / "composer.json").is_file()
        or any(app.glob("*.php"))
        or (app / "public" / "index.php").is_file()
    ):
        return "php"
    if (app / "manage.py").is_file():
        return "django"
    if any((app / name).is_file() for name in ("requirements.txt", "pyproject.toml", "Pipfile", "uv.lock")):
        return "python"
    if (app / "package.json").is_file():
        return "node"
    if (app / "bin" / "rails").is_file():
        return "rails"
    return "static" if (app / "index.html").is_file() else "unknown"


def _files(app: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(app):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST:
                yield path


def _fits(rule: Rule, path: Path) -> bool:
    return path.suffix in rule.suffixes or path.name in rule.suffixes


def scan_text(path: Path, text: str) -> Iterator[Finding]:
    """Yield what the rules find in one file; `path` is relative to the app."""
    rules = [rule for rule in RULES if _fits(rule, path)]
    for number, line in enumerate(text.splitlines(), 1) if rules else ():
        if len(line) > _LONGEST_LINE or _COMMENT.match(line):
            continue
        if path.suffix in _WITH_BLOCKS and _INNER_COMMENT.match(line):
            continue
        for rule in rules:
            if rule.pattern.search(line):
                yield Finding(rule.id, rule.severity, str(path), number, rule.what, rule.remedy)


def _upload_folders(text: str) -> Iterator[str]:
    """Yield the folders named near a move_uploaded_file: the literals that end in a slash."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if "move_uploaded_file" in line:
            near = "\n".join(lines[max(0, number - _NEAR_LINES) : number + 2])
            named = _FOLDER.findall(near)
            likely = [name for name in named if _UPLOAD_NAMES.search(name)]
            yield from likely or named[-1:]


def _extensions(app: Path, texts: dict[Path, str]) -> set[str]:
    found = {name for name, call in _BY_CALL.items() for text in texts.values() if call.search(text)}
    try:
        wanted = json.loads((app / "composer.json").read_text(encoding="utf-8")).get("require", {})
    except (OSError, ValueError, AttributeError):
        wanted = {}
    found |= {name.removeprefix("ext-") for name in wanted if name.startswith("ext-")}
    return found & _EXTENSIONS


def _only_first_per_file(findings: list[Finding]) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for finding in findings:
        key = (finding.rule, finding.path)
        if key not in seen:
            seen.add(key)
            yield finding


def _database_files(app: Path) -> Iterator[Finding]:
    for path in _files(app):
        with path.open("rb") as file:
            if file.read(16) == b"SQLite format 3\0":
                rule = next(rule for rule in RULES if rule.id == "data.sqlite")
                yield Finding(rule.id, rule.severity, str(path.relative_to(app)), 0, rule.what, rule.remedy)


def detect(app: Path) -> Detected:
    """Look at an app's folder. Reads only. Raises InputError where there is no folder."""
    if not app.is_dir():
        raise InputError(
            "no such folder", subject=str(app), hint="Give the folder that holds the app's code."
        )
    findings: list[Finding] = []
    texts: dict[Path, str] = {}
    folders: dict[str, None] = {}
    for path in _files(app):
        relative = path.relative_to(app)
        if not any(_fits(rule, relative) for rule in RULES):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        findings += scan_text(relative, text)
        if path.suffix in {".php", ".phtml", ".inc"}:
            texts[relative] = text
            folders.update(dict.fromkeys(_upload_folders(text)))
    findings += _database_files(app)
    order = {"blocks": 0, "moves": 1, "warns": 2, "note": 3}
    findings = sorted(
        _only_first_per_file(findings), key=lambda f: (order[f.severity], f.rule, f.path, f.line)
    )
    return Detected(
        kind=kind_of(app),
        web_root="/public" if (app / "public" / "index.php").is_file() else "",
        findings=tuple(findings),
        uploads=tuple(folders),
        extensions=tuple(sorted(_extensions(app, texts))),
    )
