"""What an image and a stack are made from: plain records, filled in by the plan."""

from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["FolderOnNode", "ImageSpec", "StackSpec", "Text"]

Text: TypeAlias = str
"""Content of a generated file."""


@dataclass(frozen=True, slots=True)
class FolderOnNode:
    """One folder of uploads, kept on each node by its cache.

    volume: name of the volume in the stack file. inside: its place below the app's folder.
    web_path: where the app's pages link to, as ``/uploads``. key_prefix: what its keys on the remote begin
    with, ending in ``/`` or empty.
    """

    volume: str
    inside: str
    web_path: str
    key_prefix: str = ""

    @property
    def target(self) -> str:
        """Return its place in the web container."""
        return f"/srv/app/{self.inside}"


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image of a PHP app.

    app: its name. image: the tag-less image name. base: image to build on. php: version as ``8.2``.
    session_lines: php.ini lines that switch the sessions. max_lifetime: session.gc_maxlifetime in seconds.
    web_root: document root below the app's folder, as ``/public``, or empty. fallback: last word of
    try_files. max_upload: size as PHP and nginx both take it, ``64M``. workers: pm.max_children.
    write_timeout: seconds a writing request may take. drain_seconds: how long it serves on after SIGTERM.
    password_secret: name under /run/secrets of Redis' password, or empty. environment: names of
    variables that the app reads. cached: whether the node's cache and barrier stand beside it.
    """

    app: str
    image: str
    base: str
    php: str
    session_lines: tuple[str, ...]
    max_lifetime: int = 1440
    extensions: tuple[str, ...] = ()
    uploads: tuple[FolderOnNode, ...] = ()
    web_root: str = ""
    fallback: str = "=404"
    max_upload: str = "64M"
    workers: int = 8
    write_timeout: int = 120
    drain_seconds: int = 6
    stop_seconds: int = 20
    password_secret: str = ""
    environment: tuple[str, ...] = ()
    cached: bool = True


@dataclass(frozen=True, slots=True)
class StackSpec:
    """A stack of one app.

    image: with its tag. secrets: name under /run/secrets -> name in the Swarm (which holds a hash of the
    content, since secrets are immutable). networks: existing overlay networks. host: what Traefik routes
    here, or empty for no labels. cache_command, cache_environment: the node's cache; empty for none.
    cpus, memory: limits of one replica.
    """

    app: str
    image: str
    replicas: int
    networks: tuple[str, ...]
    uploads: tuple[FolderOnNode, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    host: str = ""
    endpoint_mode: str = "vip"
    stop_seconds: int = 20
    drain_seconds: int = 6
    cpus: str = "1.0"
    memory: str = "256M"
    cache_image: str = ""
    cache_command: tuple[str, ...] = ()
    cache_environment: dict[str, str] = field(default_factory=dict)
    cache_secrets: dict[str, str] = field(default_factory=dict)
    cache_memory: str = "128M"
    cache_networks: tuple[str, ...] = ()
