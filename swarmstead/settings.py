"""Settings: a flag, else ``SWARMSTEAD_NAME``, else the file that ``SWARMSTEAD_NAME_FILE`` names.

Every setting of every command stands in one table, `swarmstead.table.TABLE`; a command takes those it
names with `settings(...)`. An environment variable that begins with ``SWARMSTEAD_`` and is in no table
is refused: a typing error must not silently mean the default.

Secrets have no flag, since argv is readable by every user of a host: they come from the environment or,
better, from a file (a Docker secret).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from swarmstead.errors import UsageError
from swarmstead.logs import hide

__all__ = ["PREFIX", "Setting", "refuse_unknown", "settings"]

PREFIX = "SWARMSTEAD_"
_F = TypeVar("_F", bound=Callable[..., Any])
_DEVELOPMENT = "SWARMSTEAD_TEST_", "SWARMSTEAD_LAB_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    name: in kebab case; the flag is ``--name``, the variable ``SWARMSTEAD_NAME``.
    help: one sentence that gives the unit.
    type: any click type. multiple: the variable holds a list split at commas.
    flag: whether it is a switch. secret: no flag on the command line, masked in logs.
    """

    name: str
    help: str
    default: Any = None
    type: Any = str
    multiple: bool = False
    flag: bool = False
    secret: bool = False
    metavar: str | None = None

    @property
    def variable(self) -> str:
        """Return the environment variable's name."""
        return PREFIX + self.name.replace("-", "_").upper()

    @property
    def parameter(self) -> str:
        """Return the name of the Python parameter."""
        return self.name.replace("-", "_")


def refuse_unknown(environment: Mapping[str, str], table: Mapping[str, Setting]) -> None:
    """Raise UsageError for a ``SWARMSTEAD_*`` variable that no setting has."""
    known = {setting.variable for setting in table.values()}
    known |= {name + "_FILE" for name in known}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name.startswith(_DEVELOPMENT) or name in known:
            continue
        near = get_close_matches(name, known, 1)
        raise UsageError(
            "no such setting",
            subject=name,
            hint=f"Did you mean {near[0]}?" if near else "Unset it; --help lists the settings.",
        )


def _from_environment(setting: Setting, environment: Mapping[str, str]) -> str | None:
    """Return the setting's value from its variable or its file, or None; both together are refused."""
    direct, path = environment.get(setting.variable), environment.get(setting.variable + "_FILE")
    if path is None:
        return direct
    if direct is not None:
        raise UsageError(
            f"{setting.variable}_FILE is set too", subject=setting.variable, hint="Keep one of the two."
        )
    try:
        # Docker's convention: the newline that an editor leaves at the end is no part of the secret.
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot be read: {reason}", subject=f"{setting.variable}_FILE={path}") from None


class _Option(click.Option):
    """A click option that knows its setting and looks into the environment our way."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        where = (
            f"[only by {setting.variable} or {setting.variable}_FILE]"
            if setting.secret
            else f"[env: {setting.variable}]"
        )
        super().__init__(
            [f"--{setting.name}", setting.parameter],
            help=f"{setting.help}  {where}",
            default=setting.default,
            type=bool if setting.flag else setting.type,
            multiple=setting.multiple,
            is_flag=setting.flag,
            show_default=setting.default not in (None, (), False),
            metavar=setting.metavar,
        )

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        value = _from_environment(self.setting, os.environ)
        return value or None

    def value_from_envvar(self, ctx: click.Context) -> Any:
        value = self.resolve_envvar_value(ctx)
        if value is None:
            return None
        if self.setting.secret:
            hide(value)
        if self.setting.multiple:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> Any:
        if self.setting.secret and opts.get(self.name or "") is not None:
            raise UsageError(
                "a secret does not belong on the command line, where every user of the host can read it",
                subject=f"--{self.setting.name}",
                hint=f"Set {self.setting.variable}_FILE to a file that holds it.",
            )
        return super().consume_value(ctx, opts)


def settings(table: Mapping[str, Setting], *names: str) -> Callable[[_F], _F]:
    """Give a click command the named settings of the table, as keyword parameters."""

    def decorate(function: _F) -> _F:
        parameters = function.__dict__.setdefault("__click_params__", [])
        parameters.extend(_Option(table[name]) for name in reversed(names))
        return function

    return decorate
