"""A service's update or rollback."""

from collections.abc import Iterator
from typing import Final

from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample, states
from exporters.swarm.kinds.service import S
from exporters.swarm.times import seconds
from exporters.swarm.view import ServiceView

__all__ = ["METRICS", "UPDATE_STATES", "samples"]

UPDATE_STATES: Final = (
    "none",
    "updating",
    "paused",
    "completed",
    "rollback_started",
    "rollback_paused",
    "rollback_completed",
)

STATE = Metric(
    "swarm_service_update_state",
    "State of a service's last update, 1 for the current one; `none` when it was never updated.",
    labels=(*S, "state"),
    source="GET /services: UpdateStatus.State (moby, daemon/cluster/convert/service.go has six)",
)
STARTED = Metric(
    "swarm_service_update_started_timestamp_seconds",
    "When the last update began, in Unix time.",
    labels=S,
    unit="seconds",
    source="GET /services: UpdateStatus.StartedAt",
    when="Absent when never updated.",
)
COMPLETED = Metric(
    "swarm_service_update_completed_timestamp_seconds",
    "When the last update or rollback was completed, in Unix time.",
    labels=S,
    unit="seconds",
    source="GET /services: UpdateStatus.CompletedAt",
    when="Absent until then.",
)
SINCE = Metric(
    "swarm_service_update_state_since_timestamp_seconds",
    "Since when the update is in its state, in Unix time; of a paused one, the service's last change.",
    labels=S,
    unit="seconds",
    stability="experimental",
    source="GET /services: UpdateStatus.CompletedAt, else UpdatedAt if paused, else StartedAt",
    when="Absent when never updated.",
)

METRICS: Final = (STATE, STARTED, COMPLETED, SINCE)


def samples(view: ServiceView) -> Iterator[Sample]:
    """Yield a service's samples."""
    service, labels, status = view.service, view.labels, view.service.update_status
    state = (status.state if status else "") or "none"
    yield from states(STATE, labels, UPDATE_STATES, state)
    if status is None or state == "none":
        return
    started, completed = seconds(status.started_at), seconds(status.completed_at)
    if started:
        yield STARTED, labels, started
    if completed:
        yield COMPLETED, labels, completed
    # A pause is written into the service, which is then left alone until somebody acts.
    since = seconds(service.updated_at) if state.endswith("paused") else completed or started
    if since:
        yield SINCE, labels, since
