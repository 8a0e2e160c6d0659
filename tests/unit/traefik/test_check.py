"""What `check` says of configurations: every form of every version, and the labels of services."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporters.cli.traefik_check import command
from exporters.traefik.check import findings, read_configuration
from swarmstead.errors import Different, InputError

EDGE = Path(__file__).parents[3] / "stacks" / "edge.yml"
DROPPED = {
    f"--accesslog.fields.names.{name}=keep" for name in ("RouterName", "ServiceName", "entryPointName")
}
FORMAT = "--accesslog.format=json"


def errors(text: str, tmp_path: Path, name: str = "traefik.yml") -> set[str]:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return {advice.add for advice in findings(file) if advice.severity == "error"}


def test_our_own_stack_lacks_nothing() -> None:
    assert findings(EDGE) == []


def test_common_format(tmp_path: Path) -> None:
    assert errors("accessLog:\n  filePath: /x\n", tmp_path) == {FORMAT}
    assert errors("accessLog: {}\n", tmp_path) == {FORMAT}
    assert errors("accessLog: {format: genericCLF}\n", tmp_path) == {FORMAT}


def test_no_log(tmp_path: Path) -> None:
    for text in ("api: {}\n", "accessLog: false\n"):
        assert any("--accesslog=true" in add for add in errors(text, tmp_path))


def test_dropped_fields_a_buffer_and_filters(tmp_path: Path) -> None:
    text = """
accessLog:
  format: json
  filePath: /x
  bufferingSize: 100
  filters: {statusCodes: ["500-599"]}
  fields:
    defaultMode: drop
    names: {DownstreamStatus: keep, RequestHost: keep, RouterName: keep, entryPointName: keep, Duration: keep}
