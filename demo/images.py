"""The images of the demo: the Dockerfiles that users build, offline, on the lab's own base images."""

import shutil
import subprocess
import sys
from pathlib import Path

from lab import Lab

__all__ = ["ROOT", "build_exporters", "context_with_wheels"]

ROOT = Path(__file__).resolve().parents[1]
EXPORTERS = "swarmstead/exporters:demo"


def context_with_wheels(folder: Path, packages: list[str], lock: str) -> Path:
    """Make a build context: our packages, the lock, and the wheels it names (fetched once, then kept)."""
    wheels = ROOT / ".cache" / "wheels" / Path(lock).stem
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--require-hashes", "--prefer-binary"]
    subprocess.run(
        [*fetch, "--find-links", str(wheels), "-d", str(wheels), "-r", str(ROOT / "requirements" / lock)],
        check=True,
    )
    folder.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for package in packages:
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    shutil.copytree(wheels, folder / "wheels")
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / lock, folder / "requirements")
    return folder


def build_exporters(lab: Lab, folder: Path) -> str:
    """Build the exporters' image and give it to every node; return its tag."""
    base = lab.load_base("python")
    context = context_with_wheels(folder / "exporters", ["swarmstead", "exporters"], "exporters.lock")
    build_args = {"BASE": base, "PIP_NO_INDEX": "1"}
    lab.build(context, EXPORTERS, dockerfile=context / "exporters" / "Dockerfile", build_args=build_args)
    return EXPORTERS
