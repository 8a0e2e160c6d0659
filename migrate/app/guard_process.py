"""The guard's own process: see `guard`. Run by its path, with nothing but the standard library.

Standard input: one line of JSON (back, forward: commands; mark: a path), then words.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

_PATIENCE_SECONDS = 60


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
        if line.strip() == "commit":
            _make(mark)
            sys.stdout.write("commit\n")
            sys.stdout.flush()
        elif line.strip() == "done":
            return 0
    words = job["forward" if mark.exists() else "back"]
    return subprocess.run(words, timeout=_PATIENCE_SECONDS, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(_main())
