"""A proxy in front of any S3 server: shows faults, and refuses what B2's S3 API refuses.

moto and rclone take the checksum headers that newer boto3 versions send; B2 answered them with
``Unsupported header 'x-amz-checksum-crc32'`` (django-storages#1498). With `strict` this one does, too.
"""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from migrate.remotes.testkit.faults import Fault, Faults
from migrate.remotes.testkit.http import Reply, Request, serving

__all__ = ["S3Proxy"]

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_TIMEOUT_SECONDS = 30


def _xml(status: int, code: str, message: str, retry_after: str = "") -> Reply:
    text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    headers = {"content-type": "application/xml"}
    return Reply(status, text.encode(), headers | ({"retry-after": retry_after} if retry_after else {}))


class S3Proxy:
    """Passes requests on to `upstream`, a URL. Use `with S3Proxy.running(upstream) as proxy`."""

    def __init__(self, upstream: str, *, strict: bool) -> None:
        self.url = ""
        self.faults = Faults()
        self.refused: list[str] = []
        self._host, self._strict = urlsplit(upstream).netloc, strict

    @classmethod
    @contextmanager
    def running(cls, upstream: str, *, strict: bool = True) -> Iterator["S3Proxy"]:
        """Serve on the loopback until the context ends."""
        proxy = cls(upstream, strict=strict)
        with serving(proxy.answer, proxy.refuse, proxy.faults) as proxy.url:
            yield proxy

    def refuse(self, fault: Fault) -> Reply:
        """Return an error answer."""
        return _xml(fault.status, fault.code, fault.message, fault.retry_after)

    def answer(self, request: Request) -> Reply:
        """Pass a request on with its own Host, which is signed."""
        unsupported = [name for name in request.headers if name.startswith("x-amz-checksum-")]
        unsupported += [name for name in request.headers if name == "x-amz-sdk-checksum-algorithm"]
        if self._strict and (unsupported or "x-amz-trailer" in request.headers):
            self.refused += unsupported or ["x-amz-trailer"]
            return _xml(400, "InvalidArgument", f"Unsupported header '{self.refused[-1]}'")
        connection = http.client.HTTPConnection(self._host, timeout=_TIMEOUT_SECONDS)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            body = answer.read()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            length = int(answer.getheader("content-length") or 0) if request.method == "HEAD" else None
            return Reply(answer.status, body, headers, length)
        except OSError:
            return _xml(502, "BadGateway", "the server behind does not answer")
        finally:
            connection.close()
