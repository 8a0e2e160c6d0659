"""From a plan to what images and stacks are made of: pure."""

import hashlib
from collections.abc import Mapping
from urllib.parse import quote

from migrate.packaging import BARRIER, CACHE, HITS, UPLOADS_IN_CACHE, FolderOnNode, ImageSpec, StackSpec
from migrate.sessions import php_switch_lines

from .plan import Plan

__all__ = [
    "CHANGES_REDIS",
    "REDIS_PASSWORD",
    "changes_by_sessions_redis",
    "folders",
    "image_spec",
    "secret_name",
    "stack_spec",
]

REDIS_PASSWORD = "redis_password"  # noqa: S105 - the name of a secret
CHANGES_REDIS = "changes_redis"
_REDIS_PORT = 6379
_CACHE_PORT = 9325


def folders(plan: Plan) -> tuple[FolderOnNode, ...]:
    """Return the folders of uploads as nodes hold them, each with a volume of its own."""
    return tuple(
        FolderOnNode(volume=f"uploads{number or ''}", inside=files.inside, web_path=files.web_path)
        for number, files in enumerate(plan.files)
    )


def secret_name(stack: str, purpose: str, content: bytes, key: bytes) -> str:
    """Return a secret's name in the Swarm: secrets are immutable, so another content needs another name.

    The hash is keyed, since the name of a secret is no secret: a weak password could be guessed from it.
    """
    return f"{stack}_{purpose}_{hashlib.blake2b(content, key=key, digest_size=6).hexdigest()}"


def _redis_host(plan: Plan) -> tuple[str, int]:
    """Return host and port as the replicas reach Redis."""
    sessions = plan.sessions
    if sessions is None:
        return "", _REDIS_PORT
    inside = (
        sessions.redis_in_swarm or sessions.redis.partition("://")[2].rpartition("@")[2].partition("/")[0]
    )
    host, _, port = inside.rpartition(":") if ":" in inside else (inside, "", "")
    return host, int(port or _REDIS_PORT)


def changes_by_sessions_redis(plan: Plan, password: str) -> str:
    """Return the URL by which caches tell each other of changes at the sessions' Redis; "" if they cannot.

    A user of an ACL may touch the sessions' keys alone: then the caches need one of their own.
    """
    if plan.sessions is None or plan.sessions.user:
        return ""
    host, port = _redis_host(plan)
    login = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{login}{host}:{port}/0"


def image_spec(plan: Plan) -> ImageSpec:
    """Return what the image is made from."""
    lines: list[str] = []
    if plan.sessions is not None:
        host, port = _redis_host(plan)
        password = "${REDIS_PASSWORD}" if plan.sessions.password_file else ""
        lines = php_switch_lines(host, port, user=plan.sessions.user, password=password)
    return ImageSpec(
        app=plan.name,
        image=plan.image.name,
        base=plan.image.base,
        php=plan.image.php,
        session_lines=tuple(lines),
        max_lifetime=plan.sessions.max_lifetime if plan.sessions else 1440,
        extensions=tuple(plan.image.extensions),
        uploads=folders(plan),
        web_root=plan.image.web_root,
        fallback=plan.image.fallback,
        max_upload=plan.image.max_upload,
        workers=plan.image.workers,
        drain_seconds=plan.deploy.drain_seconds,
        stop_seconds=plan.deploy.stop_seconds,
        password_secret=REDIS_PASSWORD if plan.sessions and plan.sessions.password_file else "",
        environment=tuple(plan.deploy.environment),
    )


def stack_spec(plan: Plan, image: str, secrets: Mapping[str, str]) -> StackSpec:
    """Return what the stack file is made from.

    image: with its tag. secrets: purpose -> name in the Swarm.
    """
    web = {name: real for name, real in secrets.items() if name == REDIS_PASSWORD}
    cache = {name: real for name, real in secrets.items() if name != REDIS_PASSWORD}
    deploy = plan.deploy
    return StackSpec(
        app=plan.name,
        image=image,
        replicas=deploy.replicas,
        networks=tuple(deploy.networks),
        uploads=folders(plan),
        secrets=web,
        environment=deploy.environment,
        host=deploy.host,
        endpoint_mode=deploy.endpoint_mode,
        stop_seconds=deploy.stop_seconds,
        drain_seconds=deploy.drain_seconds,
        cpus=deploy.cpus,
        memory=deploy.memory,
        cache_image=plan.cache.image,
        cache_command=_cache_command(plan, told=CHANGES_REDIS in cache),
        cache_environment=_cache_environment(plan, cache),
        cache_secrets=cache,
        cache_memory=plan.cache.memory,
        cache_networks=tuple(plan.cache.networks),
    )


def _cache_command(plan: Plan, *, told: bool) -> tuple[str, ...]:
    """Return the words that run a node's cache; told: whether caches tell each other of changes."""
    if not plan.files:
        return ()
    [folder, *_] = folders(plan)
    stack = plan.deploy.stack
    return (
        "migrate", "cache", "serve",
        f"--remote={plan.files[0].remote}",
        f"--dir={UPLOADS_IN_CACHE}/{folder.volume}",
        f"--max-size={plan.cache.max_size}",
        f"--socket={CACHE}",
        f"--barrier={BARRIER}",
        f"--hits-log={HITS}",
        f"--hits-prefix={folder.web_path}/",
        f"--cache-listen=:{_CACHE_PORT}",
        # By the whole name: other apps on the network have a service `cache`, too.
        f"--cache-peers=tasks.{stack}_cache:{_CACHE_PORT}",
        *([f"--changes-stream=swarmstead:files:{stack}"] if told else []),
    )  # fmt: skip


def _cache_environment(plan: Plan, secrets: Mapping[str, str]) -> dict[str, str]:
    environment = dict(plan.cache.environment)
    if plan.files:
        first = plan.files[0]
        if first.endpoint:
            environment["SWARMSTEAD_ENDPOINT"] = first.endpoint
        if first.region:
            environment["SWARMSTEAD_REGION"] = first.region
    for purpose in secrets:
        environment[f"SWARMSTEAD_{purpose.upper()}_FILE"] = f"/run/secrets/{purpose}"
    return environment
