"""The sites. Its first panel is the one that this project began with."""

from grafana.model import Board, Query, Row, Variable
from grafana.panels import bars, series, stat, table

__all__ = ["BOARD"]

# What the log and what scrapes tell are the same requests: never summed, so one of them is looked at.
_CHOSEN = 'source="$source", host=~"$host"'
_H = f"{{{_CHOSEN}}}"
_ERRORS = f'traefik_rate_requests_total{{code_class="5xx", {_CHOSEN}}}'
# A bucket is published some seconds after its end, so at T the series still shows the one before: one minute
# later is looked up for each bar.
_BUCKETS = f"traefik_rate_bucket_requests_per_second{_H} offset -1m"

BOARD = Board(
    uid="swarmstead-sites",
    title="Traefik: sites",
    description="Requests, errors and times of every site, from Traefik's access log.",
    since="now-6h",
    refresh="1m",
    variables=(
        Variable("source", "Counted from", "traefik_rate_requests_total", one=True),
        Variable("host", "Site", "traefik_rate_requests_total"),
    ),
    rows=(
        Row(
            "Requests per second",
            (
                bars(
                    "Requests per second, mean of 5 minutes, by host",
                    Query(f"sum by (host) ({_BUCKETS})", legend="{{host}}"),
                    description="Each bar is the number of requests of five minutes of the "
                    "clock divided by 300. The "
                    "running five minutes are not shown. Every request in the log is in exactly one bar.",
                    unit="reqps",
                    min_interval="5m",
                ),
                bars(
                    "Requests per second, mean of 5 minutes, by service",
                    Query(f"sum by (service) ({_BUCKETS})", legend="{{service}}"),
                    description="As above. Requests that reached no service are under an empty name.",
                    unit="reqps",
                    min_interval="5m",
                ),
            ),
        ),
        Row(
            "Now",
            (
                stat(
                    "Requests per second, last minute",
                    Query(f'sum(traefik_rate_requests_per_second{{window="1m", {_CHOSEN}}})'),
                    description="All sites chosen, mean of the last minute.",
                    unit="reqps",
                ),
                stat(
                    "Errors (5xx), last hour",
                    Query(
                        f"""sum(increase({_ERRORS}[1h]))
                        / sum(increase(traefik_rate_requests_total{_H}[1h]))"""
                    ),
                    description="Part of all answers that were errors of the server.",
                    unit="percentunit",
                    steps=((None, "green"), (0.005, "orange"), (0.03, "red")),
                ),
                stat(
                    "p95, last 10 minutes",
                    Query(
                        f"""histogram_quantile(0.95, sum by (le) (
                        rate(traefik_rate_request_duration_seconds_bucket{_H}[10m])))"""
                    ),
                    description="19 of 20 requests were faster. Websockets are not counted.",
                    unit="s",
                    steps=((None, "green"), (1, "orange"), (2, "red")),
                ),
                table(
                    "Sites",
                    Query(
                        f'sum by (host) (traefik_rate_requests_per_second{{window="5m", {_CHOSEN}}})',
                        table=True,
                    ),
                    Query(f"sum by (host) (increase(traefik_rate_requests_total{_H}[1d]))", table=True),
                    Query(
                        f"sum by (host) (increase({_ERRORS}[1d]))",
                        table=True,
                    ),
                    Query(
                        f"time() - max by (host) (traefik_rate_last_request_timestamp_seconds{_H})",
                        table=True,
                    ),
                    description="Which of the sites is dead: the last column says when it was "
                    "last asked for.",
                    join="host",
                    columns={
                        "host": "Site",
                        "Value #A": "Requests/s, 5 minutes",
                        "Value #B": "Requests, 1 day",
                        "Value #C": "Errors, 1 day",
                        "Value #D": "Last request before",
                    },
                    units={"Requests/s, 5 minutes": "reqps", "Last request before": "s"},
                    width=12,
                    height=8,
                ),
            ),
        ),
        Row(
            "Answers",
            (
                series(
                    "Requests per second by class of answer",
                    Query(
                        f"sum by (code_class) (rate(traefik_rate_requests_total{_H}[$__rate_interval]))",
                        legend="{{code_class}}",
                    ),
                    description="`other`: websockets and codes beyond 599.",
                    unit="reqps",
                    stack=True,
                ),
                series(
                    "Requests per second by outcome",
                    Query(
                        'sum by (outcome) (rate(traefik_rate_outcomes_total{outcome!="app", '
                        'source="$source", host=~"$host"}[$__rate_interval]))',
                        legend="{{outcome}}",
                    ),
                    description="All but what the app answered well: what Traefik's own metrics do not show.",
                    unit="reqps",
                    stack=True,
                ),
                series(
                    "Errors (5xx) of all answers, by site",
                    Query('host:traefik_rate_errors:ratio_rate5m{host=~"$host"}', legend="{{host}}"),
                    description="Mean of 5 minutes.",
                    unit="percentunit",
                ),
                series(
                    "Time of an answer: p50 and p95",
                    Query(
                        f"""histogram_quantile(0.5, sum by (le, host) (
                        rate(traefik_rate_request_duration_seconds_bucket{_H}[$__rate_interval])))""",
                        legend="{{host}} p50",
                    ),
                    Query(
                        f"""histogram_quantile(0.95, sum by (le, host) (
                        rate(traefik_rate_request_duration_seconds_bucket{_H}[$__rate_interval])))""",
                        legend="{{host}} p95",
                    ),
                    description="What the app needed, without what Traefik answered itself.",
                    unit="s",
                ),
                series(
                    "Bytes per second",
                    Query(
                        f"sum by (host) (rate(traefik_rate_response_bytes_total{_H}[$__rate_interval]))",
                        legend="{{host}} out",
                    ),
                    Query(
                        f"sum by (host) (rate(traefik_rate_request_bytes_total{_H}[$__rate_interval]))",
                        legend="{{host}} in",
                    ),
                    description="Bodies, without headers.",
                    unit="Bps",
                ),
                series(
                    "Days until certificates end",
                    Query("(min by (cn) (traefik_tls_certs_not_after) - time()) / 86400", legend="{{cn}}"),
                    description="Let's Encrypt's are renewed at 30 days.",
                    unit="d",
                ),
            ),
        ),
        Row(
            "The exporter",
            (
                series(
                    "Behind the log",
                    Query("traefik_rate_log_lag_seconds", legend="{{instance}}"),
                    description="Seconds between the newest line and the one read.",
                    unit="s",
                    width=8,
                ),
                series(
                    "Lines it could not read",
                    Query(
                        "sum by (instance, kind) (rate(traefik_rate_log_errors_total[$__rate_interval]))",
                        legend="{{instance}} {{kind}}",
                    ),
                    description="Per second, by what was wrong.",
                    width=8,
                ),
                series(
                    "Open connections of Traefik",
                    Query(
                        "sum by (instance, entrypoint) (traefik_open_connections)",
                        legend="{{instance}} {{entrypoint}}",
                    ),
                    description="From Traefik itself.",
                    width=8,
                ),
            ),
        ),
    ),
)
