"""Live sessions move to Redis and back: nobody is logged out.

::

    with RedisTarget("redis://sessions:6379") as redis, State(Path("sessions.ledger")) as state:
        source = PhpFiles(Path("/var/lib/php/sessions"))
        copy_pass(source, redis, state)      # bulk, live; again for what changed, as often as you like
        ...                                  # hold the app's requests
        copy_pass(source, redis, state)      # the last delta
        verify(source, redis, state).proved  # then switch the app, let its requests go
        late_pass(source, redis, state)      # stragglers; and reverse(redis, source, state) is the way back

Bytes are never decoded to be copied, ids never appear in a log, a ledger or a report.
"""

from .claim import ClaimASGI, Claimer, ClaimWSGI
from .claim_http import claim_server, serve_claims
from .cutover import CutoverReport, Hooks, cutover
from .database import Database, sqlite
from .detect import Finding, detect
from .django import DjangoFiles, DjangoRows
from .express import ExpressFiles
from .flask_session import FlaskFiles
from .laravel import LaravelFiles, LaravelRows
from .passes import copy_pass, late_pass
from .php import PhpFiles, parse_save_path, php_switch_lines
from .preflight import Check, preflight
from .rails import RailsFiles
from .records import Entry, Record, Skip, Skipped, Source
from .reports import PassReport, VerifyReport
from .server import acl_line, changes_line, exporter_line, redis_conf
from .specs import source_of
from .state import State
from .survey import Survey, survey
from .target import RedisTarget
from .verify import verify
from .wayback import reverse

__all__ = [
    "Check",
    "ClaimASGI",
    "ClaimWSGI",
    "Claimer",
    "CutoverReport",
    "Database",
    "DjangoFiles",
    "DjangoRows",
    "Entry",
    "ExpressFiles",
    "Finding",
    "FlaskFiles",
    "Hooks",
    "LaravelFiles",
    "LaravelRows",
    "PassReport",
    "PhpFiles",
    "RailsFiles",
    "Record",
    "RedisTarget",
    "Skip",
    "Skipped",
    "Source",
    "State",
    "Survey",
    "VerifyReport",
    "acl_line",
    "changes_line",
    "claim_server",
    "copy_pass",
    "cutover",
    "detect",
    "exporter_line",
    "late_pass",
    "parse_save_path",
    "php_switch_lines",
    "preflight",
    "redis_conf",
    "reverse",
    "serve_claims",
    "source_of",
    "sqlite",
    "survey",
    "verify",
]
