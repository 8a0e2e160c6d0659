"""Name every config in the stack files by a hash of its content: `python3 stacks/rehash.py` after an edit.

Docker never changes a config: deploying the same name with other content fails with "only updates to Labels
are allowed" (moby#35803). With the hash in its name a changed file is a new config, and the services that use
it are updated like for a new image. The old config stays until `docker config rm`.
"""

import hashlib
import re
import sys
from pathlib import Path

__all__ = ["rehash"]

_ENTRY = re.compile(r"\{name: (?P<name>[\w.-]+)-(?P<hash>[0-9a-f]{8}), file: (?P<file>[^}]+)\}")


def rehash(text: str, folder: Path) -> str:
    """Return a stack file's text with the right hashes; `folder` is where its relative paths begin.

    Raises FileNotFoundError where a config's file is missing.
    """

    def renamed(entry: re.Match[str]) -> str:
        content = (folder / entry["file"]).read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:8]
        return f"{{name: {entry['name']}-{digest}, file: {entry['file']}}}"

    return _ENTRY.sub(renamed, text)


def main() -> None:
    """Rewrite the files of this folder that changed, and say which."""
    folder = Path(__file__).parent
    for path in sorted(folder.glob("*.yml")):
        before = path.read_text()
        after = rehash(before, folder)
        if after != before:
            path.write_text(after)
            sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
