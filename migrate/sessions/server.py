"""What a Redis for sessions is given: its redis.conf, and an ACL file with least rights per app."""

import hashlib
import re

from swarmstead.errors import InputError

__all__ = ["acl_line", "changes_line", "exporter_line", "redis_conf"]

_COMMANDS = "+ping +get +set +setex +getex +psetex +expire +pexpire +ttl +pttl +exists +del +unlink +strlen"
_SCRIPTS = "+eval +evalsha +script|load +multi +exec +client|setname +hello"
_MOVER = "+scan +info +time +auth +rename +renamenx +type"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


def acl_line(
    user: str, password: str, prefixes: tuple[bytes, ...], *, mover: bool = False, database: bool = False
) -> str:
    """Return the line of an ACL file (`aclfile`) that lets an app do what sessions need, to its own keys.

    The password stands there as its SHA-256. mover: the user of `migrate sessions` itself, which lists keys;
    apps get no KEYS, SCAN, FLUSHALL or CONFIG. database: allow SELECT (save_path with ``database=``).
    EVAL is in: phpredis releases its locks by it.
    Raises InputError for a user name or prefix that an ACL file cannot hold.
    """
    if not _NAME.fullmatch(user):
        raise InputError("not a user's name for an ACL", subject=user)
    patterns = []
    for prefix in prefixes:
        text = prefix.decode("latin-1")
        if not re.fullmatch(r"[!-~]+", text):
            raise InputError("an ACL cannot hold this prefix", subject=text)
        patterns.append("~" + re.sub(r"([*?\[\]\\])", r"\\\1", text) + "*")
    digest = hashlib.sha256(password.encode()).hexdigest()
    more = f" {_MOVER}" if mover else ""
    select = " +select" if database else ""
    rights = f"-@all {_COMMANDS} {_SCRIPTS}{more}{select}"
    return f"user {user} on #{digest} resetchannels {' '.join(patterns)} {rights}"


def exporter_line(password: str, user: str = "exporter") -> str:
    """Return the line for redis_exporter: it asks the server about itself and reads no key."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    rights = "-@all +ping +info +config|get +client|setname +client|list +slowlog +latency +hello"
    return f"user {user} on #{digest} resetchannels resetkeys {rights}"


def changes_line(user: str, password: str, stream: str) -> str:
    """Return the line for the caches of an app: they add to one stream and read it. InputError as above."""
    if not _NAME.fullmatch(user):
        raise InputError("not a user's name for an ACL", subject=user)
    if not re.fullmatch(r"[A-Za-z0-9:_.-]+", stream):
        raise InputError("not a stream's key for an ACL", subject=stream)
    digest = hashlib.sha256(password.encode()).hexdigest()
    rights = "-@all +ping +xadd +xread +xrange +xrevrange +client|setname +hello"
    return f"user {user} on #{digest} resetchannels ~{stream} {rights}"


def redis_conf(*, maxmemory_mib: int, aclfile: str = "/run/secrets/redis_acl", folder: str = "/data") -> str:
    """Return the redis.conf of an instance for sessions alone.

    maxmemory_mib: at most 60 % of the machine's RAM, since rewriting the AOF forks.
    """
    return f"""# Sessions only: beside a cache, a flush of the cache would log everyone out.
dir {folder}
aclfile {aclfile}
protected-mode yes
maxmemory {maxmemory_mib}mb
# volatile-ttl would evict the locks first, noeviction turns a full Redis into failed logins.
maxmemory-policy volatile-lru
appendonly yes
# At most a second of writes is lost with the power.
appendfsync everysec
save ""
tcp-keepalive 60
timeout 0
"""
