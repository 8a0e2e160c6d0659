"""Every format: any bytes of a session round-trip; anything malformed is one line, never an exception."""

import contextlib
import json
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.sessions.django import DjangoFormat, decode, encode
from migrate.sessions.express import ExpressFormat
from migrate.sessions.files import FileFormat
from migrate.sessions.flask_session import FlaskFormat, hashes
from migrate.sessions.laravel import LaravelFormat, key_prefix, unwrap, wrap
from migrate.sessions.php import PhpFormat, parse_save_path, php_switch_lines
from migrate.sessions.plain import dump_plain, load_plain
from migrate.sessions.rails import RailsFormat
from migrate.sessions.records import Record, Skip, Skipped
from swarmstead.errors import InputError

NOW = 1_790_000_000.0
FORMS: list[FileFormat] = [
    PhpFormat(),
    PhpFormat(depth=2, key_prefix=b"sf_s"),
    PhpFormat(stem="ci_session", key_prefix=b"ci_session:ci_session:"),
    LaravelFormat(b"laravel_database_laravel_cache:"),
    DjangoFormat(("secret",)),
    FlaskFormat(),
    ExpressFormat(),
    RailsFormat(),
]
NAMES = [
    "sess_" + "a" * 26,
    "ci_session" + "b" * 32,
    "c" * 40,
    "sessionid" + "d" * 32,
    "e" * 64,
    "f" * 32 + ".json",
]
NAMES.append("_session_id%3A2%3A%3A" + "0" * 64)


def ids(form: FileFormat) -> str:
    return f"{type(form).__name__}-{form.prefixes[0].decode()}"


@pytest.mark.parametrize("form", FORMS, ids=ids)
@given(data=st.binary(max_size=400))
def test_any_bytes_give_a_record_or_a_reason(form: FileFormat, data: bytes) -> None:
    name = next(name for name in NAMES if form.key_of(name))
    key = form.key_of(name)
    assert key is not None
    found = form.record(key, data, NOW - 60, NOW)
    assert isinstance(found, Record | Skipped)
    if not data:
        assert isinstance(found, Skipped)
        assert found.why is Skip.EMPTY


@pytest.mark.parametrize("form", FORMS, ids=ids)
@given(name=st.text(max_size=90))
def test_a_name_is_one_key_and_a_key_one_name(form: FileFormat, name: str) -> None:
    key = form.key_of(name)
    if key is not None:
        path = form.path_of(key)
        assert path is not None
        assert path[-1] == name


@pytest.mark.parametrize("form", FORMS, ids=ids)
@given(tail=st.binary(max_size=80))
def test_a_key_of_redis_never_leaves_the_folder(form: FileFormat, tail: bytes) -> None:
    for prefix in form.prefixes:
        path = form.path_of(prefix + tail)
        assert path is None or all(part not in {"", ".", ".."} and "/" not in part for part in path)


@pytest.mark.parametrize("form", FORMS, ids=ids)
@given(value=st.binary(max_size=200))
def test_the_way_back_refuses_what_is_none_of_its_own(form: FileFormat, value: bytes) -> None:
    key = form.key_of(next(name for name in NAMES if form.key_of(name)))
    assert key is not None
    try:
        data, _ = form.file(Record(key, value, int(NOW)))
    except InputError:
        return
    assert isinstance(data, bytes)


@given(data=st.binary(min_size=1), age=st.integers(0, 1439))
def test_php_bytes_and_ttl_round_trip(data: bytes, age: int) -> None:
    form = PhpFormat()
    found = form.record(b"PHPREDIS_SESSION:x", data, NOW - age, NOW)
    assert isinstance(found, Record)
    assert (found.value, found.expires_at) == (data, int(NOW) - age + 1440)
    assert form.file(found) == (data, NOW - age)


def test_php_expired_is_skipped_or_given_a_new_life() -> None:
    old = NOW - 1440
    assert PhpFormat().record(b"k", b"x", old, NOW) == Skipped(Skip.EXPIRED, b"k")
    assert PhpFormat(expired="grace").record(b"k", b"x", old, NOW) == Record(b"k", b"x", int(NOW) + 1440)


@pytest.mark.parametrize(
    "name", ["sess_", "sess_a/b", "sess_../x", "sess_a\n", "sess_é", "sessx", "sess_" + "a" * 257]
)
def test_php_ids_are_validated(name: str) -> None:
    assert PhpFormat().key_of(name) is None


