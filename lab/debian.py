"""This machine's installed Debian packages: which a recipe needs, and the files they put where."""

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import CommandFailed, LabError
from lab.process import run

__all__ = ["Package", "alternatives", "closure", "files", "folders", "installed", "parse"]

_DPKG = Path("/var/lib/dpkg")
_FORMAT = (
    "\t".join(
        f"${{{name}}}" for name in ("db:Status-Abbrev", "Package", "Architecture", "Version", "Provides")
    )
    + "\t${Pre-Depends}, ${Depends}\n"
)
# Needed to install packages or to boot a machine, never to run a program in a container.
_LEFT_OUT = re.compile(
    r"(adduser|debconf.*|dpkg|gcc-.*|init-system-helpers|lsb-base|mailcap|perl.*|sysvinit-utils|systemd.*|ucf)"
)
_BALLAST = re.compile(
    r"/usr/share/(doc|doc-base|man|locale|info|lintian|bash-completion|bug|zoneinfo/(posix|right))(/|$)"
    r"|/(boot|dev|home|media|mnt|proc|run|sys|tmp)(/|$)|/etc/(init\.d|cron\..*|logrotate\.d)(/|$)"
)
_MERGED = re.compile(r"/(bin|sbin|lib|lib32|lib64|libx32)(/|$)")


@dataclass(frozen=True)
class Package:
    """One installed package. `needs` holds, for each dependency, the names that satisfy it."""

    name: str
    architecture: str
    version: str
    provides: frozenset[str]
    needs: tuple[tuple[str, ...], ...]


def installed() -> dict[str, Package]:
    """Return the packages that are installed here, by name. Raises LabError where this is no Debian."""
    try:
        return parse(run(["dpkg-query", "-W", "-f", _FORMAT]))
    except CommandFailed as failed:
        raise LabError(
            "Base images are made from installed Debian packages; dpkg-query failed here"
        ) from failed


def parse(listing: str) -> dict[str, Package]:
    """Read a listing of dpkg-query in `_FORMAT`, keeping what is installed."""
    found = {}
    for line in listing.splitlines():
        status, name, architecture, version, provides, needs = line.split("\t")
        if status.startswith("ii"):
            names = tuple(
                tuple(_name(one) for one in each.split("|")) for each in needs.split(",") if each.strip()
            )
            given = frozenset(_name(one) for one in provides.split(",") if one.strip())
            found[name] = Package(name, architecture, version, given, names)
    return found


def _name(relation: str) -> str:
    return relation.split("(", maxsplit=1)[0].split(":", maxsplit=1)[0].strip()


def closure(roots: Iterable[str], here: Mapping[str, Package]) -> list[Package]:
    """Return the packages `roots` with all they depend on, in the order of their names."""
    providers = {given: package.name for package in here.values() for given in package.provides}
    found: dict[str, Package] = {}
    queue = list(roots)
    while queue:
        name = queue.pop()
        name = name if name in here else providers.get(name, name)
        if name in found or name not in here or _LEFT_OUT.fullmatch(name):
            continue
        found[name] = here[name]
        for choice in here[name].needs:
            queue.extend([one for one in choice if one in here or one in providers][:1])
    return [found[name] for name in sorted(found)]


def files(packages: Iterable[Package]) -> Iterator[Path]:
    """Yield the files and links of the packages that are there, at their place after the /usr merge."""
    for package in packages:
        for line in _file_list(package).read_text().splitlines():
            merged = _MERGED.sub(r"/usr/\1\2", line, count=1) if _MERGED.match(line) else line
            path = Path(merged)
            if not _BALLAST.match(merged) and _is_file_or_link(path):
                yield path
                if path.suffix == ".py":  # compiled already, so that a start costs no CPU
                    yield from path.parent.glob(f"__pycache__/{path.stem}.cpython-*.pyc")


def folders(packages: Iterable[Package]) -> Iterator[Path]:
    """Yield the folders below /var that the packages made: logs, spools, sessions."""
    for package in packages:
        for line in _file_list(package).read_text().splitlines():
            path = Path(line)
            if line.startswith("/var/") and path.is_dir() and not path.is_symlink():
                yield path


def _file_list(package: Package) -> Path:
    plain = _DPKG / "info" / f"{package.name}.list"
    return plain if plain.exists() else plain.with_name(f"{package.name}:{package.architecture}.list")


def _is_file_or_link(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:  # diverted, or removed by hand
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def alternatives(present: set[Path]) -> Iterator[Path]:
    """Yield the links of update-alternatives, as /usr/bin/php, whose programs are among `present`."""
    for entry in (_DPKG / "alternatives").iterdir():
        chosen = Path("/etc/alternatives") / entry.name
        link = Path(entry.read_text().splitlines()[1])
        if chosen.is_symlink() and chosen.resolve() in present and link.is_symlink():
            yield chosen
            yield Path(_MERGED.sub(r"/usr/\1\2", str(link), count=1)) if _MERGED.match(str(link)) else link
