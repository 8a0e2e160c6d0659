"""What the exporter exports, declared once; docs/metrics/traefik.md is made from these."""

from typing import Final

from exporters.exposition import Metric

__all__ = ["ITSELF", "METRICS", "REQUESTS", "WINDOWED"]

_H: Final = ("source", "host", "service")
_LOG: Final = "Traefik's access log"

REQUESTS_TOTAL: Final = Metric(
    "traefik_rate_requests_total",
    "Requests that Traefik took, by class of status; class other is status 0 (websocket) and 600 and above.",
    "counter", (*_H, "entrypoint", "code_class"), source=_LOG,
)  # fmt: skip
OUTCOMES_TOTAL: Final = Metric(
    "traefik_rate_outcomes_total",
    "Requests by what became of them; the outcomes exclude each other and sum up to all requests.",
    "counter", (*_H, "outcome"), source="exporters/traefik/outcome.py", when="source is scrape",
)  # fmt: skip
RESPONSES_TOTAL: Final = Metric(
    "traefik_rate_responses_total", "Requests by exact status; code 0 is every one outside 100 to 599.",
    "counter", (*_H, "code"), source=_LOG, when="--exact-codes is not given",
)  # fmt: skip
REQUEST_BYTES: Final = Metric(
    "traefik_rate_request_bytes_total", "Bytes of request bodies.",
    "counter", _H, unit="bytes", source="RequestContentSize", when="the log is in the common format",
)  # fmt: skip
RESPONSE_BYTES: Final = Metric(
    "traefik_rate_response_bytes_total", "Bytes of response bodies as sent to clients.",
    "counter", _H, unit="bytes", source="DownstreamContentSize",
)  # fmt: skip
DURATION: Final = Metric(
    "traefik_rate_request_duration_seconds",
    "Time of requests that a server answered; websockets, aborted ones, Traefik's own answers are not in.",
    "histogram", _H, unit="seconds", source="OriginDuration, or Duration where there is none",
)  # fmt: skip
LAST_REQUEST: Final = Metric(
    "traefik_rate_last_request_timestamp_seconds", "When the last request was written to the log.",
    "gauge", _H, unit="seconds", source=_LOG,
)  # fmt: skip
REQUESTS: Final = (
    REQUESTS_TOTAL, OUTCOMES_TOTAL, RESPONSES_TOTAL, REQUEST_BYTES, RESPONSE_BYTES, DURATION, LAST_REQUEST,
)  # fmt: skip

PER_SECOND: Final = Metric(
    "traefik_rate_requests_per_second",
    "Requests per second over the last minute or five, in whole slots of 5 s by the log's own time.",
    "gauge", (*_H, "window"), source="exporters/traefik/windows.py",
)  # fmt: skip
ERRORS_PER_SECOND: Final = Metric(
    "traefik_rate_errors_per_second", "Requests per second that ended with a 5xx, likewise.",
    "gauge", (*_H, "window"), source="exporters/traefik/windows.py",
)  # fmt: skip
BUCKET: Final = Metric(
    "traefik_rate_bucket_requests", "Requests of the last completed five-minute bucket of the clock.",
    "gauge", _H, source="exporters/traefik/windows.py",
)  # fmt: skip
BUCKET_PER_SECOND: Final = Metric(
    "traefik_rate_bucket_requests_per_second", "The same, per second: a bar of the panel.",
    "gauge", _H, source="exporters/traefik/windows.py",
)  # fmt: skip
BUCKET_SO_FAR: Final = Metric(
    "traefik_rate_bucket_so_far_requests", "Requests of the running five-minute bucket so far.",
    "gauge", _H, source="exporters/traefik/windows.py",
)  # fmt: skip
BUCKET_START: Final = Metric(
    "traefik_rate_bucket_start_timestamp_seconds", "When the last completed bucket began.",
    "gauge", ("source",), unit="seconds",
)  # fmt: skip
WINDOWED: Final = (PER_SECOND, ERRORS_PER_SECOND, BUCKET, BUCKET_PER_SECOND, BUCKET_SO_FAR, BUCKET_START)

CLUSTER_PER_SECOND: Final = Metric(
    "traefik_rate_cluster_requests_per_second",
    "Requests per second over all exporters; the same on each of them.",
    "gauge", ("host", "service", "window"), when="--peers is not given",
)  # fmt: skip
CLUSTER_BUCKET: Final = Metric(
    "traefik_rate_cluster_bucket_requests", "Requests of the last completed bucket over all exporters.",
    "gauge", ("host", "service"), when="--peers is not given",
)  # fmt: skip
CLUSTER_BUCKET_START: Final = Metric(
    "traefik_rate_cluster_bucket_start_timestamp_seconds", "When the bucket merged over all exporters began.",
    "gauge", (), unit="seconds", when="--peers is not given",
)  # fmt: skip
PEERS: Final = Metric(
    "traefik_rate_peers", "Exporters found for the merge, this one included.",
    "gauge", ("state",), when="--peers is not given",
)  # fmt: skip
CLUSTER: Final = (CLUSTER_PER_SECOND, CLUSTER_BUCKET, CLUSTER_BUCKET_START, PEERS)

