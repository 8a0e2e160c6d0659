"""The cut-over: passes until nothing changes any more, then the proof, then the moment is written down."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrate.files.copy import Choices, CopyReport, copy_pass
from migrate.files.manifest import Manifest
from migrate.files.verify import VerifyReport, verify
from migrate.remotes import Remote
from swarmstead.errors import Different, Refused
from swarmstead.progress import Reporter
from swarmstead.stop import Stop

__all__ = ["CutoverReport", "cut_over"]

_MOST_PASSES = 10


@dataclass
class CutoverReport:
    """The passes it took, and the proof. at: Unix time in seconds."""

    passes: list[CopyReport] = field(default_factory=list)
    proof: VerifyReport = field(default_factory=VerifyReport)
    at: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "passes": [asdict(one) for one in self.passes],
            "proof": self.proof.as_dict(),
            "at": self.at,
        }


def cut_over(
    root: Path,
    remote: Remote,
    manifest: Manifest,
    *,
    quiet_seconds: float = 2.0,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
    choices: Choices | None = None,
) -> CutoverReport:
    """Copy until a pass that starts `quiet_seconds` after the last finds nothing new; then verify all.

    The app must not write meanwhile. Raises Refused while files still change, Different where the proof
    fails; then nothing is written down and the old host stays in charge.
    """
    stop = stop or Stop()
    report = CutoverReport()
    while True:
        one = copy_pass(root, remote, manifest, stop=stop, reporter=reporter, choices=choices)
        report.passes.append(one)
        if one.unreadable:
            raise Refused(
                f"{len(one.unreadable)} files cannot be read, first {one.unreadable[0]}",
                subject=str(root),
                hint="Run it as a user who may read them.",
            )
        if len(report.passes) > 1 and one.whole and not one.copied and not one.deleted:
            break
        if len(report.passes) >= _MOST_PASSES:
            raise Refused(
                f"files still change after {_MOST_PASSES} passes",
                subject=str(root),
                hint="Stop what writes there (the app, its cron jobs), then run it again.",
            )
        stop.wait(quiet_seconds)
        stop.check()
    report.proof = verify(root, remote, manifest, stop=stop, reporter=reporter)
    if not report.proof.proved:
        raise Different(
            f"{len(report.proof.missing)} missing, {len(report.proof.different)} different,"
            f" {len(report.proof.errors)} not readable",
            subject=remote.url,
            hint="See them: migrate files verify",
        )
    report.at = time.time()
    manifest.ledger.note(
        "cutover", {"at": report.at, "files": report.proof.same, "bytes": report.proof.bytes}
    )
    return report