"""
    assert errors(text, tmp_path) == {
        "--accesslog.fields.names.ServiceName=keep",
        "--accesslog.fields.names.OriginDuration=keep",
        "remove --accesslog.filters.statuscodes",
    }


def test_a_log_that_only_a_collector_gets(tmp_path: Path) -> None:
    text = "accessLog: {format: json, otlp: {http: {endpoint: x}}}\n"
    assert errors(text, tmp_path) == {"--accesslog.dualoutput=true"}
    assert errors(text.replace("format: json", "format: json, dualOutput: true"), tmp_path) == set()


# TOML, of v2 and v1


def test_toml(tmp_path: Path) -> None:
    text = (
        '[accessLog]\nformat = "json"\n[accessLog.fields]\ndefaultMode = "drop"\n[accessLog.fields.names]\n'
    )
    kept = "".join(f'{name} = "keep"\n' for name in ("DownstreamStatus", "RequestHost", "Duration"))
    assert errors("[providers.swarm]\n" + text + kept, tmp_path, "traefik.toml") == DROPPED


def test_toml_of_v1_has_other_names(tmp_path: Path) -> None:
    text = 'defaultEntryPoints = ["http"]\n[accessLog]\nformat = "json"\n'
    text += '[accessLog.fields]\ndefaultMode = "drop"\n'
    kept = '[accessLog.fields.names]\nDownstreamStatus = "keep"\nRequestHost = "keep"\nDuration = "keep"\n'
    assert errors(text + kept, tmp_path, "traefik.toml") == {
        "--accesslog.fields.names.FrontendName=keep",
        "--accesslog.fields.names.BackendName=keep",
    }
    (add,) = errors('accessLogsFile = "/var/log/x"\n', tmp_path, "traefik.toml")
    assert FORMAT in add


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("traefik.yml", "a: 1\n[x]\n", r"traefik\.yml:\d+: is no YAML"),
        ("traefik.toml", "a = 1\nb =\n", r"traefik\.toml:2: is no TOML"),
        ("traefik.yml", "- 1\n", "is no configuration"),
        ("stack.yml", "services: {web: {image: nginx}}\n", "no service in it runs Traefik"),
    ],
)
def test_what_cannot_be_read_names_file_and_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        errors(text, tmp_path, name)


# A stack's flags and variables


def stack(**service: object) -> str:
    return json.dumps({"services": {"traefik": {"image": "traefik:v3.7", **service}}})


@pytest.mark.parametrize(
    "command_",
    [
        ["--accesslog=true", "--accesslog.format=json"],
        ["--accesslog", "--accessLog.Format", "json"],
        ["-accesslog=true", "-accesslog.format=json"],
        "traefik --accesslog.format=json --ping",
    ],
)
def test_flags_in_every_spelling(command_: object, tmp_path: Path) -> None:
    assert errors(stack(command=command_), tmp_path) == set()
    assert errors(stack(entrypoint=command_), tmp_path) == set()


def test_flags_of_v1_that_hold_pairs(tmp_path: Path) -> None:
    flags = [
        "--accessLog.format=json",
        "--accessLog.fields.names=FrontendName=drop ClientHost=drop",
        "--docker",
    ]
    assert errors(stack(image="traefik:1.7-alpine", command=flags), tmp_path) == {
        "--accesslog.fields.names.FrontendName=keep"
    }


@pytest.mark.parametrize("as_list", [True, False])
def test_variables(as_list: bool, tmp_path: Path) -> None:
    pairs = {
        "TRAEFIK_ACCESSLOG": "true",
        "TRAEFIK_ACCESSLOG_FORMAT": "json",
        "TRAEFIK_ACCESSLOG_FIELDS_NAMES_RequestHost": "drop",
        "TZ": "UTC",
    }
    given = [f"{name}={value}" for name, value in pairs.items()] if as_list else pairs
    assert errors(stack(environment=given), tmp_path) == {"--accesslog.fields.names.RequestHost=keep"}


def test_flags_keep_variables_and_a_file_keeps_both_from_counting(tmp_path: Path) -> None:
    variables = {"TRAEFIK_ACCESSLOG_FORMAT": "json"}
    given = stack(command=["--accesslog=true"], environment=variables)
    assert errors(given, tmp_path) == {FORMAT, "give them as flags"}
    given = stack(command=["--configfile=/etc/traefik.toml", "--accesslog.format=json"])
    assert errors(given, tmp_path) == {"traefik-exporter check that file"}


def test_a_traefik_without_any_setting_has_no_log(tmp_path: Path) -> None:
    assert any("--accesslog=true" in add for add in errors(stack(), tmp_path))


def test_an_exporter_is_no_traefik(tmp_path: Path) -> None:
    file = tmp_path / "stack.yml"
    file.write_text(stack(image="x/traefik-exporter:1", command=["--log=/x"]), encoding="utf-8")
    assert read_configuration(file) == {}


# The labels of services


def app(*labels: str, where: str = "deploy") -> str:
    service = {"deploy": {"labels": labels}} if where == "deploy" else {"labels": labels}
    return json.dumps({"services": {"shop": service}})


RULE = "traefik.http.routers.shop.rule=Host(`shop.example.com`)"
PORT = "traefik.http.services.shop.loadbalancer.server.port=8080"


def test_good_labels(tmp_path: Path) -> None:
    assert errors(app(RULE, PORT), tmp_path) == set()
    assert errors(app(RULE, "traefik.enable=false"), tmp_path) == set()


@pytest.mark.parametrize(
    ("text", "add"),
    [
        (app(RULE), "traefik.http.services.shop.loadbalancer.server.port=PORT"),
        (app(RULE, PORT, where="container"), "deploy: {labels: …}"),
        (
            app(RULE, PORT, "traefik.docker.network=a", "traefik.swarm.network=a"),
            "remove traefik.docker.network",
        ),
        (
            app(RULE, PORT, "traefik.http.routers.shop.observability.accessLogs=false"),
            "remove traefik.http.routers.shop.observability.accesslogs",
        ),
    ],
)
def test_labels_that_keep_requests_out_of_the_figures(text: str, add: str, tmp_path: Path) -> None:
    assert errors(text, tmp_path) == {add}


def test_a_router_for_any_host_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "stack.yml"
    file.write_text(app(RULE.replace("Host", "HostRegexp"), PORT), encoding="utf-8")
    (advice,) = findings(file)
    assert (advice.severity, advice.add) == ("note", "traefik-exporter serve --host NAME")


# The command


def test_the_command_says_what_to_add_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "traefik.yml"
    file.write_text("accessLog: {}\nmetrics: {prometheus: {}}\n", encoding="utf-8")
    result = CliRunner().invoke(command, [str(file)])
    assert isinstance(result.exception, Different)
    assert "error: traefik.yml: the common format" in result.output
    assert f"\n  {FORMAT}\n" in result.output
    found = json.loads(CliRunner().invoke(command, ["--json", str(file)]).output)
    assert {each["severity"] for each in found} == {"error", "note"}
