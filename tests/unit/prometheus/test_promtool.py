"""Prometheus's own tools accept the configuration, and its own test runner the alerts."""

import subprocess
from pathlib import Path

import pytest

from tests.support.programs import need

ROOT = Path(__file__).parents[3] / "prometheus"
RULES = sorted((ROOT / "rules").glob("*.yml"))
TESTS = sorted((ROOT / "tests").glob("*.yml"))


def _accepts(program: str, *words: str | Path) -> None:
    need(program, package="prometheus prometheus-alertmanager")
    done = subprocess.run(
        [program, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration() -> None:
    _accepts("promtool", "check", "config", "prometheus.yml")


@pytest.mark.parametrize("file", RULES, ids=lambda path: path.stem)
def test_prometheus_takes_the_rules(file: Path) -> None:
    _accepts("promtool", "check", "rules", "--lint=all", "--lint-fatal", file)


@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(file: Path) -> None:
    _accepts("promtool", "test", "rules", file)


def test_alertmanager_takes_the_configuration() -> None:
    _accepts("amtool", "check-config", "alertmanager.yml")
