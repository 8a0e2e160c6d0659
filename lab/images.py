"""Images for the lab without a registry: base images from packages, and what is built on them."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import debian
from lab.errors import CommandFailed, LabError
from lab.node import Node
from lab.process import run
from lab.recipes import Recipe, recipe

__all__ = ["Archive", "base_image", "build", "cache_folder", "spread"]

_EDITION = 3  # raise it when what is written below changes: cached archives are made anew then
_MERGED = ("bin", "sbin", "lib", "lib64")
_FOLDERS = ("dev", "etc", "home", "opt", "proc", "root", "run", "srv", "sys", "usr", "var", "var/cache",
            "var/lib", "var/log", *(f"usr/{name}" for name in _MERGED))  # fmt: skip
_USERS = {"root": 0, "www-data": 33, "app": 10001, "nobody": 65534}
_ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]


@dataclass(frozen=True)
class Archive:
    """An image as a file that `docker load` takes."""

    tag: str
    path: Path

    @property
    def image_id(self) -> str:
        """Return the image's id, which is the digest of its configuration and the same on every node."""
        with tarfile.open(self.path) as archive:
            manifest = archive.extractfile("manifest.json")
            config: str = json.loads(manifest.read() if manifest else b"")[0]["Config"]
        return f"sha256:{config.removesuffix('.json')}"

    def load_into(self, node: Node) -> None:
        """Load the image into a node that does not have it."""
        if node.engine.image_id(self.tag) != self.image_id:
            with self.path.open("rb") as file:
                node.engine.load(file)


def cache_folder() -> Path:
    """Return where base images are kept between labs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swarmstead" / "images"


def base_image(name: str) -> Archive:
    """Return the base image of a recipe, made where the cache lacks it.

    Raises LabError where the recipe is unknown or its Debian packages are not installed here.
    """
    wanted = recipe(name)
    here = debian.installed()
    missing = [package for package in wanted.all_packages if package not in here]
    if missing:
        raise LabError(
            f"The base image {name} needs Debian packages that are not installed: {' '.join(missing)}",
            f"apt-get install --no-install-recommends {' '.join(missing)}",
        )
    optional = [package for package in wanted.optional if package in here]
    packages = debian.closure([*wanted.all_packages, *optional], here)
    path = cache_folder() / f"{name}-{_key(wanted, packages)}.tar"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, wanted, packages)
    return Archive(wanted.tag, path)


def _key(wanted: Recipe, packages: Iterable[debian.Package]) -> str:
    """Return what names the image's content: its recipe, its packages' versions, its extra files."""
    parts = [str(_EDITION), repr(wanted)]
    parts += [f"{package.name}={package.version}" for package in packages]
    parts += [f"{path} {path.lstat().st_mtime_ns}" for path in _extra(wanted)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _extra(wanted: Recipe) -> list[Path]:
    found = []
    for name in wanted.extra:
        found += [path for path in sorted(Path(name).rglob("*")) if path.is_symlink() or path.is_file()]
    return found


def _write(path: Path, wanted: Recipe, packages: Sequence[debian.Package]) -> None:
    """Write the archive beside its place and move it there, so that a cached file is a whole one."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        layer = Path(folder) / "layer.tar"
        _write_layer(layer, wanted, packages)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        config = json.dumps(_config(digest)).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [wanted.tag], "Layers": ["layer.tar"]}]
        new = Path(folder) / "image.tar"
        with tarfile.open(new, "w") as archive:
            _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
            _add_bytes(archive, config_name, config)
            archive.add(layer, "layer.tar")
        new.replace(path)


def _config(layer_digest: str) -> dict[str, Any]:
    machine = os.uname().machine
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Env": _ENV, "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "swarmstead lab"}],
    }


def _write_layer(path: Path, wanted: Recipe, packages: Sequence[debian.Package]) -> None:
    chosen = set(debian.files(packages))
    chosen |= set(debian.alternatives(chosen))
    chosen |= set(_extra(wanted))
    chosen |= set(debian.folders(packages))
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    chosen |= {bundle} if bundle.exists() else set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as layer:
        _add_skeleton(layer, wanted)
        plain = _plain(_USERS | wanted.users)
        ours = {Path("/", name) for name in layer.getnames()}
        for file in sorted(path for path in chosen - ours if not wanted.leaves_out(path)):
            layer.add(file, str(file).lstrip("/"), recursive=False, filter=plain)


