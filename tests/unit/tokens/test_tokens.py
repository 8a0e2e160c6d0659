"""Tokens: what counts, what never does, and what goes back to Traefik for each kind of request."""

import base64
import http.client
import json
import pickle
import threading
from dataclasses import replace

import jwt
import pytest

from migrate.tokens import (
    USER_PATTERNS,
    Claims,
    Key,
    KeyRing,
    Settings,
    Verifier,
    issue,
    read,
    token_server,
    user_finder,
)
from swarmstead.errors import Unreachable, UsageError

NOW = 1_790_000_000
NEW, OLD = Key("new", b"n" * 32), Key("old", b"o" * 32)
KEYS = KeyRing((NEW, OLD))
CLAIMS = Claims("sid-12345678", "42", NOW, NOW + 900)
SETTINGS = Settings("PHPSESSID", "PHPREDIS_SESSION:", "photos")


def made(keys: KeyRing = KEYS, claims: Claims = CLAIMS, audience: str = "photos") -> str:
    return issue(keys, claims, issuer="swarmstead", audience=audience)


def accepted(token: str, now: float = NOW) -> Claims | None:
    return read(KEYS, token, issuer="swarmstead", audience="photos", now=now)


def test_a_token_says_what_it_was_given_under_a_kilobyte() -> None:
    token = made()
    assert accepted(token) == CLAIMS
    assert len(token) < 1024


def test_both_keys_count_during_a_rotation_and_no_third() -> None:
    assert accepted(made(KeyRing((OLD,)))) == CLAIMS
    assert accepted(made(KeyRing((Key("new", b"x" * 32),)))) is None
    assert accepted(made(KeyRing((Key("gone", b"n" * 32),)))) is None


@pytest.mark.parametrize("now", [NOW - 61, NOW + 961])
def test_time_has_a_minute_of_leeway_and_no_more(now: int) -> None:
    assert accepted(made(), now) is None
    assert accepted(made(), NOW + 960) == CLAIMS


BODY = {
    "iss": "swarmstead",
    "aud": "photos",
    "sub": "42",
    "sid": "sid-12345678",
    "iat": NOW,
    "exp": NOW + 900,
}
HEAD = {"typ": "swarmstead-login+jwt", "kid": "new"}


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "iat", "exp", "sid"])
def test_every_claim_is_required(missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    assert accepted(jwt.encode(body, NEW.secret, "HS256", headers=HEAD)) is None


@pytest.mark.parametrize(
    ("algorithm", "head"),
    [
        ("HS256", {"typ": "JWT", "kid": "new"}),
        ("HS256", {"typ": "swarmstead-login+jwt"}),
        ("none", {**HEAD, "alg": "none"}),
    ],
)
def test_type_key_and_algorithm_are_fixed(algorithm: str, head: dict[str, str]) -> None:
    if algorithm == "none":
        parts = [
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, BODY)
        ]
        assert accepted(".".join([*parts, ""])) is None
    else:
        assert accepted(jwt.encode(BODY, NEW.secret, algorithm, headers=head)) is None


