"""Whether a Redis is fit to hold logins: looked at before anything is written to it."""

import time
from dataclasses import dataclass
from statistics import median

from swarmstead.errors import SwarmsteadError

from .target import RedisTarget

__all__ = ["Check", "preflight"]

_OLDEST = (6, 2)
_PER_SESSION_BYTES = 200
_SLOW_MS = 20.0
_SKEW_SECONDS = 2.0
_WORST = "refuse"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. level: ok, warn (a person should know) or refuse (do not go on)."""

    name: str
    level: str
    what: str


def _info(target: RedisTarget, section: bytes) -> dict[str, str]:
    reply = target.call(b"INFO", section)
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _version(server: dict[str, str]) -> Check:
    text = server.get("redis_version", "0")
    number = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if number < _OLDEST:
        return Check("version", _WORST, f"Redis {text} is too old: SET … EXAT needs 6.2")
    return Check("version", "ok", f"Redis {text}")


def _policy(memory: dict[str, str]) -> Check:
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys"):
        return Check(
            "eviction",
            _WORST,
            f"{policy} throws live sessions away: use volatile-lru, and an instance of its own",
        )
    if policy == "volatile-ttl":
        return Check("eviction", _WORST, "volatile-ttl evicts the locks first: use volatile-lru")
    if policy == "noeviction" and memory.get("maxmemory", "0") != "0":
        return Check(
            "eviction", "warn", "noeviction: when full, writes fail, so logins fail; volatile-lru is kinder"
        )
    return Check("eviction", "ok", policy)


def _memory(memory: dict[str, str], sessions: int, value_bytes: int) -> Check:
    limit, used = int(memory.get("maxmemory", "0")), int(memory.get("used_memory", "0"))
    system = int(memory.get("total_system_memory", "0"))
    wanted = used + value_bytes + sessions * _PER_SESSION_BYTES
    mib = f"{wanted >> 20} MiB needed"
    if limit and wanted > limit:
        return Check("memory", _WORST, f"{mib}, maxmemory is {limit >> 20} MiB")
    if not limit:
        return Check("memory", "warn", f"{mib}; no maxmemory is set: Redis may take the whole machine")
    if system and limit > system * 0.6:
        return Check("memory", "warn", "maxmemory is over 60 % of RAM: saving to disk may run out of it")
    return Check("memory", "ok", f"{mib} of {limit >> 20} MiB")


def _persistence(persistence: dict[str, str]) -> Check:
    if (
        persistence.get("aof_last_write_status", "ok") != "ok"
        or persistence.get("rdb_last_bgsave_status", "ok") != "ok"
    ):
        return Check("persistence", _WORST, "Redis could not write to its disk the last time")
    if persistence.get("aof_enabled") != "1":
        return Check(
            "persistence", "warn", "no AOF: a restart of Redis logs out everyone since the last snapshot"
        )
    return Check("persistence", "ok", "AOF")


def _rights(target: RedisTarget, prefixes: tuple[bytes, ...]) -> Check:
    key = (prefixes[0] if prefixes else b"") + b"swarmstead-preflight"
    try:
        target.call(b"SET", key, b"x\0y", b"EX", 10)
        same = target.call(b"GET", key) == b"x\0y"
        target.call(b"DEL", key)
    except SwarmsteadError as error:
        return Check("rights", _WORST, error.what)
    return Check("rights", "ok" if same else _WORST, "a session can be written, read and removed")


def _latency(target: RedisTarget) -> list[Check]:
    trips = []
    server = now = 0.0
    for _ in range(9):
        started = time.perf_counter()
        reply = target.call(b"TIME")
        trips.append((time.perf_counter() - started) * 1000)
        now = time.time()
        match reply:
            case [bytes() as seconds, bytes() as micros]:
                server = int(seconds) + int(micros) / 1e6
    trip, skew = median(trips), abs(server - now)
    return [
        Check(
            "latency",
            "warn" if trip > _SLOW_MS else "ok",
            f"{trip:.1f} ms a trip; each request waits for two or more",
        ),
        Check(
            "clock",
            "warn" if skew > _SKEW_SECONDS else "ok",
            f"its clock is {skew:.1f} s off ours; expiries shift by as much",
        ),
    ]


def preflight(
    target: RedisTarget, prefixes: tuple[bytes, ...] = (), *, sessions: int = 0, value_bytes: int = 0
) -> list[Check]:
    """Look at version, eviction, memory for what comes, persistence, replication, rights, latency and clock.

    Writes and removes one key under the first prefix. Raises Denied or Unreachable if nothing can be asked.
    """
    server, memory = _info(target, b"server"), _info(target, b"memory")
    checks = [_version(server), _policy(memory), _memory(memory, sessions, value_bytes)]
    checks.append(_persistence(_info(target, b"persistence")))
    if _info(target, b"replication").get("role") == "slave":
        checks.append(Check("role", _WORST, "this is a replica: give the address of the primary"))
    if server.get("redis_mode") == "cluster":
        checks.append(
            Check("role", _WORST, "a Redis Cluster: PHP's and most frameworks' stores need a plain one")
        )
    return [*checks, _rights(target, prefixes), *_latency(target)]
