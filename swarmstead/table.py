"""Every setting of every command, with its unit and default: the one table.

Names are unique over all commands, since each is one environment variable.
"""

from pathlib import Path

import click

from swarmstead.settings import Setting
from swarmstead.sizes import Size

__all__ = ["TABLE"]

_ALL = [
    # Every command
    Setting("log-level", "How much to log.", "info", click.Choice(["debug", "info", "warning", "error"])),
    Setting("log-json", "Log one JSON object per line.", default=False, flag=True),
    # swarm-exporter
    Setting("listen", "Address and port to serve on.", ":9323", metavar="HOST:PORT"),
    Setting("engine", "The engine: unix:///PATH or tcp://HOST:PORT. Else DOCKER_HOST, else its own socket."),
    Setting(
        "cluster",
        "Whether to answer for the cluster: auto while this node leads it.",
        "auto",
        click.Choice(["auto", "always", "never"]),
    ),
    Setting("interval", "Seconds between two polls of the cluster, at least.", 1.5, click.FloatRange(0.1)),
    Setting("cpu-budget", "Cores that polling may use in the mean.", 0.01, click.FloatRange(0.0001, 1)),
    Setting(
        "disk-interval",
        "Seconds between two looks at the disk's use; 0 for never.",
        900.0,
        click.FloatRange(0),
    ),
    Setting(
        "service-label",
        "A service's label to show in swarm_service_labels; may be repeated.",
        (),
        multiple=True,
    ),
    Setting("node-label", "A node's label to show in swarm_node_labels; may be repeated.", (), multiple=True),
    Setting(
        "certificate",
        "The node's swarm certificate: the host's /var/lib/docker/swarm/certificates/swarm-node.crt.",
        type=click.Path(path_type=Path),
    ),
    Setting(
        "web-config",
        "Web config file as Prometheus's exporters take it: TLS and basic auth.",
        type=click.Path(dir_okay=False),
    ),
    # Remotes and the cache
    Setting("remote", "Where files go: s3://BUCKET/PREFIX, b2://BUCKET/PREFIX or file:///FOLDER."),
    Setting("endpoint", "URL of an S3 server that is not Amazon's."),
    Setting("region", "Region of an S3 server."),
    Setting("remote-key-id", "Id of the remote's key.", secret=True),
    Setting("remote-key", "The remote's key.", secret=True),
    Setting(
        "dir", "Folder of this node's copies of files.", type=click.Path(path_type=Path, file_okay=False)
    ),
    Setting("max-size", "Most bytes that folder may hold (2GB, 512MiB).", 2_000_000_000, Size()),
    Setting("socket", "Unix socket to serve reads at.", type=click.Path(path_type=Path)),
    Setting("barrier", "Unix socket that writing requests go through.", type=click.Path(path_type=Path)),
    Setting("cache-listen", "Address and port for reads, other nodes and metrics.", metavar="HOST:PORT"),
    Setting(
        "eviction",
        "What goes first: see docs/cache.md.",
        "gdsf-cost",
        click.Choice(["gdsf-cost", "sieve", "s3-fifo", "lru", "age"]),
    ),
    Setting(
        "evict-days", "With --eviction age: days that a file may not be asked for.", 7.0, click.FloatRange(0)
    ),
    Setting(
        "max-share", "Most of the folder's bytes that one file may take.", 0.5, click.FloatRange(0.01, 1)
    ),
    Setting("min-free", "Bytes that stay free on the disk.", 256 * 1024 * 1024, Size()),
    Setting("max-age", "Seconds that a browser may keep a file without asking.", 0, click.IntRange(0)),
    Setting(
        "barrier-wait", "Seconds that an answer is held for the remote, at most.", 20.0, click.FloatRange(0)
    ),
    Setting(
        "barrier-late",
        "Then: refuse with 503, or release the app's answer. What was written is sent either way.",
        "refuse",
        click.Choice(["refuse", "release"]),
    ),
    Setting(
        "stale-after",
        "Seconds after which the remote is asked whether a file has changed; 0 for never.",
        60.0,
        click.FloatRange(0),
    ),
    Setting("cache-peers", "All caches (tasks.cache:9325), to ask before the remote.", metavar="NAME:PORT"),
    Setting("changes-redis", "URL of a Redis by which caches tell each other of changes.", secret=True),
    Setting("changes-stream", "Key of the stream there.", "swarmstead:files"),
    Setting("cache-token", "Token for PUT and DELETE; without one they are refused.", secret=True),
    Setting("hits-log", "nginx's log of what it served from the folder.", type=click.Path(path_type=Path)),
    Setting("hits-prefix", "What precedes a file's name in that log.", "/"),
    Setting("drain", "Seconds to go on sending when told to stop.", 20.0, click.FloatRange(0)),
    # migrate files, migrate remote
    Setting(
        "links",
        "Symbolic links: follow them, keep them as objects, leave them out, or refuse to start.",
        "refuse",
        click.Choice(["refuse", "follow", "keep", "skip"]),
    ),
    Setting(
        "odd-names",
        "What no object can be (names, sockets, unreadable): escape names, leave out, or refuse.",
        "refuse",
        click.Choice(["refuse", "escape", "skip"]),
    ),
    Setting(
        "deletions",
        "Objects whose files are gone: keep them, or let them follow (B2 hides them).",
        "keep",
        click.Choice(["keep", "follow"]),
    ),
    Setting("most-deletions", "Part of all files that may follow in one pass.", 0.5, click.FloatRange(0, 1)),
    Setting("transfers", "Files sent at once, at most; 0 finds out by itself.", 0, click.IntRange(0, 256)),
    Setting(
        "bandwidth",
        "Bytes per second: 10M, off, or by local time: '08:00,512k 19:00,10M Sat-00:00,off'.",
        "off",
    ),
    Setting(
        "prices",
        "YAML file with other prices than BackBlaze's public ones.",
        type=click.Path(path_type=Path, dir_okay=False),
    ),
    # traefik-exporter
    Setting("log", "Traefik's access log: a path, a glob, or - ; may be repeated.", (), multiple=True),
    Setting(
        "scrape",
        "Without a log: where all Traefik tasks serve metrics (tasks.traefik:8082).",
        metavar="NAME:PORT",
    ),
    Setting("state", "File that keeps offsets and counts over a restart.", type=click.Path(path_type=Path)),
    Setting("host", "A host with a label of its own, *.example.com too; may be repeated.", (), multiple=True),
    Setting("max-hosts", "Hosts with a label of their own, at most.", 200, click.IntRange(1, 10_000)),
    Setting("max-services", "Services with a label of their own, at most.", 200, click.IntRange(1, 10_000)),
    Setting(
        "bucket",
        "An upper bound of the duration histogram, in seconds; may be repeated.",
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        click.FloatRange(0, min_open=True),
        multiple=True,
    ),
    Setting(
        "duration",
        "Which time counts: auto takes OriginDuration where the log has it, total Duration always.",
        "auto",
        click.Choice(["auto", "total"]),
    ),
    Setting("exact-codes", "Count every status by itself, too.", default=False, flag=True),
    Setting("traefik-api", "Traefik's API, to learn hosts from its routers.", metavar="http://NAME:PORT"),
    Setting(
        "learn-engine", "A manager's engine, to learn hosts and names from labels.", metavar="unix:///PATH"
    ),
    Setting("peers", "Where all exporters serve metrics (tasks.traefik-exporter:9324), to merge rates."),
    # Development
    Setting("traefik", "Path of a real Traefik, for the lab's test and entry in place of the stand-in."),
    # migrate sessions, migrate tokens
    Setting("redis-password", "Password of the Redis that holds sessions.", secret=True),
    Setting("database-password", "Password of the database that holds sessions.", secret=True),
    Setting("secret-key", "The app's SECRET_KEY; fallback keys on further lines.", secret=True),
    Setting("token-secret", "Secrets that sign login tokens, KID:BASE64 a line, newest first.", secret=True),
]

TABLE: dict[str, Setting] = {setting.name: setting for setting in _ALL}
if len(TABLE) != len(_ALL):
    raise AssertionError("two settings share a name")
