"""The stacks on Python, Node, Ruby and Java: how each shows itself, what the switch needs."""

import re
from pathlib import Path
from urllib.parse import quote

from .finding import Finding, files_of, find_line, ip_binding, text_of

__all__ = ["django", "express", "flask", "java", "rails"]

_FORM = "postgresql://USER@HOST:5432/NAME (or mysql://…)"
_DATABASE_LINES = 12
#: Values that stand there as such, not as a call or a look into the environment.
_WRITTEN_OUT = re.compile(
    r"""['"](NAME|USER|HOST|PORT)['"]\s*:\s*['"]?([^'",\s(\[]+)['"]?\s*,?\s*$""", re.MULTILINE
)


def django(app: Path) -> Finding | None:
    """Django: by manage.py and SESSION_ENGINE."""
    if not (app / "manage.py").is_file():
        return None
    settings = [path for path in files_of(app, ".py") if "settings" in str(path.relative_to(app))]
    found = find_line(
        iter(settings), r"^\s*SESSION_ENGINE\s*=\s*['\"]django\.contrib\.sessions\.backends\.(\w+)"
    )
    engine = found[2][1] if found else "db"
    place = (found[0], found[1]) if found else (settings[0] if settings else app / "manage.py", 0)
    path = find_line(iter(settings), r"^\s*SESSION_FILE_PATH\s*=\s*['\"]([^'\"]+)")
    specs = {"file": f"django:{path[2][1] if path else '/tmp'}", "db": _django_database(app, settings)}  # noqa: S108
    specs["cached_db"] = specs["db"]
    advice = {
        "signed_cookies": "Its sessions live in the cookie: nothing to move. Keep SECRET_KEY.",
        "cache": "Its sessions are in the cache already; see that it is Redis.",
        "db": "Easiest is SESSION_ENGINE=…cached_db with CACHES on Redis: nothing to convert. Or move them.",
    }
    return Finding(
        stack="Django",
        store=engine,
        file=place[0],
        line=place[1],
        spec=specs.get(engine, ""),
        advice=advice.get(engine, "Move them, then switch SESSION_ENGINE.")
        + ("" if specs.get(engine, engine) else f" Name its database: --from django-db:{_FORM}"),
        keep=("SECRET_KEY (logins depend on it by _auth_user_hash)", "SESSION_COOKIE_NAME"),
        switch=(
            (
                'CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", '
                '"LOCATION": "redis://HOST:6379"}}'
            ),
            'SESSION_ENGINE = "django.contrib.sessions.backends.cache"',
        ),
        warnings=ip_binding(app),
    )


def _django_database(app: Path, settings: list[Path]) -> str:
    """Return what to give to ``--from`` for the default database; "" if its address is not written out."""
    found = find_line(iter(settings), r"ENGINE['\"]\s*:\s*['\"]django\.db\.backends\.(mysql|postgresql)")
    if not found:
        return f"django-db:{next(files_of(app, '.sqlite3'), app / 'db.sqlite3')}"
    after = "\n".join(text_of(found[0]).splitlines()[found[1] - 1 : found[1] + _DATABASE_LINES])
    written = {"HOST": "localhost", "PORT": "3306" if found[2][1] == "mysql" else "5432"}
    written |= dict(_WRITTEN_OUT.findall(after))
    if not {"NAME", "USER"} <= written.keys():
        return ""
    user, name = (quote(written[which], safe="") for which in ("USER", "NAME"))
    return f"django-db:{found[2][1]}://{user}@{written['HOST']}:{written['PORT']}/{name}"