def test_another_app_or_any_changed_letter_is_refused() -> None:
    assert accepted(made(audience="wiki")) is None
    token = made()
    for at in range(0, len(token) - 1, 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert accepted(changed) is None


@pytest.mark.parametrize("text", ["", "a", "a:" + base64.b64encode(b"short").decode(), "a b c", "ä:xx"])
def test_weak_keys_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        KeyRing.parse(text)


def test_keys_show_no_secret() -> None:
    assert "nnnn" not in repr(KEYS)
    line = "k1:" + base64.b64encode(b"s" * 32).decode()
    assert KeyRing.parse(line).signing.secret == b"s" * 32


def verifier(live: set[str], epochs: dict[str, int] | None = None) -> Verifier:
    return Verifier(
        SETTINGS,
        KEYS,
        exists=lambda key: key in {"PHPREDIS_SESSION:" + sid for sid in live},
        epoch=lambda user: (epochs or {}).get(user, 0),
        user_of=lambda _sid: "42",
    )


def token_of(set_cookie: str) -> str:
    return set_cookie.partition("=")[2].partition(";")[0]


def test_an_old_cookie_is_exchanged_and_the_token_alone_suffices() -> None:
    one = verifier({"sid-12345678"})
    first = one.decide("PHPSESSID=sid-12345678; theme=dark", NOW)
    assert first.cookie == "PHPSESSID=sid-12345678; theme=dark"
    assert "; Secure; HttpOnly; SameSite=Lax" in first.set_cookie
    token = token_of(first.set_cookie)
    alone = one.decide(f"__Host-login={token}; theme=dark", NOW + 10)
    assert alone.cookie == "PHPSESSID=sid-12345678; theme=dark"
    assert alone.set_cookie == ""
    assert one.decide(f"__Host-login={token}", NOW + 500).set_cookie, "renewed after half its life"


def test_a_live_cookie_of_the_app_beats_the_token() -> None:
    one = verifier({"sid-12345678", "renewed-id-1"})
    answer = one.decide(f"PHPSESSID=renewed-id-1; __Host-login={made()}", NOW)
    assert answer.cookie == "PHPSESSID=renewed-id-1"
    told = accepted(token_of(answer.set_cookie))
    assert told is not None
    assert told.session == "renewed-id-1"


def test_a_logout_in_the_app_ends_the_token() -> None:
    answer = verifier(set()).decide(f"__Host-login={made()}; a=b", NOW)
    assert answer.cookie == "a=b"
    assert "Max-Age=0" in answer.set_cookie


def test_logout_everywhere_ends_tokens_made_before() -> None:
    one = verifier({"sid-12345678"}, {"42": NOW + 1})
    assert one.decide(f"__Host-login={made()}", NOW + 5).cookie == ""
    later = made(claims=replace(CLAIMS, issued_at=NOW + 2))
    assert one.decide(f"__Host-login={later}", NOW + 5).cookie == "PHPSESSID=sid-12345678"


def test_the_unknown_go_on_as_they_came() -> None:
    one = verifier({"sid-12345678"})
    for header in ("", "a=b", "PHPSESSID=unknown-id-1; a=b"):
        assert one.decide(header, NOW).cookie == header
    forged = made(KeyRing((Key("new", b"z" * 32),)))
    assert one.decide(f"__Host-login={forged}", NOW).cookie == ""
    assert one.decide("PHPSESSID=../../etc", NOW).set_cookie == ""


def ask(port: int, cookie: str) -> tuple[int, str | None, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Cookie"), answer.getheader("Set-Cookie")


def test_the_server_always_echoes_a_cookie_and_says_503_when_the_store_is_away() -> None:
    def away(_key: str) -> bool:
        raise Unreachable("away")

    broken = Verifier(SETTINGS, KEYS, exists=away, epoch=lambda _user: 0)
    for one, cookie, expected in (
        (verifier({"sid-12345678"}), "PHPSESSID=sid-12345678", (200, "PHPSESSID=sid-12345678")),
        (verifier(set()), "", (200, "")),
        (broken, "PHPSESSID=sid-12345678", (503, None)),
    ):
        with token_server(one, "127.0.0.1", 0, clock=lambda: NOW) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            status, echoed, _ = ask(server.server_address[1], cookie)
            server.shutdown()
            thread.join()
        assert (status, echoed) == expected


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("user_id", b'user_id|i:42;name|s:3:"Zoe";'),
        ("user_id", b'a:1:{s:7:"user_id";s:2:"42";}'),
        ("django", pickle.dumps({"_auth_user_id": "42", "x": 1}, 4)),
        ("laravel", b's:9:"a:1:{s:50:"login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d";i:42;}";'),
        ("express", b'{"cookie":{},"passport":{"user":"42"}}'),
    ],
)
def test_the_user_is_found_without_unserialising(name: str, data: bytes) -> None:
    assert user_finder(name)(data) == "42"
    assert user_finder(name)(b"nobody") == ""
    assert user_finder("")(data) == ""


def test_another_variable_is_no_user() -> None:
    assert user_finder("id")(b"user_id|i:42;") == ""
    assert set(USER_PATTERNS) == {"django", "laravel", "express"}
    with pytest.raises(UsageError):
        user_finder("a b")
