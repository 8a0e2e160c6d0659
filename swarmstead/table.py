"""Every setting of every command, with its unit and default: the one table.

Names are unique over all commands, since each is one environment variable.
"""

import click

from swarmstead.settings import Setting

__all__ = ["TABLE"]

_ALL = [
    # Every command
    Setting("log-level", "How much to log.", "info", click.Choice(["debug", "info", "warning", "error"])),
    Setting("log-json", "Log one JSON object per line.", default=False, flag=True),
]

TABLE: dict[str, Setting] = {setting.name: setting for setting in _ALL}
if len(TABLE) != len(_ALL):
    raise AssertionError("two settings share a name")
