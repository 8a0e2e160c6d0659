"""What ties an app to its host: one rule per habit, found by its words in the source. Pure.

The catalogue grew from Konveyor's cloud-readiness rules, what flyctl and railpack look for, and what breaks
with a second replica: a secret made anew by each, a job that each runs, a database in a file.
"""

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["RULES", "Finding", "Rule", "Severity"]

Severity = Literal["moves", "blocks", "warns", "note"]
"""moves: `migrate app` takes care of it. blocks: must be solved or accepted first. warns: look at it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that ties the app to its host.

    path: relative to the app. line: from 1; 0 for the file as a whole.
    """

    rule: str
    severity: Severity
    path: str
    line: int
    what: str
    remedy: str

    @property
    def where(self) -> str:
        """Return ``file:line``."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. suffixes: files it reads; pattern: searched in each line that is no comment."""

    id: str
    severity: Severity
    suffixes: tuple[str, ...]
    pattern: re.Pattern[str]
    what: str
    remedy: str


_PHP = (".php", ".phtml", ".inc")
_PYTHON = (".py",)
_SCRIPT = (".js", ".mjs", ".cjs", ".ts")
_CODE = (*_PHP, *_PYTHON, *_SCRIPT, ".rb")
_CONFIGURATION = (".env", ".ini", ".yml", ".yaml", ".json", ".toml", ".conf")
_START = ("Dockerfile", "Procfile", "entrypoint.sh", "docker-entrypoint.sh", "start.sh", ".sh")


def _rule(
    name: str, severity: Severity, suffixes: tuple[str, ...], pattern: str, what: str, remedy: str
) -> Rule:
    return Rule(name, severity, suffixes, re.compile(pattern, re.IGNORECASE), what, remedy)


RULES = (
    _rule(
        "session.files", "moves", _PHP, r"\bsession_start\s*\(",
        "PHP keeps its sessions in files of this host",
        "They move to Redis, byte for byte, with locking switched on; the code stays as it is.",
    ),
    _rule(
        "session.save-path", "warns", _PHP,
        r"\bsession_(save_path|set_save_handler)\s*\(|session\.save_(path|handler)",
        "the code chooses its own session store, which php.ini cannot change",
        "Remove the line, so that the session.* lines of php.ini hold.",
    ),
    _rule(
        "session.memory", "blocks", _SCRIPT,
        r"require\(['\"]express-session['\"]\)|from ['\"]express-session['\"]",
        "express-session keeps sessions in the process, unless it is given a store",
        "Give it connect-redis; `migrate sessions` moves what is there.",
    ),
    _rule(
        "session.files", "warns", _PYTHON,
        r"sessions\.backends\.(file|db)|SESSION_TYPE\s*=\s*['\"]filesystem",
        "sessions lie on this host",
        "Use a cache backend on Redis; `migrate sessions` moves what is there.",
    ),
    _rule(
        "files.upload", "moves", _PHP, r"\bmove_uploaded_file\s*\(",
        "uploaded files are kept in a folder of this host",
        "They move to the remote; each node's cache pulls what it is asked for.",
    ),
    _rule(
        "files.upload", "warns", (*_PYTHON, *_SCRIPT), r"\bMEDIA_ROOT\s*=|\bmulter\s*\(",
        "uploaded files are kept in a folder of this host",
        "Move them with `migrate files`, serve them through the cache.",
    ),
    _rule(
        "files.listing", "warns", _PHP,
        r"\b(glob|scandir|opendir)\s*\(|new\s+(Filesystem|Recursive\w*|Directory)\w*Iterator|\breaddir\s*\(",
        "lists a folder: a node's cache lists what this node holds, which may be less than all",
        "Keep the names in the database, or keep the cache larger than the files.",
    ),
    _rule(
        "files.write", "warns", _PHP, r"\bfile_put_contents\s*\(|\bfopen\s*\([^)]*,\s*['\"][waxc]",
        "writes a file; outside the folder of uploads it is gone with the replica",
        "Write into the folder of uploads, into the database or into Redis.",
    ),
    _rule(
        "data.sqlite", "blocks", (*_CODE, *_CONFIGURATION),
        r"\bsqlite3?:|new\s+SQLite3\s*\(|sqlite3\.connect|backends\.sqlite3|DB_CONNECTION\s*=\s*sqlite",
        "an SQLite database: one file that one host writes",
        "Move it to a server (PostgreSQL, MariaDB), or keep one replica on one node and accept this rule.",
    ),
    _rule(
        "secret.in-code", "warns", (*_CODE, *_CONFIGURATION),
        r"(password|passwd|secret_?key|api_?key|auth_(key|salt)|access_token)['\"]?\s*(=>|[:=,])\s*['\"][^'\"$<{]{8,}['\"]",
        "a secret stands in the code, and so in every layer of the image",
        "Read it from a file under /run/secrets: `docker secret create`.",
    ),
    _rule(
        "secret.per-replica", "blocks", _CODE,
        r"(secret_?key|app_?key|salt)\w*['\"\]]?\s*=\s*[^=\n]*(random_bytes|openssl_random|secrets\.token|os\.urandom|"
        r"get_random_secret_key|crypto\.randomBytes)",
        "each replica makes a secret of its own, and logs out whom another one logged in",
        "Make it once and give it as a Docker secret.",
    ),
    _rule(
        "net.localhost", "warns", (*_CODE, *_CONFIGURATION),
        r"(host|server|url|dsn|connect)\w*['\"\]]?\s*(=>|[:=(,])[^\n]*\b(localhost|127\.0\.0\.1)\b",
        "expects a server on its own host",
        "Name it by the service's name on an overlay network.",
    ),
    _rule(
        "log.file", "note", (*_CODE, *_CONFIGURATION),
        r"ini_set\s*\(\s*['\"]error_log|['\"]/var/log/[\w./-]+['\"]|logging\.FileHandler",
        "logs into a file, which is gone with the replica",
        "Log to standard error: Docker keeps it.",
    ),
    _rule(
        "job.cron", "warns", (*_CODE, *_CONFIGURATION, *_START, "crontab"),
        r"\bcrontab\b|schedule:run|wp-cron\.php|^\s*[\d*/,-]+(\s+[\d*/,-]+){4}\s+\S",
        "a timed job: each replica would run it",
        "Run it once, outside the web service: swarm-cronjob, or a timer on a manager.",
    ),
    _rule(
        "start.migrate", "warns", _START,
        r"manage\.py\s+migrate|artisan\s+migrate|db:migrate|prisma\s+migrate",
        "changes the database when a replica starts: all of them at once",
        "Run it as a job before the update: mode replicated-job.",
    ),
)  # fmt: skip