def test_php_depth_takes_folders_from_the_id() -> None:
    assert PhpFormat(depth=2).path_of(b"PHPREDIS_SESSION:6kt7") == ("6", "k", "sess_6kt7")


@pytest.mark.parametrize(
    ("value", "depth", "path"),
    [("", 0, "/tmp"), ("/x", 0, "/x"), ("2;/x", 2, "/x"), ('"1;0600;/x"', 1, "/x")],
)
def test_save_path(value: str, depth: int, path: str) -> None:
    found = parse_save_path(value)
    assert (found[0], str(found[1])) == (depth, path)


def test_save_path_without_a_number_is_refused() -> None:
    with pytest.raises(InputError):
        parse_save_path("x;/y")


def test_php_switch_lines_lock_and_quote() -> None:
    lines = php_switch_lines("redis", user="sess", password="${REDIS_PASSWORD}")
    assert lines[1] == 'session.save_path = "tcp://redis:6379?auth[]=sess&auth[]=${REDIS_PASSWORD}"'
    assert "redis.session.lock_retries = -1" in lines


@given(payload=st.binary())
def test_laravel_wraps_once_and_back(payload: bytes) -> None:
    assert unwrap(wrap(payload)) == payload


@pytest.mark.parametrize("value", [b"", b"x", b's:3:"ab";', b's:2:"ab"', b's:2:"ab";x'])
def test_laravel_refuses_a_wrong_length(value: bytes) -> None:
    with pytest.raises(InputError):
        unwrap(value)


@pytest.mark.parametrize(
    ("version", "prefix"),
    [
        (8, b"laravel_database_laravel_cache:"),
        (10, b"laravel_database_laravel_cache:"),
        (11, b"laravel_database_laravel_cache_"),
        (12, b"laravel_database_laravel_cache_"),
        (13, b"laravel-database-laravel-cache-"),
    ],
)
def test_laravel_prefixes_by_version(version: int, prefix: bytes) -> None:
    assert key_prefix("Laravel", version) == prefix


def test_laravel_prefixes_follow_the_environment() -> None:
    assert key_prefix("My App", 11, redis="", cache="c_") == b"c_"
    assert key_prefix("My App", 9) == b"my_app_database_my_app_cache:"


PLAIN = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@given(value=PLAIN)
def test_django_signed_json_round_trips(value: dict[str, Any]) -> None:
    text = encode(value, "secret", now=NOW)
    assert decode(text, ["other", "secret"]) == value
    with pytest.raises(ValueError, match="signature"):
        decode(text, ["other"])


@given(value=PLAIN, at=st.integers(0), flip=st.integers(1, 255))
def test_django_refuses_every_changed_byte(value: dict[str, Any], at: int, flip: int) -> None:
    text = bytearray(encode(value, "secret", now=NOW))
    text[at % len(text)] ^= flip
    with pytest.raises(ValueError, match=r"\w"):
        decode(bytes(text), ["secret"])


def test_django_pickled_payload_is_never_loaded() -> None:
    form = DjangoFormat(("secret",))
    found = form.record(form.key_prefix + b"a" * 32, pickle.dumps({"a": 1}), NOW, NOW)
    assert isinstance(found, Skipped)
    assert found.why is Skip.MALFORMED


def test_django_own_expiry_wins() -> None:
    form = DjangoFormat(("secret",))
    for own, expected in [
        (300, int(NOW) + 300),
        ("2026-09-22T00:00:00+00:00", 1_790_035_200),
        (0, int(NOW) + 1209600),
    ]:
        text = encode({"_session_expiry": own}, "secret", now=NOW)
        found = form.record(b"k", text, NOW, NOW)
        assert isinstance(found, Record)
        assert found.expires_at == expected


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("run",))


def test_plain_pickles_run_nothing() -> None:
    for protocol in range(2, 6):
        with pytest.raises(ValueError, match="object"):
            load_plain(pickle.dumps({"a": Evil()}, protocol))


@given(value=PLAIN)
def test_plain_pickles_round_trip(value: dict[str, Any]) -> None:
    assert load_plain(dump_plain(value)) == value


@given(data=st.binary(max_size=200))
def test_plain_refuses_noise_with_one_kind_of_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        load_plain(data)


