"""The real Deployer: files written, image built and given to the nodes, stack deployed."""

import hashlib
import secrets
from pathlib import Path

import msgspec

from migrate.packaging import (
    Docker,
    Problem,
    check_dockerfile,
    check_stack,
    copy_code,
    folder_digest,
    read_stack,
    render_image,
    render_stack,
    roll_out,
    write_files,
)
from swarmstead.errors import InputError, Refused
from swarmstead.progress import Reporter
from swarmstead.stop import Stop

from .draft import code_digest, leaves_out
from .plan import Plan
from .ports import Report
from .specs import (
    CHANGES_REDIS,
    REDIS_PASSWORD,
    changes_by_sessions_redis,
    image_spec,
    secret_name,
    stack_spec,
)

__all__ = ["SwarmDeployer"]

_TAG_LENGTH = 12
_STACK = "stack.yml"


class SwarmDeployer:
    """Makes the app of a plan run on the plan's Swarm.

    folder: where Dockerfile, stack file and a copy of the code are written. state: a folder for our own.
    """

    def __init__(self, plan: Plan, folder: Path, state: Path) -> None:
        self.plan, self.folder = plan, folder
        self._state = state
        self._docker = Docker(plan.deploy.docker_host)
        self._others = [Docker(host) for host in plan.image.nodes if host != plan.deploy.docker_host]

    @property
    def image(self) -> str:
        """The image with its tag, a hash of all that it is built from."""
        arguments = msgspec.json.encode(self._build_arguments())
        content = folder_digest(self.folder, "Dockerfile", "conf", "app").encode()
        return f"{self.plan.image.name}:{hashlib.sha256(content + arguments).hexdigest()[:_TAG_LENGTH]}"

    def _build_arguments(self) -> dict[str, str]:
        return {"BASE": self.plan.image.base, **self.plan.image.build_args}

    def check(self) -> Report:
        """Look whether code, Swarm, networks and secrets are as the plan needs them."""
        if self.plan.code and code_digest(self.plan) != self.plan.code:
            raise Refused(
                "the app's code was changed since it was planned",
                subject=self.plan.path,
                hint="`migrate app --replan` looks at it again.",
            )
        if len(self.plan.files) > 1:
            raise Refused(
                "a node's cache serves one folder of uploads, and the plan has more",
                subject=", ".join(files.inside for files in self.plan.files),
                hint="Keep one under `files`; put the others below it, or move them by `migrate files`.",
            )
        info = self._docker.info()
        if not info["Swarm"].get("ControlAvailable"):
            raise Refused(
                "this engine is no manager of a Swarm",
                subject=self._docker.host or "docker",
                hint="Set deploy.docker_host to a manager, or run `docker swarm init` there.",
            )
        wanted = [*self.plan.deploy.networks, *(self.plan.cache.networks if self.plan.files else [])]
        there = {row["Name"]: row["Driver"] for row in self._docker.rows("network", "ls")}
        for network in wanted:
            if there.get(network) != "overlay":
                raise Refused(
                    "there is no overlay network of this name",
                    subject=network,
                    hint=f"docker network create --driver overlay --attachable {network}",
                )
        for other in self._others:
            other.info()
        self._secret_contents()
        return {"nodes": self._docker.ready_nodes(), "engine": info.get("ServerVersion", "")}

    def write(self) -> Report:
        """Write what the image is built from, and the stack file; keep what a person edited."""
        app = Path(self.plan.path)
        outcome = write_files(self.folder, render_image(image_spec(self.plan)))
        count = copy_code(app, self.folder / "app", leave_out=lambda path: leaves_out(self.plan, path))
        text = render_stack(
            stack_spec(self.plan, self.image, self._secret_names()), stack=self.plan.deploy.stack
        )
        outcome += write_files(self.folder / "stack", {_STACK: text})
        problems = self._problems()
        refused = [problem for problem in problems if problem.level == "refused"]
        if refused:
            raise InputError(
                f"{refused[0].where}: {refused[0].what}",
                subject=str(self._stack_file),
                hint=refused[0].remedy,
            )
        return {
            "folder": str(self.folder),
            "code_files": count,
            "files": {written.path: written.what for written in outcome},
            "kept": {written.path: written.diff for written in outcome if written.diff},
            "problems": [f"{p.level}: {p.where}: {p.what}" for p in problems],
        }

    @property
    def _stack_file(self) -> Path:
        return self.folder / "stack" / _STACK

    def _problems(self) -> list[Problem]:
        found = check_dockerfile((self.folder / "Dockerfile").read_text(encoding="utf-8"))
        return found + check_stack(
            read_stack(self._stack_file.read_text(encoding="utf-8"), name=str(self._stack_file))
        )

    def build(self) -> Report:
        """Build the image, of what a person may have edited since it was written."""
        self.write()
        self._require_same_image()
        self._docker.build(self.folder, self.image, self._build_arguments())
        return {"image": self.image, "id": self._docker.image_id(self.image)}

    def _require_same_image(self) -> None:
        """Refuse a stack file, kept as a person edited it, that would run another image than is built."""
        stack = read_stack(self._stack_file.read_text(encoding="utf-8"), name=str(self._stack_file))
        named = stack["services"].get("web", {}).get("image")
        if named != self.image:
            raise InputError(
                f"the stack file runs {named}, and {self.image} is built",
                subject=str(self._stack_file),
                hint=f"Say image: {self.image} there; {_STACK}.new beside it shows what would be written.",
            )

    def give(self) -> Report:
        """Push the image, or load it into the nodes' engines."""
        match self.plan.image.give:
            case "push":
                self._docker.push(self.image)
                return {"pushed": self.image}
            case "load":
                return {"loaded_into": self._docker.give(self.image, self._others)}
            case _:
                return {}

    def deploy(self, stop: Stop, reporter: Reporter) -> Report:
        """Make the secrets, deploy, wait until every replica is healthy."""
        stack, names = self.plan.deploy.stack, self._secret_names()
        for purpose, content in self._secret_contents().items():
            self._docker.make_secret(names[purpose], content, stack=stack)
        running = roll_out(
            self._docker,
            self._stack_file,
            stack,
            from_registry=self.plan.image.give == "push",
            seconds=self.plan.deploy.wait_seconds,
            stop=stop,
            reporter=reporter,
        )
        return {"running": running}

    def _secret_contents(self) -> dict[str, bytes]:
        sessions, paths = self.plan.sessions, {}
        if sessions:
            paths[REDIS_PASSWORD] = sessions.password_file
        if self.plan.files:
            first = self.plan.files[0]
            paths |= {"remote_key_id": first.key_id_file, "remote_key": first.key_file}
            paths[CHANGES_REDIS] = self.plan.cache.changes_redis_file
        contents = {purpose: _content(path) for purpose, path in paths.items() if path}
        if self.plan.files and CHANGES_REDIS not in contents:
            password = contents.get(REDIS_PASSWORD, b"").decode().rstrip("\r\n")
            if url := changes_by_sessions_redis(self.plan, password):
                contents[CHANGES_REDIS] = url.encode()
        return contents

    def _secret_names(self) -> dict[str, str]:
        key = self._naming_key()
        return {
            purpose: secret_name(self.plan.deploy.stack, purpose, content, key)
            for purpose, content in self._secret_contents().items()
        }

    def _naming_key(self) -> bytes:
        """Return the key that secrets' names are made with, made once for this move."""
        path = self._state / "naming.key"
        if not path.exists():
            part = path.with_name(".naming.key.part")
            part.write_bytes(secrets.token_bytes(32))
            part.chmod(0o600)
            part.replace(path)
        return path.read_bytes()


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", subject=path) from None
