"""Each command explains itself, and the status is the same for people and programs."""

import click
import pytest

from lab.cli import cli
from lab.status import as_table


def _commands(group: click.Group, path: str = "lab") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        inner = f"{path} {name}"
        found += _commands(command, inner) if isinstance(command, click.Group) else [(inner, command)]
    return found


@pytest.mark.parametrize(
    ("path", "command"), _commands(cli), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_has_help(path: str, command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


def test_the_table_holds_what_the_data_hold() -> None:
    node = {
        "node": "n1", "address": "10.77.0.11", "engine": "down", "swarm": "", "availability": "active",
        "role": "leader", "cuts": ["10.77.0.12", "10.77.0.13"],
    }  # fmt: skip
    first, head, row = as_table({"name": "lab", "gateway": "10.77.0.1", "nodes": [node]}).splitlines()
    assert first == "Lab lab, host at 10.77.0.1"
    assert head.split() == ["NODE", "ADDRESS", "ENGINE", "SWARM", "AVAILABILITY", "ROLE", "CUTS"]
    assert row.split() == ["n1", "10.77.0.11", "down", "-", "active", "leader", "10.77.0.12", "10.77.0.13"]
