"""The web config file of Prometheus's exporters: TLS and basic auth.

The format is exporter-toolkit's (github.com/prometheus/exporter-toolkit, docs/web-configuration.md); what we
do not do is refused rather than passed over::

    tls_server_config:
      cert_file: server.crt
      key_file: server.key
      client_auth_type: RequireAndVerifyClientCert
      client_ca_file: clients.crt
      min_version: TLS12
    basic_auth_users:
      prometheus: $2b$10$...
"""

import base64
import binascii
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmstead.errors import InputError

if TYPE_CHECKING:
    import ssl

__all__ = ["WebConfig", "load_web_config"]

_AUTH_TYPES = {
    "NoClientCert": 0,
    "RequestClientCert": 1,
    "VerifyClientCertIfGiven": 1,
    "RequireAndVerifyClientCert": 2,
}
_VERSIONS = {"TLS12": "TLSv1_2", "TLS13": "TLSv1_3"}
_KEYS = {
    "": {"tls_server_config", "basic_auth_users"},
    "tls_server_config": {
        "cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version"
    },
}  # fmt: skip
# A hash that nobody's password has: a name we do not know takes as long as one we know.
_NOBODY = b"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
_MOST_REMEMBERED = 64


class _Checker:
    """Checks passwords in a thread of its own: bcrypt takes tens of milliseconds by design."""

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._queue: queue.SimpleQueue[tuple[str, bytes, Callable[[bool], None]]] = queue.SimpleQueue()
        self._known: dict[bytes, bool] = {}
        threading.Thread(target=self._run, name="passwords", daemon=True).start()

    def check(self, header: str, tell: Callable[[bool], None]) -> bool | None:
        """Return whether an Authorization header is good if that is known, else tell it later."""
        scheme, _, token = header.partition(" ")
        try:
            name, colon, password = base64.b64decode(token, validate=True).partition(b":")
            user = name.decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        if scheme.lower() != "basic" or not colon:
            return False
        import hashlib  # noqa: PLC0415 - brings libcrypto along

        key = hashlib.sha256(header.encode("latin-1", "replace")).digest()
        if key in self._known:
            return self._known[key]

        def done(good: bool) -> None:  # noqa: FBT001 - a callback
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = good
            tell(good)

        self._queue.put((user, password, done))
        return None

    def _run(self) -> None:
        import bcrypt  # noqa: PLC0415 - only servers with passwords pay for it

        while True:
            user, password, done = self._queue.get()
            try:
                # bcrypt looks at 72 bytes, and refuses a zero byte.
                good = bcrypt.checkpw(password[:72], self._users.get(user, _NOBODY)) and user in self._users
            except ValueError:
                good = False
            done(good)


@dataclass(slots=True)
class WebConfig:
    """What a web config file asks for. users: bcrypt hash by name; tls: makes the context, or None."""

    users: dict[str, bytes] = field(default_factory=dict)
    tls: "ssl.SSLContext | None" = None
    _checker: _Checker | None = None

    def tls_context(self) -> "ssl.SSLContext | None":
        """Return the TLS context, or None for plain HTTP."""
        return self.tls

    def check(self, header: str, tell: Callable[[bool], None]) -> bool | None:
        """Return whether an Authorization header is good if that is known, else tell it later."""
        if self._checker is None:
            self._checker = _Checker(self.users)
        return self._checker.check(header, tell)


def _mapping(value: Any, path: Path, key: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("must be a mapping", subject=f"{path}: {key or 'top level'}")
    for name in value:
        if key in _KEYS and name not in _KEYS[key]:
            raise InputError(
                "is not supported",
                subject=f"{path}: {'.'.join(filter(None, (key, str(name))))}",
                hint=f"Supported here: {', '.join(sorted(_KEYS[key]))}.",
            )
    return value


def _context(tls: Mapping[str, Any], path: Path) -> "ssl.SSLContext":
    import ssl  # noqa: PLC0415 - some MiB that a server without TLS does not pay for

    def file(key: str) -> str:
        return str(path.parent / str(tls[key]))

    for key in ("cert_file", "key_file"):
        if key not in tls:
            raise InputError("is missing", subject=f"{path}: tls_server_config.{key}")
    kind = str(tls.get("client_auth_type", "NoClientCert"))
    if kind not in _AUTH_TYPES:
        raise InputError(
            f"is no supported value: {kind}",
            subject=f"{path}: tls_server_config.client_auth_type",
            hint=f"One of {', '.join(_AUTH_TYPES)}.",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for key, attribute, default in (
        ("min_version", "minimum_version", "TLS12"),
        ("max_version", "maximum_version", "TLS13"),
    ):
        name = str(tls.get(key, default))
        if name not in _VERSIONS:
            raise InputError(
                f"is no supported value: {name}",
                subject=f"{path}: tls_server_config.{key}",
                hint="One of TLS12, TLS13.",
            )
        setattr(context, attribute, ssl.TLSVersion[_VERSIONS[name]])
    try:
        context.load_cert_chain(file("cert_file"), file("key_file"))
        if "client_ca_file" in tls:
            context.load_verify_locations(file("client_ca_file"))
    except OSError as error:
        raise InputError(
            f"certificate, key or CA cannot be read: {error.strerror or error}", subject=str(path)
        ) from None
    if _AUTH_TYPES[kind] and "client_ca_file" not in tls:
        raise InputError("is missing", subject=f"{path}: tls_server_config.client_ca_file")
    context.verify_mode = ssl.VerifyMode(_AUTH_TYPES[kind])
    return context


def _users(table: Mapping[str, Any], path: Path) -> dict[str, bytes]:
    users = {}
    for name, hashed in table.items():
        if not isinstance(hashed, str) or not hashed.startswith(("$2a$", "$2b$", "$2y$")):
            raise InputError(
                "is no bcrypt hash",
                subject=f"{path}: basic_auth_users.{name}",
                hint=f"Make one with: htpasswd -nB {name}",
            )
        users[str(name)] = hashed.replace("$2y$", "$2b$", 1).encode()
    return users


def load_web_config(path: Path) -> WebConfig:
    """Return what a web config file asks for. Raises InputError that names the file and the key."""
    import yaml  # noqa: PLC0415 - a MiB that a server without this file does not pay for

    try:
        top = _mapping(yaml.safe_load(path.read_text(encoding="utf-8")), path, "")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", subject=str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"is no YAML: {error}", subject=str(path)) from None
    tls = _mapping(top.get("tls_server_config"), path, "tls_server_config")
    return WebConfig(
        users=_users(_mapping(top.get("basic_auth_users"), path, "basic_auth_users"), path),
        tls=_context(tls, path) if tls else None,
    )
