"""One lab for the whole run, brought back to its first state before each test that asks for it.

Images stay: each is built once, when the first test asks for it.

`lab` is for a test of its own; `module_lab` is for a file whose tests share what its own fixtures
deploy. All tests below this folder are marked `lab` and go to one worker of pytest-xdist.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.images import build_exporters, build_migrate
from lab import Lab, preflight
from lab.labs import sweep

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.xdist_group("lab"))
            # Real engines on a shared machine: one that was too busy gets a second try, shown as RERUN.
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def lab_machine() -> None:
    """Skip, or with CI=true fail, where this machine cannot hold a lab."""
    missing = preflight()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    sweep("test-")  # of runs that were killed


@pytest.fixture(scope="session")
def shared_lab(lab_machine: None) -> Iterator[Lab]:
    """Three nodes, one of them a manager; as the test before left them."""
    with Lab.up(name=f"test-{os.getpid()}") as running:
        yield running


@pytest.fixture(scope="session")
def exporters_image(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The exporters' image, on every node."""
    shared_lab.reset()
    return build_exporters(shared_lab, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def migrate_image(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of `migrate`, on every node."""
    shared_lab.reset()
    return build_migrate(shared_lab, tmp_path_factory.mktemp("image"))


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """Three living nodes, one of them a manager, and nothing deployed."""
    shared_lab.reset()
    return shared_lab


@pytest.fixture(scope="module")
def module_lab(shared_lab: Lab) -> Lab:
    """The same, brought back to its first state once for a file of tests."""
    shared_lab.reset()
    return shared_lab
