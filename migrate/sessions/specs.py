"""A source named in words: ``php:/var/lib/php/sessions?depth=2``, ``django-db:postgresql://shop@db/shop``.

Or the app's folder, which is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from swarmstead.errors import InputError, UsageError

from .database import Database, sqlite
from .detect import detect
from .django import DjangoFiles, DjangoRows
from .express import ExpressFiles
from .flask_session import FlaskFiles
from .laravel import LaravelFiles, LaravelRows
from .php import PhpFiles
from .rails import RailsFiles
from .records import Source

__all__ = ["KINDS", "source_of"]


@dataclass(frozen=True, slots=True)
class _Given:
    kind: str
    where: str
    options: Mapping[str, str]
    secrets: Sequence[str]
    expired: str
    database_password: str | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        return Path(self.where)

    def text(self, name: str, default: str = "") -> str:
        return self.options.get(name, default)

    def number(self, name: str, default: int) -> int:
        value = self.options.get(name, "")
        if value and not value.isdecimal():
            raise UsageError(f"{name} is no number", subject=f"--from {self.kind}:{self.where}")
        return int(value or default)

    def owner(self) -> int | None:
        return self.number("owner", 0) if "owner" in self.options else None

    def keys(self) -> Sequence[str]:
        if not self.secrets:
            raise UsageError(
                "Django's sessions are signed: their SECRET_KEY is needed to check them",
                subject=f"--from {self.kind}:{self.where}",
                hint="Set SWARMSTEAD_SECRET_KEY_FILE to its file (fallback keys on further lines).",
            )
        return self.secrets

    def database(self) -> Database:
        if "://" not in self.where:
            return sqlite(self.path)
        # The drivers are only loaded for a server.
        from .database_servers import DatabaseAddress, database_server  # noqa: PLC0415

        if self.text("tls", "off") not in {"on", "off"}:
            raise UsageError("tls is on or off", subject=f"--from {self.kind}:{self.where}")
        return database_server(
            DatabaseAddress.parse(
                self.where,
                password=self.database_password,
                socket=self.text("socket"),
                tls=self.text("tls") == "on",
            )
        )

    def prefix(self) -> bytes:
        if "prefix" not in self.options:
            raise UsageError(
                "the prefix of the app's keys in Redis is needed",
                subject=f"--from {self.kind}:{self.where}",
                hint="Give the app's folder, which has it, or ?prefix=laravel_database_laravel_cache:",
            )
        return self.text("prefix").encode()


def _php(one: _Given) -> Source:
    return PhpFiles(
        one.path,
        depth=one.number("depth", 0),
        max_lifetime=one.number("lifetime", 1440),
        key_prefix=one.text("prefix", "PHPREDIS_SESSION:").encode(),
        owner=one.owner(),
        expired="grace" if one.expired == "grace" else "skip",
    )


def _symfony(one: _Given) -> Source:
    return PhpFiles(
        one.path,
        depth=one.number("depth", 0),
        max_lifetime=one.number("lifetime", 1440),
        key_prefix=one.text("prefix", "sf_s").encode(),
        owner=one.owner(),
        expired="grace" if one.expired == "grace" else "skip",
        title="Symfony files",
    )


def _codeigniter(one: _Given) -> Source:
    cookie = one.text("cookie", "ci_session")
    return PhpFiles(
        one.path,
        max_lifetime=one.number("lifetime", 7200),
        key_prefix=f"ci_session:{cookie}:".encode(),
        stem=cookie,
        owner=one.owner(),
        expired="grace" if one.expired == "grace" else "skip",
        title="CodeIgniter files",
    )


def _laravel(one: _Given) -> Source:
    return LaravelFiles(one.path, one.prefix(), lifetime=one.number("lifetime", 7200), owner=one.owner())


def _laravel_rows(one: _Given) -> Source:
    return LaravelRows(
        one.database(),
        one.prefix(),
        lifetime=one.number("lifetime", 7200),
        table=one.text("table", "sessions"),
    )


def _django(one: _Given) -> Source:
    return DjangoFiles(
        one.path,
        one.keys(),
        cookie=one.text("cookie", "sessionid"),
        age=one.number("age", 1209600),
        cache_prefix=one.text("prefix"),
        version=one.number("version", 1),
        owner=one.owner(),
    )


def _django_rows(one: _Given) -> Source:
    return DjangoRows(
        one.database(), one.keys(), cache_prefix=one.text("prefix"), version=one.number("version", 1)
    )


def _flask(one: _Given) -> Source:
    return FlaskFiles(
        one.path,
        key_prefix=one.text("prefix", "session:").encode(),
        lifetime=one.number("lifetime", 31 * 86400),
        hash_name="md5" if one.text("hash") == "md5" else "sha256",
        as_msgpack=one.text("value", "msgpack") != "pickle",
        owner=one.owner(),
    )


def _express(one: _Given) -> Source:
    prefix = one.text("prefix", "sess:").encode()
    return ExpressFiles(one.path, key_prefix=prefix, ttl=one.number("ttl", 3600), owner=one.owner())


def _rails(one: _Given) -> Source:
    return RailsFiles(one.path, lifetime=one.number("lifetime", 30 * 86400), owner=one.owner())


def _memory(one: _Given) -> Source:
    # The inspector's client is only loaded for this one.
    from .memory_store import MemoryStore  # noqa: PLC0415

    if not one.path.name.isdecimal():
        raise UsageError("the process's number is needed", subject=f"--from {one.kind}:{one.path}")
    return MemoryStore(
        int(one.path.name), port=one.number("port", 9229), key_prefix=one.text("prefix", "sess:").encode()
    )


_SERVER = {"socket", "tls"}
_PHP = {"depth", "lifetime", "prefix", "owner"}
#: What may stand before the colon, each with the options it takes.
KINDS: dict[str, tuple[Callable[[_Given], Source], set[str]]] = {
    "php": (_php, _PHP),
    "symfony": (_symfony, _PHP),
    "codeigniter": (_codeigniter, {"cookie", "lifetime", "owner"}),
    "laravel": (_laravel, {"prefix", "lifetime", "owner"}),
    "laravel-db": (_laravel_rows, {"prefix", "lifetime", "table", *_SERVER}),
    "django": (_django, {"cookie", "age", "prefix", "version", "owner"}),
    "django-db": (_django_rows, {"prefix", "version", *_SERVER}),
    "flask": (_flask, {"prefix", "lifetime", "hash", "value", "owner"}),
    "express": (_express, {"prefix", "ttl", "owner"}),
    "express-memory": (_memory, {"prefix", "port"}),
    "rails": (_rails, {"lifetime", "owner"}),
}


def source_of(
    spec: str,
    *,
    secrets: Sequence[str] = (),
    expired: str = "skip",
    database_password: str | None = None,
) -> Source:
    """Return the source that a spec names, or that the app in this folder has.

    secrets: the app's, newest first. database_password: of a database server that the spec names.

    Raises UsageError for a kind or an option that there is not, InputError for an app that has none to move.
    """
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in KINDS:
        if not Path(spec).is_dir():
            raise UsageError(
                "neither an app's folder nor a source",
                subject=f"--from {spec}",
                hint=f"KIND:PATH, KIND one of {', '.join(KINDS)}",
            )
        found = detect(Path(spec))
        if not found or not found[0].movable:
            advice = (
                found[0].advice if found else "No store of sessions is recognised; name it: --from php:/PATH"
            )
            raise InputError("no sessions to move here", subject=spec, hint=advice)
        return source_of(found[0].spec, secrets=secrets, expired=expired, database_password=database_password)
    path, _, query = rest.partition("?")
    make, allowed = KINDS[kind]
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in allowed:
            raise UsageError(
                f"no such option: {name}",
                subject=f"--from {kind}:",
                hint=f"There are {', '.join(sorted(allowed))}.",
            )
    return make(_Given(kind, path, options, secrets, expired, database_password))
