"""The guard's own process: see `guard`. Run by its path, with nothing but the standard library.

Standard input: one line of JSON (hold, back, forward: commands; mark: a path), then words; each of `hold`
and `commit` is answered with a line.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_PATIENCE_SECONDS = 60
_WORDS = 500


def _run(words: list[str]) -> dict[str, object]:
    """Run a command; return its exit code and its last words."""
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=_PATIENCE_SECONDS, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"code": 1, "said": str(error)}
    said = (done.stderr or done.stdout).decode(errors="replace").strip()[-_WORDS:]
    return {"code": done.returncode, "said": said}


def _answer(line: str) -> None:
    with suppress(BrokenPipeError):  # whoever asked has died: what is to be done then comes next
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


def _make(mark: Path) -> None:
    """Make the file, and return once it would outlast a loss of power."""
    with mark.open("w", encoding="utf-8") as file:
        os.fsync(file.fileno())
    folder = os.open(mark.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def _main() -> int:
    job = json.loads(sys.stdin.readline())
    mark = Path(job["mark"])
    for line in sys.stdin:
        if line.strip() == "hold":
            _answer(json.dumps(_run(job["hold"])))
        elif line.strip() == "commit":
            _make(mark)
            _answer("committed")
        elif line.strip() == "done":
            return 0
    return 1 if _run(job["forward" if mark.exists() else "back"])["code"] else 0


if __name__ == "__main__":
    sys.exit(_main())
