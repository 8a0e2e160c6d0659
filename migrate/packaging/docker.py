"""The docker client, as a thin edge: build, give to nodes, deploy, ask. Raises our errors with its words."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmstead.errors import Denied, Refused, SwarmsteadError, Unreachable

__all__ = ["Docker"]

_QUICK_SECONDS = 60
_LONG_SECONDS = 1800
_WORDS = 1500
_UNREACHABLE = (
    "cannot connect to the docker daemon",
    "connection refused",
    "error during connect",
    "i/o timeout",
)
_DENIED = ("denied", "unauthorized", "authentication required", "permission denied")


class Docker:
    """A client of one engine.

    host: as DOCKER_HOST; empty for what the environment says.
    """

    def __init__(self, host: str = "") -> None:
        self.host = host

    def __repr__(self) -> str:
        return f"Docker({self.host!r})"

    def run(
        self,
        *words: str,
        stdin: bytes | None = None,
        timeout: float = _QUICK_SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run `docker WORDS`, return what it prints.

        Raises Unreachable where the engine does not answer, Denied for missing rights, Refused where the
        client is missing, SwarmsteadError with its last words for the rest.
        """
        try:
            done = subprocess.run(
                ["docker", *words],
                input=stdin,
                capture_output=True,
                timeout=timeout,
                env=self.environment() | dict(environment or {}),
                check=False,
            )
        except FileNotFoundError:
            raise Refused(
                "there is no docker client here", hint="Install Debian's docker.io or docker-cli."
            ) from None
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no end after {timeout:.0f} s", subject=f"docker {words[0]}") from None
        if done.returncode:
            raise _error(
                words, done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")[-_WORDS:]
            )
        return done.stdout.decode(errors="replace")

    def environment(self) -> dict[str, str]:
        """Return the environment in which `docker` means this engine."""
        environment = dict(os.environ)
        if self.host:
            environment["DOCKER_HOST"] = self.host
            environment.pop("DOCKER_CONTEXT", None)
        return environment

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """Run a listing with ``--format '{{json .}}'`` and return its rows."""
        lines = self.run(*words, "--format", "{{json .}}").splitlines()
        return [json.loads(line) for line in lines if line.strip()]

    def info(self) -> dict[str, Any]:
        """Return `docker info`."""
        found: dict[str, Any] = json.loads(self.run("info", "--format", "{{json .}}"))
        if found.get("ServerErrors"):
            raise Unreachable(str(found["ServerErrors"][0]), subject=self.host or "docker")
        return found

    def image_id(self, tag: str) -> str:
        """Return the image's id on this engine, or an empty text where it has none."""
        return self.run("image", "ls", "--quiet", "--no-trunc", tag).strip().partition("\n")[0]

    def build(self, folder: Path, tag: str, arguments: Mapping[str, str]) -> None:
        """Build an image from a folder with a Dockerfile."""
        words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        self.run("build", "--tag", tag, *words, str(folder), timeout=_LONG_SECONDS)

    def give(self, tag: str, others: Sequence["Docker"]) -> list[str]:
        """Give the image to engines that lack it, by `docker save` and `docker load`; return their hosts.

        Nothing is unpacked on the way: the archive goes from one client to the next by a pipe.
        """
        wanted, given = self.image_id(tag), []
        for other in others:
            if other.image_id(tag) == wanted:
                continue
            with subprocess.Popen(
                ["docker", "save", tag], stdout=subprocess.PIPE, env=self.environment()
            ) as save:
                loaded = subprocess.run(
                    ["docker", "load", "--quiet"],
                    stdin=save.stdout,
                    capture_output=True,
                    env=other.environment(),
                    timeout=_LONG_SECONDS,
                    check=False,
                )
            if loaded.returncode or save.returncode:
                raise _error(("load", other.host), loaded.stderr.decode(errors="replace"))
            given.append(other.host)
        return given

    def push(self, tag: str) -> None:
        """Push the image to the registry that its name holds."""
        self.run("push", "--quiet", tag, timeout=_LONG_SECONDS)

    def make_secret(self, name: str, content: bytes, *, stack: str) -> None:
        """Make a secret where there is none of that name; names hold a hash, so the content is the same."""
        # The filter matches prefixes too, so the names are compared.
        if name not in self.run("secret", "ls", "--filter", f"name={name}", "--format", "{{.Name}}").split():
            label = f"com.docker.stack.namespace={stack}"
            self.run("secret", "create", "--label", label, name, "-", stdin=content)

    def deploy(self, file: Path, stack: str, *, from_registry: bool) -> None:
        """Run `docker stack deploy`; whether it converges is for `converge` to see."""
        words = ["--with-registry-auth"] if from_registry else ["--resolve-image", "never"]
        self.run("stack", "deploy", "--detach=true", "--compose-file", str(file), *words, stack)

    def services(self, stack: str) -> list[dict[str, Any]]:
        """Return the stack's services as the engine's API gives them."""
        label = f"label=com.docker.stack.namespace={stack}"
        return self._inspected("service", self.run("service", "ls", "--quiet", "--filter", label).split())

    def tasks(self, service_id: str) -> list[dict[str, Any]]:
        """Return the service's tasks as the engine's API gives them."""
        return self._inspected("", self.run("service", "ps", "--quiet", "--no-trunc", service_id).split())

    def _inspected(self, kind: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        if not ids:
            return []
        words = [kind, "inspect"] if kind else ["inspect"]
        found: list[dict[str, Any]] = json.loads(self.run(*words, *ids))
        return found

    def ready_nodes(self) -> int:
        """Return how many nodes are ready and active."""
        rows = self.rows("node", "ls")
        return sum(row["Status"] == "Ready" and row["Availability"] == "Active" for row in rows)


def _error(words: Sequence[str], text: str) -> SwarmsteadError:
    said = " ".join(text.split())[-_WORDS:] or "it failed without a word"
    low, subject = said.lower(), f"docker {' '.join(words[:2])}"
    if any(sign in low for sign in _UNREACHABLE):
        return Unreachable(said, subject=subject, hint="Is the engine up, and DOCKER_HOST right?")
    if any(sign in low for sign in _DENIED):
        return Denied(said, subject=subject)
    return SwarmsteadError(said, subject=subject)
