"""The files that an image is built from, rendered from templates: pure."""

from importlib.resources import files

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from .records import ImageSpec, Text

__all__ = ["BARRIER", "CACHE", "HITS", "SOCKETS", "render_image"]

SOCKETS = "/run/swarmstead"
"""Folder of the sockets that an app's replicas share with their node's cache."""
BARRIER = f"{SOCKETS}/barrier.sock"
CACHE = f"{SOCKETS}/cache.sock"
HITS = f"{SOCKETS}/hits.log"
"""Where the replicas' nginx tell the cache what they served by themselves."""

_FILES = {
    "Dockerfile": "Dockerfile.j2",
    ".dockerignore": "dockerignore.j2",
    "conf/nginx.conf": "nginx.conf.j2",
    "conf/site.conf": "site.conf.j2",
    "conf/fpm.conf": "fpm.conf.j2",
    "conf/php.ini": "php.ini.j2",
    "conf/start.sh": "start.sh.j2",
}


class _Packaged(BaseLoader):
    """Templates beside this module, also from inside a wheel."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, None, None]:
        try:
            text = (files(__package__) / "templates" / template).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise TemplateNotFound(template) from None
        return text, None, None


# These write configuration, not HTML, from values that the plan has checked.
_ENVIRONMENT = Environment(  # noqa: S701
    loader=_Packaged(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def _packages(spec: ImageSpec) -> list[str]:
    wanted = {"nginx-light", f"php{spec.php}-fpm", f"php{spec.php}-cli", "php-redis"}
    return sorted(wanted | {f"php{spec.php}-{name}" for name in spec.extensions})


def render_image(spec: ImageSpec) -> dict[str, Text]:
    """Return the build context's generated files, path to content; the app's code goes to ``app/``."""
    cached = spec.cached and bool(spec.uploads)
    values = {
        "app": spec.app,
        "image": spec.image,
        "base": spec.base,
        "php": spec.php,
        "packages": _packages(spec),
        "writable": [folder.target for folder in spec.uploads],
        "uploads": spec.uploads,
        "session_lines": spec.session_lines,
        "max_lifetime": spec.max_lifetime,
        "max_upload": spec.max_upload,
        "web_root": spec.web_root,
        "fallback": spec.fallback,
        "workers": spec.workers,
        "write_timeout": spec.write_timeout,
        "drain_seconds": spec.drain_seconds,
        "stop_seconds": spec.stop_seconds - spec.drain_seconds,
        "password_secret": spec.password_secret,
        "environment": spec.environment,
        "sockets": SOCKETS,
        "barrier": BARRIER if cached else "",
        "cache": CACHE if cached else "",
        "hits": HITS if cached else "",
    }
    return {path: _ENVIRONMENT.get_template(name).render(values) for path, name in _FILES.items()}