@given(value=PLAIN)
def test_flask_round_trips(value: dict[str, Any]) -> None:
    form = FlaskFormat()
    data = struct.pack("<I", int(NOW) + 99) + pickle.dumps(value, 5)
    found = form.record(b"staged:x", data, 0, NOW)
    assert isinstance(found, Record)
    assert found.expires_at == int(NOW) + 99
    back, _ = form.file(found)
    assert struct.unpack("<I", back[:4])[0] == int(NOW) + 99
    assert pickle.loads(back[4:]) == value


def test_flask_tuples_and_objects_go_over_as_they_are() -> None:
    for value in ({"a": (1, 2)}, {"a": Evil}):
        pickled = pickle.dumps(value, 5)
        found = FlaskFormat().record(b"staged:x", struct.pack("<I", int(NOW) + 9) + pickled, 0, NOW)
        assert isinstance(found, Record)
        assert found.value == pickled


def test_flask_reads_the_old_pickled_expiry() -> None:
    value = pickle.dumps({"n": 1}, 4)
    found = FlaskFormat().record(b"staged:x", pickle.dumps(int(NOW) + 60, 4) + value, 0, NOW)
    assert isinstance(found, Record)
    assert found.expires_at == int(NOW) + 60


def test_flask_names_are_the_hash_of_the_key_old_and_new() -> None:
    key = b"session:" + b"s" * 43
    sha256, md5 = hashes(key)
    assert FlaskFormat().path_of(key) == (sha256,)
    assert FlaskFormat(hash_name="md5").path_of(key) == (md5,)
    assert FlaskFormat().key_of("__wz_cache_count") is None


@given(
    extra=st.dictionaries(
        st.text(max_size=6).filter(lambda k: k not in {"cookie", "__lastAccess"}), st.text(max_size=20)
    )
)
def test_express_keeps_the_bytes_around_last_access(extra: dict[str, str]) -> None:
    form = ExpressFormat()
    expires = "2026-11-29T23:31:24.363Z"
    body = {
        "cookie": {"originalMaxAge": 604800000, "expires": expires, "httpOnly": True, "path": "/"},
        **extra,
    }
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    last = 1795390284363
    data = text[:-1] + b',"__lastAccess":%d}' % last
    found = form.record(b"sess:x", data, 0, last / 1000 + 5)
    assert isinstance(found, Record)
    assert found.value == text
    assert found.expires_at == 1795995085  # ceil of cookie.expires
    assert form.file(found)[0] == data


def test_express_expires_as_the_file_store_does() -> None:
    data = b'{"cookie":{"originalMaxAge":null},"__lastAccess":%d}' % int((NOW - 3601) * 1000)
    assert ExpressFormat().record(b"k", data, 0, NOW) == Skipped(Skip.EXPIRED, b"k")
    alive = b'{"cookie":{"originalMaxAge":null},"__lastAccess":%d}' % int((NOW - 10) * 1000)
    found = ExpressFormat().record(b"k", alive, 0, NOW)
    assert isinstance(found, Record)
    assert found.expires_at == int(NOW) - 10 + 86400


def test_express_encrypted_store_is_told() -> None:
    found = ExpressFormat().record(b"k", b'"{\\"hmac\\":1}"', 0, NOW)
    assert isinstance(found, Skipped)
    assert "Node" in found.detail


def test_rails_expiry_is_read_off_the_end() -> None:
    tail = b":\x10@created_atf\x161790000000.5:\x10@expires_inf\x0b3600.0"
    found = RailsFormat().record(
        b"k", b"\x04\x08o:" + b":\x10@created_atf\x061:\x10@expires_in0" + tail, 0, NOW
    )
    assert isinstance(found, Record)
    assert found.expires_at == int(NOW + 3600.5)


def test_rails_folders_are_those_of_file_store() -> None:
    name = "_session_id%3A2%3A%3A" + "a" * 64
    path = RailsFormat().path_of(b"_session_id:2::" + b"a" * 64)
    rest, first = divmod(zlib.adler32(name.encode()), 0x1000)
    assert path == (f"{first:03X}", f"{rest % 0x1000:03X}", name)


def test_sessions_that_a_real_django_2_2_wrote_are_read() -> None:
    golden = json.loads((Path(__file__).parents[2] / "golden" / "sessions" / "django-2.2.json").read_text())
    for session in golden["sessions"]:
        text = session["text"].encode()
        assert decode(text, ["a newer key", golden["secret"]]) == session["value"]
        with pytest.raises(ValueError, match="not by this SECRET_KEY"):
            decode(text, ["another"])
