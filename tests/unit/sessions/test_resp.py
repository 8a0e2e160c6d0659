"""Redis's protocol: what is packed, how replies are taken, what an error means, and that no secret shows."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.sessions.resp import Address, Connection, error_of, pack
from migrate.sessions.target import escape_glob
from swarmstead.errors import Denied, Exhausted, Refused, SwarmsteadError, UsageError


@given(words=st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_packed_commands_name_every_length(words: list[bytes]) -> None:
    data, rest = pack(*words), b""
    head, rest = data.split(b"\r\n", 1)
    assert head == b"*%d" % len(words)
    for word in words:
        assert rest.startswith(b"$%d\r\n%b\r\n" % (len(word), word))
        rest = rest[len(b"$%d\r\n%b\r\n" % (len(word), word)) :]
    assert rest == b""


def answering(data: bytes, chunk: int) -> Connection:
    ours, theirs = socket.socketpair()
    ours.settimeout(2)
    connection = Connection(Address())
    connection._socket = ours
    for at in range(0, len(data), chunk):
        theirs.send(data[at : at + chunk])
    theirs.close()
    return connection


@given(chunk=st.integers(1, 9))
def test_replies_come_whole_however_they_are_split(chunk: int) -> None:
    data = b"+OK\r\n:12\r\n$-1\r\n$4\r\na\r\nb\r\n*2\r\n$1\r\nx\r\n*0\r\n-OOM no\r\n+OK\r\n+OK\r\n"
    with answering(data, chunk) as connection:
        assert [connection.take() for _ in range(5)] == [b"OK", 12, None, b"a\r\nb", [b"x", []]]
        assert isinstance(connection.take(), Exhausted)
        assert not connection.take_exactly(b"-no\r\n")
        assert connection.take_exactly(b"+OK\r\n" * 2)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"OOM command not allowed", Exhausted),
        (b"READONLY You can't write", Refused),
        (b"WRONGPASS invalid", Denied),
        (b"NOPERM this user", Denied),
        (b"ERR something about key PHPREDIS_SESSION:secret", SwarmsteadError),
    ],
)
def test_errors_are_ours_and_name_no_key(line: bytes, kind: type[SwarmsteadError]) -> None:
    error = error_of(line, "h:1")
    assert type(error) is kind
    assert "secret" not in str(error)


def test_addresses() -> None:
    address = Address.parse("redis://app@h:7000/3", password="pw-secret")
    assert (address.host, address.port, address.database, address.user) == ("h", 7000, 3, "app")
    assert "pw-secret" not in repr(address) + str(address)
    assert Address.parse("unix:///run/redis.sock").path == "/run/redis.sock"


@pytest.mark.parametrize("url", ["h:6379", "http://h", "redis://h:x", "redis://h/x", "unix://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        Address.parse(url)


@given(text=st.binary(max_size=20))
def test_a_prefix_means_itself_in_a_pattern(text: bytes) -> None:
    pattern = escape_glob(text)
    assert pattern.replace(b"\\", b"") == text.replace(b"\\", b"")


def test_numbers_are_packed_as_text() -> None:
    assert pack(b"SET", 1) == b"*2\r\n$3\r\nSET\r\n$1\r\n1\r\n"
