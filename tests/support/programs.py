"""Programs that tests start."""

import os
import shutil

import pytest

__all__ = ["need"]


def need(*programs: str, package: str) -> None:
    """Skip, or with CI=true fail, where a program is missing; `package` is Debian's."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        says = f"{' '.join(missing)} not installed: apt-get install {package}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(says)
