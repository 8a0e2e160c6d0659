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

from .passes import copy_pass, late_pass
from .php import PhpFiles, parse_save_path, php_switch_lines
from .records import Entry, Record, Skip, Skipped, Source
from .reports import PassReport, VerifyReport
from .state import State
from .target import RedisTarget
from .verify import verify
from .wayback import reverse

__all__ = [
    "Entry",
    "PassReport",
    "PhpFiles",
    "Record",
    "RedisTarget",
    "Skip",
    "Skipped",
    "Source",
    "State",
    "VerifyReport",
    "copy_pass",
    "late_pass",
    "parse_save_path",
    "php_switch_lines",
    "reverse",
    "verify",
]
