"""When a service is what its specification says."""

from typing import Any

import pytest

from migrate.packaging import judge

SPEC = {"ContainerSpec": {"Image": "a:2", "Privileges": {"NoNewPrivileges": False}}, "ForceUpdate": 0}


def service(*, replicas: int | None = 2, update: str = "") -> dict[str, Any]:
    mode: dict[str, Any] = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    status = {"State": update, "Message": "why"} if update else None
    return {"Spec": {"Name": "a_web", "Mode": mode, "TaskTemplate": SPEC}, "UpdateStatus": status}


def task(
    state: str = "running", *, image: str = "a:2", desired: str = "running", error: str = ""
) -> dict[str, Any]:
    return {
        "Spec": {"ContainerSpec": {"Image": image, "Privileges": {}}},
        "DesiredState": desired,
        "Status": {"State": state, "Err": error},
    }


@pytest.mark.parametrize(
    ("replicas", "update", "tasks", "done"),
    [
        (2, "", [task(), task()], True),
        (2, "completed", [task(), task()], True),
        (2, "", [task(), task("starting")], False),
        (2, "", [task()], False),
        (2, "updating", [task(), task()], False),
        (2, "", [task(), task(), task(image="a:1")], False),
        (2, "", [task(), task(), task("shutdown", image="a:1", desired="shutdown")], True),
        (2, "", [task(), task(image="a:1")], False),
        (None, "", [task(), task(), task()], True),
        (None, "", [task(), task()], False),
    ],
)
def test_done(replicas: int | None, update: str, tasks: list[dict[str, Any]], done: bool) -> None:
    assert judge(service(replicas=replicas, update=update), tasks, nodes=3).done is done


@pytest.mark.parametrize("update", ["paused", "rollback_started", "rollback_completed", "rollback_paused"])
def test_an_update_that_was_undone_is_a_failure(update: str) -> None:
    """`docker stack deploy --detach=false` exits 0 after a rollback."""
    tasks = [task(), task(), task("failed", desired="shutdown", error="no such image")]
    found = judge(service(update=update), tasks, nodes=3)
    assert not found.done
    assert update in found.failed
    assert found.last_error == "no such image"
