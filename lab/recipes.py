"""The base images a lab can make, each from Debian packages that this machine has installed."""

from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError

__all__ = ["RECIPES", "Recipe", "recipe"]

# What every image holds, so that a Dockerfile's RUN works: a shell, the usual tools, useradd.
_GROUND = (
    "base-files", "bash", "coreutils", "dash", "findutils", "grep", "gzip", "libc-bin", "mawk", "passwd",
    "procps", "sed", "tar",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What goes into one base image."""

    name: str
    packages: tuple[str, ...]
    """Debian packages; what they depend on comes along."""
    optional: tuple[str, ...] = ()
    """Packages that go in where this machine has them."""
    extra: tuple[str, ...] = ()
    """Files or folders that the packages' install scripts made, so that no package lists them."""
    folders: tuple[str, ...] = ()
    """Folders for www-data, as /run/php, which a booting machine would make."""
    without: tuple[str, ...] = ()
    """Files and folders that are left out: large, and of no use in a container."""
    users: dict[str, int] = field(default_factory=dict)
    """Users beside root, www-data (33), app (10001) and nobody."""

    def leaves_out(self, path: Path) -> bool:
        """Return whether the file stays out of the image."""
        return any(path.is_relative_to(each) for each in self.without)

    @property
    def tag(self) -> str:
        """The image's name."""
        return f"lab/{self.name}:bookworm"

    @property
    def all_packages(self) -> tuple[str, ...]:
        """The packages with the ground that every image stands on."""
        return _GROUND + self.packages


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("base", ()),
        Recipe("python", ("python3", "python3-venv")),
        Recipe(
            "php",
            ("nginx-light", "php-redis", "php8.2-cli", "php8.2-fpm"),
            optional=("php8.2-gd", "php8.2-mbstring", "php8.2-curl", "php8.2-sqlite3", "php8.2-xml"),
            extra=("/etc/php", "/etc/nginx/modules-enabled"),
            folders=("run/php",),
        ),
        Recipe(
            "redis",
            ("redis-server", "redis-tools"),
            optional=("prometheus-redis-exporter",),
            users={"redis": 999},
        ),
        Recipe("nginx", ("nginx-light",), extra=("/etc/nginx/modules-enabled",)),
        Recipe("haproxy", ("haproxy",), users={"haproxy": 999}),
        Recipe(
            "prometheus",
            ("prometheus",),
            optional=("prometheus-alertmanager", "prometheus-node-exporter"),
            without=("/usr/bin/amtool", "/usr/bin/promtool", "/usr/share/javascript"),
            users={"prometheus": 999},
        ),
    )
}
"""By name."""


def recipe(name: str) -> Recipe:
    """Return the recipe of this name. Raises LabError where there is none."""
    if name not in RECIPES:
        raise LabError(f"There is no base image named {name}", f"There are: {', '.join(sorted(RECIPES))}")
    return RECIPES[name]
