"""Text and OpenMetrics as prometheus_client reads them, choice of a form, requests, the web config file."""

import gzip
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from exporters.exposition import Family, Form, Metric, Page, Section, load_web_config
from exporters.exposition.negotiate import choose
from exporters.exposition.request import BadRequest, parse_head
from swarmstead.errors import InputError

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.2"
)
TEXT, OPENMETRICS = Form(openmetrics=False, gzip=False), Form(openmetrics=True, gzip=False)
# A line feed ends a line of either format; a carriage return is one to some parsers, ours writes it as it is.
_LABEL = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=12
)
_VALUE = st.one_of(st.integers(-(2**53), 2**53), st.floats())


@given(st.dictionaries(st.tuples(_LABEL, _LABEL), _VALUE, max_size=6), st.sampled_from(["gauge", "counter"]))
def test_any_label_and_value_is_read_back(samples: dict[tuple[str, str], float], kind: str) -> None:
    name = "x_total" if kind == "counter" else "x"
    family = Family(Metric(name, 'Help with "quotes", a \\ and\na line.', kind, ("a", "b")))  # type: ignore[arg-type]
    for labels, value in samples.items():
        family.add(labels, value if kind == "gauge" or not value < 0 else -value)
    page = Page([Section([family])])
    for text, openmetrics in ((page.body(TEXT).decode(), False), (page.body(OPENMETRICS).decode(), True)):
        if openmetrics:
            if kind == "counter" and any(math.isnan(v) for v in samples.values()):
                continue  # its parser refuses NaN in a counter
            read = list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
        else:
            read = list(text_string_to_metric_families(text))
        if not samples:
            assert read == []
            continue
        (found,) = read
        assert found.type == kind
        assert found.documentation == 'Help with "quotes", a \\ and\na line.'
        got = {(s.labels["a"], s.labels["b"]): s.value for s in found.samples}
        assert got.keys() == samples.keys()
        for labels, value in samples.items():
            wanted = value if kind == "gauge" or not value < 0 else -value
            assert got[labels] == pytest.approx(wanted, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("Upper", "gauge", ()),
        ("x-y", "gauge", ()),
        ("requests", "counter", ()),
        ("build", "info", ()),
        ("x", "gauge", ("a", "a")),
        ("x", "gauge", ("a-b",)),
    ],
)
def test_bad_names_are_refused_where_they_are_declared(name: str, kind: str, labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=name):
        Metric(name, "Help.", kind, labels)  # type: ignore[arg-type]


def test_a_sample_must_have_all_labels() -> None:
    with pytest.raises(ValueError, match="argument"):
        Family(Metric("x", "Help.", labels=("a", "b"))).add(("only one",), 1)


def test_openmetrics_heads_have_unit_and_bare_names() -> None:
    metric = Metric("cpu_seconds_total", "CPU.", "counter", unit="seconds")
    assert (
        metric.openmetrics_head
        == "# HELP cpu_seconds CPU.\n# TYPE cpu_seconds counter\n# UNIT cpu_seconds seconds\n"
    )
    assert metric.text_head == "# HELP cpu_seconds_total CPU.\n# TYPE cpu_seconds_total counter\n"
    info = Metric("x_info", "What it is.", "info")
    assert info.text_head == "# HELP x_info What it is.\n# TYPE x_info gauge\n"
    assert info.openmetrics_head == "# HELP x What it is.\n# TYPE x info\n"


def _page(*numbers: int) -> Page:
    sections = []
    for number in numbers:
        family = Family(Metric(f"x{number}", "Help."))
        family.add((), number)
        sections.append(Section([family]))
    return Page(sections)


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 3)])
def test_gzip_is_the_page(openmetrics: bool, numbers: tuple[int, ...]) -> None:
    page = _page(*numbers)
    plain = page.body(Form(openmetrics, gzip=False))
    assert gzip.decompress(page.body(Form(openmetrics, gzip=True))) == plain
    assert plain.endswith(b"# EOF\n") == openmetrics
    assert page.size == len(page.body(TEXT))
    assert page.series == len(numbers)


def test_a_form_is_made_once_a_page_and_ahead_of_the_next_scrape() -> None:
    page = _page(1, 2)
    form = Form(openmetrics=True, gzip=True)
    assert page.body(form) is page.body(form)
    after = _page(3).follow(page)
    assert after.forms == (form,)
    # a section that stayed keeps its compressed bytes
    assert page.sections[0].compressed(openmetrics=True) is page.sections[0].compressed(openmetrics=True)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        (PROMETHEUS, True),
        ("text/plain, application/openmetrics-text;q=0.1", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=rubbish", False),
        ('application/openmetrics-text; version="1.0.0"', True),
        ("application/openmetrics-text; version=9.0.0", False),
    ],
)
def test_form_by_accept(accept: str, openmetrics: bool) -> None:
    assert choose(accept, "").openmetrics is openmetrics


@pytest.mark.parametrize(
    ("encoding", "taken"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("gzip;q=0", False),
        ("", False),
        ("identity", False),
        ("GZIP", True),
    ],
)
def test_gzip_by_accept_encoding(encoding: str, taken: bool) -> None:
    assert choose("", encoding).gzip is taken


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_is_survived(accept: str, encoding: str) -> None:
    choose(accept, encoding)


def test_request_heads() -> None:
    request = parse_head(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nACCEPT: text/plain\r\nAccept: */*")
    assert (request.method, request.path, request.keep_alive) == ("GET", "/metrics", True)
    assert request.headers["accept"] == "text/plain, */*"
    assert not parse_head(b"GET / HTTP/1.0").keep_alive
    assert not parse_head(b"GET / HTTP/1.1\r\nConnection: Close").keep_alive
    assert not parse_head(b"GET / HTTP/1.1\r\nContent-Length: 5").keep_alive


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET / HTTP/2.0", 505),
        (b"GET http://x/ HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\n folded: x", 400),
        (b"\x16\x03\x01\x02\x00", 400),
    ],
)
def test_bad_heads(head: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_head(head)
    assert caught.value.status == status


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_bad_one(head: bytes) -> None:
    try:
        parse_head(head)
    except BadRequest as bad:
        assert bad.status in (400, 505)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is no YAML"),
        ("- a", "must be a mapping"),
        ("http_server_config: {http2: true}", "is not supported"),
        ("tls_server_config: {cert_file: a}", "key_file"),
        ("tls_server_config: {cert_file: a, key_file: b, cipher_suites: []}", "cipher_suites"),
        ("tls_server_config: {cert_file: a, key_file: b}", "cannot be read"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: Maybe}", "client_auth_type"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}", "min_version"),
        ("basic_auth_users: {prometheus: secret}", "htpasswd"),
        ("basic_auth_users: [a]", "must be a mapping"),
    ],
)
def test_a_web_config_that_we_cannot_keep_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "web.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_web_config(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_web_config_file_is_an_error_and_an_empty_one_asks_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_web_config(tmp_path / "none.yml")
    empty = tmp_path / "web.yml"
    empty.write_text("")
    config = load_web_config(empty)
    assert (config.users, config.tls) == ({}, None)
