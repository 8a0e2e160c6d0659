"""Uploaded files: scanned, copied to a remote while the app lives, proved, cut over, and brought back.

::

    with Manifest(path) as manifest:
        copy_pass(root, remote, manifest)           # as often as you like; only what changed is sent
        verify(root, remote, manifest).proved
        cut_over(root, remote, manifest)            # the app holds still
        reverse(root, remote, manifest)             # what was written since comes back
"""

from migrate.files.back import BackReport, aside_folder, reverse
from migrate.files.copy import Choices, CopyReport, copy_pass, refuse_odd, survey
from migrate.files.cutover import CutoverReport, cut_over
from migrate.files.manifest import Entry, Manifest
from migrate.files.names import LIMITS, Limits, escaped, shown, trouble, twins
from migrate.files.pace import Timetable
from migrate.files.scan import Found, Odd, open_below, scan
from migrate.files.verify import Mark, VerifyReport, verify

__all__ = [
    "LIMITS",
    "BackReport",
    "Choices",
    "CopyReport",
    "CutoverReport",
    "Entry",
    "Found",
    "Limits",
    "Manifest",
    "Mark",
    "Odd",
    "Timetable",
    "VerifyReport",
    "aside_folder",
    "copy_pass",
    "cut_over",
    "escaped",
    "open_below",
    "refuse_odd",
    "reverse",
    "scan",
    "shown",
    "survey",
    "trouble",
    "twins",
    "verify",
]
