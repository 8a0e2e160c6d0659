"""Uploaded files to a remote by passes: scan, copy what changed, verify by hash, and the way back."""

from migrate.files.back import BackReport, reverse
from migrate.files.copy import CopyReport, copy_pass
from migrate.files.manifest import Entry, Manifest
from migrate.files.scan import Found, Odd, scan
from migrate.files.verify import VerifyReport, verify

__all__ = [
    "BackReport",
    "CopyReport",
    "Entry",
    "Found",
    "Manifest",
    "Odd",
    "VerifyReport",
    "copy_pass",
    "reverse",
    "scan",
    "verify",
]
