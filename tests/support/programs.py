"""Programs that tests start, and ports for them."""

import os
import shutil
import socket

import pytest

__all__ = ["free_port", "need"]


def need(*programs: str, package: str = "") -> str:
    """Return the first program's path; skip, or with CI=true fail, where one is missing.

    package: Debian's.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        how = f"apt-get install {package}" if package else "./run test installs it"
        says = f"{' '.join(missing)} not installed: {how}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(says)
    return shutil.which(programs[0]) or ""


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