INFO: Final = Metric(
    "traefik_rate_exporter_build_info", "The exporter's version.", "info", ("version", "instance_id")
)
START: Final = Metric(
    "traefik_rate_exporter_start_timestamp_seconds", "When the exporter started.", unit="seconds"
)
SOURCE: Final = Metric(
    "traefik_rate_exporter_source_info",
    "Where the figures come from, and the format last read: clf has neither host nor service.",
    "info", ("source", "format"),
)  # fmt: skip
_NO_LOG: Final = "source is scrape"
LOG_UP: Final = Metric("traefik_rate_log_up", "Whether a log file is open in its place.", when=_NO_LOG)
LAG_BYTES: Final = Metric(
    "traefik_rate_log_lag_bytes", "Bytes in the files not read yet.", unit="bytes", when=_NO_LOG
)
LAG_SECONDS: Final = Metric(
    "traefik_rate_log_lag_seconds", "Age of the last line read while bytes are waiting, else 0.",
    unit="seconds", when=_NO_LOG,
)  # fmt: skip
LAST_LINE: Final = Metric(
    "traefik_rate_log_last_line_timestamp_seconds",
    "When the last line read was written.",
    unit="seconds",
    when=_NO_LOG,
)
LINES: Final = Metric(
    "traefik_rate_log_lines_total",
    "Lines by kind: a request, Traefik's own (scrapes, pings of v2), or none of the access log.",
    "counter", ("kind",), when=_NO_LOG,
)  # fmt: skip
ERRORS: Final = Metric(
    "traefik_rate_log_errors_total", "Lines that could not be read, or were torn, by kind.",
    "counter", ("kind",), when=_NO_LOG,
)  # fmt: skip
AMBIGUOUS: Final = Metric(
    "traefik_rate_log_ambiguous_total", "Lines of the common format that can be read in two ways.",
    "counter", when=_NO_LOG,
)  # fmt: skip
ROTATIONS: Final = Metric(
    "traefik_rate_log_rotations_total", "Files renamed or deleted.", "counter", when=_NO_LOG
)
TRUNCATIONS: Final = Metric("traefik_rate_log_truncations_total", "Files cut.", "counter", when=_NO_LOG)
LATE: Final = Metric(
    "traefik_rate_log_late_requests_total",
    "Requests older than any window when they were read: counted, but in no window.", "counter", when=_NO_LOG,
)  # fmt: skip
DURATIONS: Final = Metric(
    "traefik_rate_durations_total", "Durations by the field they were taken from.",
    "counter", ("from",), when=_NO_LOG,
)  # fmt: skip
FOLDED: Final = Metric(
    "traefik_rate_folded_total", "Requests whose label became other because of a cap.", "counter", ("label",)
)
HOSTS: Final = Metric("traefik_rate_hosts", "Hosts that have a label of their own.")
SERVICES: Final = Metric("traefik_rate_services", "Services seen.")
COLLISION: Final = Metric(
    "traefik_rate_service_collision",
    "Two Swarm services share this name in Traefik, which merges or drops them.",
    "gauge", ("name",), when="none does",
)  # fmt: skip
LEARN_UP: Final = Metric(
    "traefik_rate_learn_up", "Whether hosts and names could be asked for last.", "gauge", ("from",),
    when="neither --traefik-api nor --learn-engine is given",
)  # fmt: skip
_NO_SCRAPE: Final = "source is log"
TARGETS: Final = Metric(
    "traefik_rate_scrape_targets", "Traefik tasks found.", "gauge", ("state",), when=_NO_SCRAPE
)
SCRAPE_ERRORS: Final = Metric(
    "traefik_rate_scrape_errors_total", "Scrapes that failed.", "counter", when=_NO_SCRAPE
)
SCRAPE_LAST: Final = Metric(
    "traefik_rate_scrape_last_timestamp_seconds",
    "When a Traefik was scraped last.",
    unit="seconds",
    when=_NO_SCRAPE,
)
STATE_ERRORS: Final = Metric(
    "traefik_rate_state_errors_total", "Times that offsets and counts could not be saved.", "counter"
)
CPU: Final = Metric("process_cpu_seconds_total", "CPU time, user and system.", "counter", unit="seconds")
MEMORY: Final = Metric("process_resident_memory_bytes", "Resident memory.", unit="bytes")
ITSELF: Final = (
    INFO, START, SOURCE, LOG_UP, LAG_BYTES, LAG_SECONDS, LAST_LINE, LINES, ERRORS, AMBIGUOUS, ROTATIONS,
    TRUNCATIONS, LATE, DURATIONS, FOLDED, HOSTS, SERVICES, COLLISION, LEARN_UP, TARGETS, SCRAPE_ERRORS,
    SCRAPE_LAST, STATE_ERRORS, CPU, MEMORY,
)  # fmt: skip

METRICS: Final = (*REQUESTS, *WINDOWED, *CLUSTER, *ITSELF)
