"""The images of the demo: the Dockerfiles that users build, offline, on the lab's own base images."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from lab import Lab

__all__ = ["ROOT", "build_exporters", "build_migrate", "context_with_wheels"]

ROOT = Path(__file__).resolve().parents[1]
EXPORTERS = "swarmstead/exporters:demo"
MIGRATE = "swarmstead/migrate:demo"


def context_with_wheels(folder: Path, packages: list[str], lock: str) -> Path:
    """Make a build context: our packages, the lock, and the wheels it names (fetched once, then kept)."""
    wheels = ROOT / ".cache" / "wheels" / Path(lock).stem
    folder.mkdir()
    # The image's Python may be another patch release than ours: fetch what either needs.
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    wide = folder / "wide.lock"
    wide.write_text(re.sub(r" ; python_full_version[^\\\n]*", " ", text), encoding="utf-8")
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--require-hashes", "--prefer-binary"]
    subprocess.run([*fetch, "--find-links", str(wheels), "-d", str(wheels), "-r", str(wide)], check=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for package in packages:
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    shutil.copytree(wheels, folder / "wheels")
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / lock, folder / "requirements")
    return folder


def build_migrate(lab: Lab, folder: Path) -> str:
    """Build the image of `migrate`, which every node runs as cache; return its tag."""
    return _build(lab, folder / "migrate", ["swarmstead", "migrate"], "migrate", MIGRATE)


def build_exporters(lab: Lab, folder: Path) -> str:
    """Build the exporters' image and give it to every node; return its tag."""
    return _build(lab, folder / "exporters", ["swarmstead", "exporters"], "exporters", EXPORTERS)


def _build(lab: Lab, folder: Path, packages: list[str], name: str, tag: str) -> str:
    base = lab.load_base("python")
    context = context_with_wheels(folder, packages, f"{name}.lock")
    build_args = {"BASE": base, "PIP_NO_INDEX": "1"}
    lab.build(context, tag, dockerfile=context / name / "Dockerfile", build_args=build_args)
    return tag
