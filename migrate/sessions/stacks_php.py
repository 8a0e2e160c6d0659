"""The stacks on PHP: how each shows itself, what it keeps, what the switch needs."""

import re
from pathlib import Path
from urllib.parse import quote

from .finding import Finding, env_of, files_of, find_line, ip_binding, text_of
from .laravel import key_prefix
from .php import parse_save_path, php_switch_lines

__all__ = ["cms", "codeigniter", "laravel", "php", "symfony", "wordpress"]

_DEFAULT_PHP = "/var/lib/php/sessions"
_DATABASE_BY_DEFAULT = 11
_PASSWORD = "${REDIS_PASSWORD}"  # noqa: S105 - a variable that PHP's ini looks up


def laravel(app: Path) -> Finding | None:
    """Laravel: by artisan, .env and config/session.php."""
    if not (app / "artisan").is_file():
        return None
    lock = text_of(app / "composer.lock") + text_of(app / "composer.json")
    found = re.search(r'"name":\s*"laravel/framework",\s*"version":\s*"v?(\d+)', lock) or re.search(
        r'"laravel/framework":\s*"[^\d]*(\d+)', lock
    )
    version = int(found[1]) if found else 8
    driver, line = env_of(app, "SESSION_DRIVER")
    file = app / ".env" if driver else app / "config" / "session.php"
    if driver is None:
        default = find_line(iter([file]), r"env\(\s*'SESSION_DRIVER',\s*'(\w+)'")
        usual = "file" if version < _DATABASE_BY_DEFAULT else "database"
        driver, line = (default[2][1], default[1]) if default else (usual, 0)
    name = env_of(app, "APP_NAME")[0] or "laravel"
    prefix = key_prefix(
        name, version, redis=env_of(app, "REDIS_PREFIX")[0], cache=env_of(app, "CACHE_PREFIX")[0]
    )
    lifetime = int(env_of(app, "SESSION_LIFETIME")[0] or 120) * 60
    options = f"?prefix={prefix.decode()}&lifetime={lifetime}"
    where = {
        "file": f"laravel:{app}/storage/framework/sessions{options}",
        "database": f"laravel-db:{_laravel_database(app, version)}{options}{_laravel_table(app)}",
    }
    advice = {
        "cookie": "Its sessions live in the cookie: nothing to move. Keep APP_KEY.",
        "redis": "Its sessions are in Redis already.",
    }
    return Finding(
        stack=f"Laravel {version}",
        store=driver,
        file=file,
        line=line,
        spec=where.get(driver, ""),
        advice=advice.get(driver, "Move them, then switch SESSION_DRIVER."),
        keep=("APP_KEY (it encrypts the cookie)", "APP_NAME (it names cookie and keys)", "SESSION_COOKIE"),
        switch=("SESSION_DRIVER=redis", "REDIS_HOST=HOST", "REDIS_PASSWORD=…"),
        warnings=ip_binding(app),
    )


def _laravel_database(app: Path, version: int) -> str:
    """Return where the `sessions` table is: the default connection of config/database.php, by .env."""
    usual = "mysql" if version < _DATABASE_BY_DEFAULT else "sqlite"
    kind = env_of(app, "DB_CONNECTION")[0] or usual
    name = env_of(app, "DB_DATABASE")[0]
    if kind == "sqlite":
        return name or str(app / "database" / "database.sqlite")
    scheme, port = ("postgresql", "5432") if kind == "pgsql" else ("mysql", "3306")
    user = quote(env_of(app, "DB_USERNAME")[0] or "root", safe="")
    place = f"{env_of(app, 'DB_HOST')[0] or '127.0.0.1'}:{env_of(app, 'DB_PORT')[0] or port}"
    return f"{scheme}://{user}@{place}/{quote(name or 'laravel', safe='')}"


def _laravel_table(app: Path) -> str:
    """Return the options for a table or a socket that .env names."""
    table, socket = env_of(app, "SESSION_TABLE")[0], env_of(app, "DB_SOCKET")[0]
    return (f"&table={table}" if table else "") + (f"&socket={socket}" if socket else "")


def wordpress(app: Path) -> Finding | None:
    """WordPress: logins need no move, plugins may."""
    version = app / "wp-includes" / "version.php"
    config = app / "wp-config.php"
    if not version.is_file() and not config.is_file():
        return None
    found = find_line(files_of(app / "wp-content", ".php"), r"\bsession_start\s*\(")
    warnings = (
        (f"{found[0]}:{found[1]}: this plugin starts PHP sessions: move those too, --from php:…",)
        if found
        else ()
    )
    return Finding(
        stack="WordPress",
        store="signed cookies and usermeta",
        file=config if config.is_file() else version,
        line=1,
        advice="Nothing to move: logins live in signed cookies and the database.",
        keep=("siteurl", "the eight keys and salts of wp-config.php: changing them logs everyone out"),
        warnings=warnings,
    )


