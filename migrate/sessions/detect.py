"""Which store of sessions an app has, told from its files: where, whether it can move, what the switch needs.

Order matters: frameworks before plain PHP, since Laravel and WordPress call PHP's sessions too.
"""

from collections.abc import Callable
from pathlib import Path

from .finding import Finding
from .stacks import django, express, flask, java, rails
from .stacks_php import cms, codeigniter, laravel, php, symfony, wordpress

__all__ = ["Finding", "detect"]

_STACKS: tuple[Callable[[Path], Finding | None], ...] = (
    laravel,
    wordpress,
    codeigniter,
    symfony,
    django,
    flask,
    rails,
    express,
    java,
    cms,
    php,
)


def detect(app: Path) -> list[Finding]:
    """Return what keeps sessions in the app at `app`: the first framework recognised."""
    for stack in _STACKS:
        found = stack(app)
        if found is not None:
            return [found]
    return []