def flask(app: Path) -> Finding | None:
    """Flask-Session: by SESSION_TYPE. Plain Flask keeps its sessions in the cookie."""
    found = find_line(files_of(app, ".py", ".env", ".cfg"), r"SESSION_TYPE['\"\]]*\s*[=:]\s*['\"]?(\w+)")
    if not found or not find_line(files_of(app, ".py", ".txt", ".toml"), r"(?i)flask[_-]session"):
        return None
    kind = found[2][1]
    folder = find_line(files_of(app, ".py", ".cfg"), r"SESSION_FILE_DIR['\"\]]*\s*[=:]\s*['\"]([^'\"]+)")
    files = kind in {"filesystem", "cachelib"}
    return Finding(
        stack="Flask-Session",
        store=kind,
        file=found[0],
        line=found[1],
        spec=f"flask:{folder[2][1] if folder else app / 'flask_session'}" if files else "",
        advice="File names are one-way: stage them, and wrap the app in migrate.sessions.claim."
        if files
        else "Its sessions are not in files.",
        keep=("SESSION_COOKIE_NAME", "SESSION_KEY_PREFIX", "SECRET_KEY with SESSION_USE_SIGNER"),
        switch=(
            'SESSION_TYPE = "redis"',
            'SESSION_REDIS = Redis.from_url("redis://HOST:6379")',
            "app.wsgi_app = ClaimWSGI(app.wsgi_app, claimer)",
        ),
        warnings=("SESSION_FILE_THRESHOLD (500 by default) drops the oldest logins of a file store",),
    )


def express(app: Path) -> Finding | None:
    """Express: by package.json."""
    package = app / "package.json"
    found = find_line(iter([package]), r'"(express-session|cookie-session)"\s*:')
    if not found:
        return None
    if found[2][1] == "cookie-session":
        return Finding(
            "Express", "cookie-session", package, found[1], "Sessions live in the cookie: nothing to move."
        )
    store = find_line(iter([package]), r'"(session-file-store|connect-redis)"\s*:')
    kind = store[2][1] if store else "MemoryStore"
    path = find_line(files_of(app, ".js", ".ts", ".mjs"), r"FileStore\(\s*\{[^}]*path:\s*['\"]([^'\"]+)")
    advice = {
        "session-file-store": "Move them, then give express-session a RedisStore.",
        "connect-redis": "Its sessions are in Redis already.",
        "MemoryStore": "They live in the process, until it ends: save them with --from express-memory:PID.",
    }
    return Finding(
        stack="Express",
        store=kind,
        file=package,
        line=(store or found)[1],
        spec=f"express:{app / (path[2][1] if path else 'sessions')}" if kind == "session-file-store" else "",
        advice=advice[kind],
        keep=("secret of express-session (it signs the cookie)", "the cookie's name"),
        switch=(
            'const client = await createClient({ url: "redis://HOST:6379" }).connect();',
            'store: new RedisStore({ client, prefix: "sess:" }),',
        ),
    )


def rails(app: Path) -> Finding | None:
    """Rails: by bin/rails and its session_store."""
    if not (app / "bin" / "rails").is_file():
        return None
    found = find_line(files_of(app / "config", ".rb"), r"session_store\s*[,=]?\s*\(?:(\w+)")
    kind = found[2][1] if found else "cookie_store"
    cache = find_line(files_of(app / "config", ".rb"), r"cache_store\s*=\s*:(\w+)(?:,\s*['\"]([^'\"]+))?")
    in_files = kind == "cache_store" and cache is not None and cache[2][1] == "file_store"
    path = cache[2][2] if cache and cache[2][2] else str(app / "tmp" / "cache")
    return Finding(
        stack="Rails",
        store=f"{kind} on file_store" if in_files else kind,
        file=found[0] if found else app / "config" / "application.rb",
        line=found[1] if found else 0,
        spec=f"rails:{path}" if in_files else "",
        advice="Move them, then switch the cache store."
        if in_files
        else "Sessions live in the cookie: nothing to move."
        if kind == "cookie_store"
        else "This store is not moved by us: keep it shared between replicas.",
        keep=("secret_key_base", "the session's cookie name"),
        switch=('config.cache_store = :redis_cache_store, { url: "redis://HOST:6379" }',),
    )


def java(app: Path) -> Finding | None:
    """Tomcat and Spring: recognised, and why they cannot move."""
    for name in ("pom.xml", "build.gradle", "WEB-INF/web.xml"):
        if (app / name).is_file():
            return Finding(
                "Java (Tomcat, Spring)",
                "servlet sessions",
                app / name,
                1,
                "Unsupported: attributes share one object stream, which only a JVM with its classes can "
                "split. Drain instead: send new visitors to the Swarm, let the old host end its sessions.",
            )
    return None
