"""What `check` says of configurations."""

from pathlib import Path

import pytest

from exporters.traefik.check import advise, read_configuration
from swarmstead.errors import InputError

EDGE = Path(__file__).parents[3] / "stacks" / "edge.yml"


def errors(text: str, tmp_path: Path) -> set[str]:
    file = tmp_path / "traefik.yml"
    file.write_text(text, encoding="utf-8")
    ((name, options),) = read_configuration(file).items()
    return {advice.add for advice in advise(name, options) if advice.severity == "error"}


def test_our_own_stack_lacks_nothing() -> None:
    ((name, options),) = read_configuration(EDGE).items()
    assert [advice for advice in advise(name, options) if advice.severity == "error"] == []


def test_common_format(tmp_path: Path) -> None:
    assert errors("accessLog:\n  filePath: /x\n", tmp_path) == {"--accesslog.format=json"}
    assert errors("accessLog: {}\n", tmp_path) == {"--accesslog.format=json"}


def test_no_log(tmp_path: Path) -> None:
    assert any("--accesslog=true" in add for add in errors("api: {}\n", tmp_path))


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


def test_no_yaml_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "traefik.toml"
    file.write_text("a: 1\n[x]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"traefik\.toml:\d+: is no YAML"):
        read_configuration(file)