def codeigniter(app: Path) -> Finding | None:
    """CodeIgniter 4: by spark and app/Config/Session.php."""
    config = app / "app" / "Config" / "Session.php"
    if not (app / "spark").is_file() or not config.is_file():
        return None
    found = find_line(iter([config]), r"\$cookieName\s*=\s*'(\w+)'")
    cookie = found[2][1] if found else "ci_session"
    path = find_line(iter([config]), r"\$savePath\s*=\s*'([^']+)'")
    bound = find_line(iter([config]), r"\$matchIP\s*=\s*true")
    folder = path[2][1] if path else str(app / "writable" / "session")
    return Finding(
        stack="CodeIgniter 4",
        store="files",
        file=config,
        line=found[1] if found else 0,
        spec="" if bound else f"codeigniter:{folder}?cookie={cookie}",
        advice="$matchIP puts a hash of the address into each name: set it to false, wait one lifetime, move."
        if bound
        else "Move them, then switch the driver.",
        keep=("$cookieName", "$expiration", "encryption.key"),
        switch=(
            "public string $driver = \\CodeIgniter\\Session\\Handlers\\RedisHandler::class;",
            "public string $savePath = 'tcp://HOST:6379?auth=…';",
        ),
        warnings=ip_binding(app),
    )


def symfony(app: Path) -> Finding | None:
    """Symfony: by composer.json and framework.yaml."""
    if '"symfony/framework-bundle"' not in text_of(app / "composer.json"):
        return None
    config = app / "config" / "packages" / "framework.yaml"
    found = find_line(iter([config]), r"handler_id:\s*(\S+)")
    path = find_line(iter([config]), r"save_path:\s*['\"]?([^'\"\s]+)")
    folder = path[2][1].replace("%kernel.project_dir%", str(app)) if path else ""
    if found and "redis" in found[2][1]:
        return Finding("Symfony", "redis", config, found[1], "Its sessions are in Redis already.")
    return Finding(
        stack="Symfony",
        store="files",
        file=config,
        line=found[1] if found else 0,
        spec=f"symfony:{folder.replace('%kernel.environment%', 'prod') or _DEFAULT_PHP}",
        advice="Move them, then switch handler_id. RedisSessionHandler does not lock: requests that write "
        "one session at once lose writes; phpredis' own handler with its locking lines does not.",
        keep=("the session's name", "gc_maxlifetime"),
        switch=(
            (
                "framework: { session: { handler_id: "
                "Symfony\\Component\\HttpFoundation\\Session\\Storage\\Handler\\RedisSessionHandler } }"
            ),
        ),
        warnings=ip_binding(app),
    )


_CMS = (
    (
        "phpBB",
        "includes/functions_compatibility.php",
        (
            "MySQL sessions: nothing to move, but it compares address octets (ip_check) and the browser: set "
            "'Session IP validation' to none, or everyone is logged out behind Traefik."
        ),
    ),
    ("Typecho", "var/Typecho/Cookie.php", "Signed cookies, named by md5 of the site's URL: keep the URL."),
    (
        "Discuz",
        "source/class/class_core.php",
        "Cookie `auth` and MySQL MEMORY tables, lost when MySQL restarts: keep authkey.",
    ),
)


def cms(app: Path) -> Finding | None:
    """phpBB, Typecho, Discuz: their logins need no move."""
    for stack, marker, advice in _CMS:
        if (app / marker).is_file():
            return Finding(stack, "cookies and database", app / marker, 1, advice)
    return None


def php(app: Path) -> Finding | None:
    """Plain PHP: whoever calls session_start()."""
    found = find_line(files_of(app, ".php", ".inc"), r"\bsession_start\s*\(")
    if not found:
        return None
    own = find_line(
        files_of(app, ".php", ".ini", ".htaccess", ".conf"),
        r"session[._]save_path['\"]?\s*[=,(]?\s*['\"]?([^'\")\s]+)",
    )
    depth, folder = parse_save_path(own[2][1]) if own and "$" not in own[2][1] else (0, Path(_DEFAULT_PHP))
    warnings = list(ip_binding(app))
    if own:
        warnings.append(f"{own[0]}:{own[1]}: sets session.save_path itself: this line must go at the switch")
    return Finding(
        stack="PHP",
        store="files",
        file=found[0],
        line=found[1],
        spec=f"php:{folder}" + (f"?depth={depth}" if depth else ""),
        advice="Move them, then switch PHP to phpredis with its locking lines.",
        keep=("session.serialize_handler", "session.name", "session.gc_maxlifetime", "PHP's version"),
        switch=tuple(php_switch_lines("HOST", password=_PASSWORD)),
        warnings=tuple(warnings),
    )
