"""Writing generated files into a folder where a person may have edited them: an edit is never lost.

What was generated last is kept by hash in ``.generated.json``. A file that stands as it was generated is
renewed; one that somebody edited stays, and what would have been written lies beside it as ``NAME.new``.
"""

import difflib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .records import Text

__all__ = ["Written", "copy_code", "folder_digest", "write_files"]

_RECORD = ".generated.json"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one file: ``written``, ``same``, or ``kept`` with the diff from it to the new one."""

    path: str
    what: str
    diff: str = ""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)


def write_files(folder: Path, texts: Mapping[str, Text]) -> list[Written]:
    """Write files, path below `folder` to content; return what became of each. Idempotent."""
    record = folder / _RECORD
    generated: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    outcome = []
    for name, text in texts.items():
        path, data = folder / name, text.encode()
        there = path.read_bytes() if path.exists() else None
        if there == data:
            what = Written(name, "same")
        elif there is None or _digest(there) == generated.get(name):
            _replace(path, data)
            what = Written(name, "written")
        else:
            _replace(path.with_name(f"{path.name}.new"), data)
            lines = difflib.unified_diff(
                there.decode(errors="replace").splitlines(keepends=True),
                text.splitlines(keepends=True),
                name,
                f"{name}.new",
            )
            outcome.append(Written(name, "kept", "".join(lines)))
            continue
        generated[name] = _digest(data)
        path.with_name(f"{path.name}.new").unlink(missing_ok=True)
        outcome.append(what)
    _replace(record, json.dumps(generated, indent=1, sort_keys=True).encode())
    return outcome


def copy_code(source: Path, target: Path, *, leave_out: Callable[[Path], bool]) -> int:
    """Make `target` a fresh copy of the app's code; return the number of files.

    leave_out: whether a path relative to `source`, file or folder, stays behind. Links are kept as links.
    """
    fresh = target.with_name(f".{target.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)

    def ignore(folder: str, names: list[str]) -> list[str]:
        here = Path(folder).relative_to(source)
        return [name for name in names if leave_out(here / name) or _odd(Path(folder, name))]

    shutil.copytree(source, fresh, symlinks=True, ignore=ignore)
    for path in fresh.rglob("*"):
        if not path.is_symlink():
            # The container's user only reads the code; the old host's modes may be for another user.
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.chmod(0o755)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return sum(1 for path in target.rglob("*") if path.is_file())


def _odd(path: Path) -> bool:
    return not (path.is_symlink() or path.is_dir() or path.is_file())


def folder_digest(folder: Path, *parts: str) -> str:
    """Return a hash of all that `docker build` sees below these parts of the folder: names, modes, bytes."""
    total = hashlib.sha256()
    for part in parts:
        start = folder / part
        paths = sorted(start.rglob("*")) if start.is_dir() else [start]
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                continue
            name = os.fsencode(path.relative_to(folder))
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            executable = b"x" if not path.is_symlink() and path.stat().st_mode & 0o100 else b"-"
            total.update(b"%d:%s%s%d:" % (len(name), name, executable, len(content)) + content)
    return total.hexdigest()