def _plain(users: Mapping[str, int]) -> Callable[[tarfile.TarInfo], tarfile.TarInfo]:
    """Return what gives a file to the image's user of the same name, else to root, and lets all read it."""

    def fit(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = users.get(entry.uname, 0)
        entry.uname = entry.gname = ""
        entry.mode |= 0o444
        return entry

    return fit


def _add_skeleton(layer: tarfile.TarFile, wanted: Recipe) -> None:
    for name in _FOLDERS:
        _add_folder(layer, name)
    for name in ("tmp", "var/tmp"):
        _add_folder(layer, name, mode=0o1777)
    for name in _MERGED:
        _add_link(layer, name, f"usr/{name}")
    _add_link(layer, "var/run", "../run")
    for name, text in _accounts(wanted).items():
        _add_bytes(layer, f"etc/{name}", text.encode())
    for folder in wanted.folders:
        _add_folder(layer, folder, uid=_USERS["www-data"])
    for user, uid in wanted.users.items():
        for folder in ("lib", "log"):
            _add_folder(layer, f"var/{folder}/{user}", uid=uid)
    _add_folder(layer, "home/app", uid=_USERS["app"])


def _accounts(wanted: Recipe) -> dict[str, str]:
    users = _USERS | wanted.users
    homes = {"root": "/root", "app": "/home/app", "www-data": "/var/www"}
    groups = {"nogroup" if name == "nobody" else name: number for name, number in users.items()}
    return {
        "passwd": "".join(
            f"{name}:x:{number}:{number}::{homes.get(name, '/')}:/bin/sh\n" for name, number in users.items()
        ),
        "group": "".join(f"{name}:x:{number}:\n" for name, number in groups.items()),
        "shadow": "".join(f"{name}:*:19000:0:99999:7:::\n" for name in users),
        "gshadow": "".join(f"{name}:*::\n" for name in groups),
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    }


def _add_folder(layer: tarfile.TarFile, name: str, *, mode: int = 0o755, uid: int = 0) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    entry.uid = entry.gid = uid
    layer.addfile(entry)


def _add_link(layer: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    layer.addfile(entry)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def build(
    builder: Node,
    context: Path,
    tag: str,
    dockerfile: Path | None,
    build_args: Mapping[str, str],
    timeout: float,
) -> None:
    """Run `docker build` on one node. Raises CommandFailed, with the build's output."""
    words = ["build", "--tag", tag, *(["--file", str(dockerfile)] if dockerfile else [])]
    words += [word for name, value in build_args.items() for word in ("--build-arg", f"{name}={value}")]
    client = os.environ.get("SWARMSTEAD_LAB_DOCKER") or "docker"
    # BuildKit is a plugin that may be missing, and would look base images up in a registry.
    environment = builder.environment() | {"DOCKER_BUILDKIT": "0"}
    try:
        run([client, *words, str(context)], timeout=timeout, env=environment)
    except CommandFailed as failed:
        both = f"{failed.stdout[-3000:]}\n{failed.stderr}"
        raise CommandFailed(failed.argv, failed.returncode, failed.stdout, both) from failed


def spread(
    builder: Node,
    others: Sequence[Node],
    tag: str,
    each: Callable[[Callable[[Node], None], Iterable[Node]], object],
) -> None:
    """Give the image to the other nodes, to all at once; those that have it are left alone."""
    wanted = builder.engine.image_id(tag)
    lacking = [node for node in others if node.engine.image_id(tag) != wanted]
    if not lacking:
        return
    with tempfile.NamedTemporaryFile(dir=builder.folder) as file:
        builder.engine.save(tag, file)
        file.flush()

        def load(node: Node) -> None:
            with Path(file.name).open("rb") as image:
                node.engine.load(image)

        each(load, lacking)
