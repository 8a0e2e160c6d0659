"""The real Mover of a folder of uploads, by `migrate.files`."""

from pathlib import Path

from migrate.files import Choices, Manifest, copy_pass, reverse, verify
from migrate.remotes import Remote, open_remote
from swarmstead.errors import InputError, Refused
from swarmstead.logs import hide
from swarmstead.progress import Reporter
from swarmstead.stop import Stop

from .plan import Files
from .ports import Proof, Report

__all__ = ["FileMover"]


def _secret(path: str) -> str:
    if not path:
        return ""
    try:
        return hide(Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", subject=path) from None


class FileMover:
    """One folder of uploads to its remote and back. Its manifest is a ledger of its own."""

    def __init__(self, plan: Files, state: Path, number: int) -> None:
        self._plan = plan
        self._root = Path(plan.folder)
        self._manifest = state / f"files-{number}.ledger"

    @property
    def what(self) -> str:
        """Return its name in reports."""
        return f"files {self._plan.inside}"

    def _remote(self, stop: Stop | None = None) -> Remote:
        """Open the remote. stop: ends its waits between tries, too."""
        plan = self._plan
        return open_remote(
            plan.remote,
            endpoint=plan.endpoint,
            region=plan.region,
            key_id=_secret(plan.key_id_file),
            key=_secret(plan.key_file),
            wait=stop.wait if stop else None,
        )

    def check(self) -> Report:
        """Look whether the folder is there and the remote answers."""
        if not self._root.is_dir():
            raise Refused("there is no such folder", subject=str(self._root))
        first = next(iter(self._remote().list()), None)
        return {"remote": self._plan.remote, "empty": first is None}

    def copy(self, stop: Stop, reporter: Reporter) -> Report:
        """Bring over what is new or changed."""
        with Manifest(self._manifest) as manifest:
            return copy_pass(self._root, self._remote(stop), manifest, stop=stop, reporter=reporter).as_dict()

    def late(self, stop: Stop, reporter: Reporter) -> Report:
        """Bring over what was written while the switch was under way; names that are there stay."""
        with Manifest(self._manifest) as manifest:
            return copy_pass(
                self._root,
                self._remote(stop),
                manifest,
                stop=stop,
                reporter=reporter,
                choices=Choices(overwrite=False),
            ).as_dict()

    def reverse(self, stop: Stop, reporter: Reporter, *, held: bool) -> Report:
        """Bring back what was written since."""
        with Manifest(self._manifest) as manifest:
            return reverse(self._root, self._remote(stop), manifest, stop=stop).as_dict()

    def verify(self, stop: Stop, reporter: Reporter, *, after_switch: bool) -> Proof:
        """Compare each file of the folder with the remote, by hash."""
        report = verify(self._root, self._remote(stop))
        return Proof(self.what, report.proved, report.as_dict())
