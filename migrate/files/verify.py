"""The proof: each file of the source stands at the remote with the same bytes."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrate.files.copy import open_below
from migrate.files.scan import Found, Odd, scan
from migrate.remotes import Remote

__all__ = ["VerifyReport", "verify"]

_WORKERS = 8


@dataclass
class VerifyReport:
    """Counts, and the names that differ or are missing at the remote."""

    checked: int = 0
    same: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    odd: list[Odd] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """Return whether every file was found with the same bytes."""
        return not self.missing and not self.different

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return {**asdict(self), "proved": self.proved}


def _hash_at(remote: Remote, name: str) -> tuple[int, str] | None:
    stored = remote.head(name)
    if stored is None:
        return None
    if stored.sha1:
        return stored.size, stored.sha1
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    with remote.get(name) as body:
        for chunk in body.chunks if body else ():
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _compare(root: Path, remote: Remote, found: Found) -> tuple[Found, str]:
    try:
        descriptor = open_below(root, found.name)
    except FileNotFoundError:
        return found, "gone"
    with os.fdopen(descriptor, "rb") as file:
        ours = (os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha1").hexdigest())
    theirs = _hash_at(remote, found.name)
    if theirs is None:
        return found, "missing"
    return found, "same" if ours == theirs else "different"


def verify(root: Path, remote: Remote) -> VerifyReport:
    """Read every file again and compare its SHA-1 and size with the remote's."""
    report = VerifyReport()
    files = []
    for found in scan(root):
        if isinstance(found, Odd):
            report.odd.append(found)
        else:
            files.append(found)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for found, answer in pool.map(lambda file: _compare(root, remote, file), files):
            if answer == "gone":
                continue
            report.checked += 1
            if answer == "same":
                report.same += 1
                report.bytes += found.size
            else:
                (report.missing if answer == "missing" else report.different).append(found.name)
    return report
