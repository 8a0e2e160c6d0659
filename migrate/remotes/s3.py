"""``s3://BUCKET[/PREFIX]`` at any endpoint.

What happens for each file (put, get, head, a part) or page of files goes over our own `wire`: boto3 takes
some 3 ms of a core for each small put, which is most of what a copy of many pictures would take. The rest
is boto3's, in `s3_api`.

The hash travels as the object's metadata (``x-amz-meta-sha1``); what proves the bytes is `Content-MD5`, which
the server checks, and the ETag, which must be that MD5 unless the bucket encrypts with keys of its own.
"""

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from mimetypes import guess_type
from typing import TYPE_CHECKING, Literal

from migrate.remotes.base import CHUNK_BYTES, About, Body, Capabilities, Part, Source, Stored, Unfinished
from migrate.remotes.bill import Bill
from migrate.remotes.s3_errors import from_body
from migrate.remotes.s3_listing import listed, query
from migrate.remotes.sigv4 import UNSIGNED, Key, canonical_query, path_of, signed
from migrate.remotes.stream import Window, metered
from migrate.remotes.wire import Answer, Wire
from swarmstead.errors import Corrupt, Unreachable

if TYPE_CHECKING:
    from migrate.remotes.s3_api import S3Api

__all__ = ["S3Remote"]

_ONE_READ_BYTES = 8 * 1024 * 1024
"""Up to here a file is read once: hashed and sent from the same bytes, in one go."""

_MD5 = re.compile(r"[0-9a-f]{32}")
_MTIME = "mtime"
"""Metadata in which rclone keeps the time, too: seconds with a fraction."""


def _seconds(mtime_ns: int) -> str:
    return f"{mtime_ns // 10**9}.{mtime_ns % 10**9:09d}"


def _nanoseconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**9 + int(f"{fraction:0<9}"[:9]) if whole.isdigit() else 0


class S3Remote:
    """One bucket (and prefix). Without `key_id` the key is looked for as AWS's own tools do.

    endpoint: URL of the server, "" for Amazon's. Raises InputError for a bad URL, Denied without a key.
    """

    capabilities = Capabilities(
        kind="s3",
        part_digest="md5",
        least_part=5 * 1024 * 1024,
        most_parts=10_000,
        longest_name=1024,
        longest_segment=1024,
        listed_tags_prove=True,
        keeps_versions=False,
        sends_ahead=True,
    )

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str = "",
        region: str = "",
        key_id: str = "",
        key: str = "",
    ) -> None:
        self._bucket, self._prefix = bucket, prefix and prefix.strip("/") + "/"
        self.url = f"s3://{bucket}/{self._prefix}"
        self.bill = Bill()
        self._region = region or region_of(endpoint)
        self._endpoint = endpoint.rstrip("/") or f"https://s3.{self._region}.amazonaws.com"
        self._wire = Wire(self._endpoint)
        self._made: S3Api | None = None
        self._making = threading.Lock()
        if key_id:
            given = Key(key_id, key)
            self._key: Callable[[], Key] = lambda: given
        else:
            from migrate.remotes.s3_api import find_key  # noqa: PLC0415 - as `_api`

            self._key = find_key(self.url)

    @property
    def _api(self) -> "S3Api":
        with self._making:
            if self._made is None:
                from migrate.remotes.s3_api import S3Api  # noqa: PLC0415 - a third of a second, often for nothing

                self._made = S3Api(
                    self._bucket,
                    self._prefix,
                    endpoint=self._endpoint,
                    region=self._region,
                    key=self._key,
                    bill=self.bill,
                )
            return self._made

    def _subject(self, name: str) -> str:
        return f"{self.url}{name}"

    def _ask(
        self,
        method: str,
        name: str,
        headers: dict[str, str],
        *,
        query: dict[str, str] | None = None,
        body: Source | bytes = b"",
        size: int = 0,
        path: str = "",
    ) -> Callable[[], Answer]:
        """Sign and send one request; return what waits for its answer.

        path: the bucket's own, where it is not about an object.
        """
        key = self._key()
        path = path or path_of(self._bucket, self._prefix + name)
        search = canonical_query(query or {})
        full = {"host": self._wire.host, "x-amz-content-sha256": UNSIGNED, **headers}
        if key.token:
            full["x-amz-security-token"] = key.token
        full = signed(
            method,
            path,
            search,
            full,
            key_id=key.id,
            secret=key.secret,
            region=self._region,
            now=time.time(),
        )
        target = f"{path}?{search}" if search else path
        return self._wire.ask(method, target, full, body=body, size=size, subject=self._subject(name))

    def _metadata(self, name: str, sha1: str, mtime_ns: int) -> dict[str, str]:
        found = {"content-type": _content_type(name), "x-amz-meta-sha1": sha1}
        if mtime_ns:
            found[f"x-amz-meta-{_MTIME}"] = _seconds(mtime_ns)
        return found

    def put(
        self, name: str, source: Source, *, size: int, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Stored:
        """Store the bytes; the server checks their MD5, and answers it."""
        body: Source | bytes
        if size <= _ONE_READ_BYTES:
            body = source.read(size)
            # An MD5 that is given goes to the server, which refuses other bytes.
            if len(body) != size or (
                not md5 and hashlib.sha1(body, usedforsecurity=False).hexdigest() != sha1
            ):
                raise Corrupt("the bytes are not those that were announced", subject=name)
            md5 = md5 or hashlib.md5(body, usedforsecurity=False).hexdigest()
        else:
            start = source.tell()
            md5 = md5 or _both(source, size, sha1, name)
            source.seek(start)
            body = source
        headers = self._metadata(name, sha1, mtime_ns)
        tag = self._sent("put", name, headers, body, size=size, md5=md5)()
        return Stored(name, size, sha1, tag, mtime_ns)

    def put_later(
        self, name: str, data: bytes, *, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Callable[[], Stored]:
        """Send the bytes; the answer is waited for by what is returned."""
        size = len(data)
        md5 = md5 or hashlib.md5(data, usedforsecurity=False).hexdigest()
        tag = self._sent("put", name, self._metadata(name, sha1, mtime_ns), data, size=size, md5=md5)
        return lambda: Stored(name, size, sha1, tag(), mtime_ns)

    def _sent(
        self,
        call: Literal["put", "part"],
        name: str,
        headers: dict[str, str],
        body: Source | bytes,
        *,
        size: int,
        md5: str,
        query: dict[str, str] | None = None,
    ) -> Callable[[], str]:
        """PUT bytes; return what waits for the ETag, which proves them."""
        self.bill.count(call, sent=size)
        headers["content-length"] = str(size)
        headers["content-md5"] = base64.b64encode(bytes.fromhex(md5)).decode()
        asked = self._ask("PUT", name, headers, query=query, body=body, size=size)
        return lambda: self._proof(name, asked(), md5)

    def _proof(self, name: str, answer: Answer, md5: str) -> str:
        """Return an answer's ETag. Raises Corrupt where it says of other bytes."""
        try:
            text = answer.text()
            if answer.status != 200:  # noqa: PLR2004
                raise from_body(answer.status, answer.headers, text, self._subject(name))
        except OSError:
            text = ""
        finally:
            answer.close()
        tag = answer.headers.get("etag", "").strip('"')
        own_keys = "x-amz-server-side-encryption-aws-kms-key-id" in answer.headers
        if tag != md5 and not own_keys and _MD5.fullmatch(tag):
            raise Corrupt("the server took other bytes than were sent", subject=self._subject(name))
        return tag

    @contextmanager
    def get(self, name: str, *, start: int = 0, end: int | None = None) -> Iterator[Body | None]:
        """Open an object."""
        self.bill.count("get")
        headers = {}
        if start or end is not None:
            headers["range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if end is not None and end <= start:
            headers["range"] = f"bytes={start}-{start}"
        answer = self._ask("GET", name, headers)()
        try:
            yield self._body(name, answer, start, end)
        finally:
            answer.close()

    def _body(self, name: str, answer: Answer, start: int, end: int | None) -> Body | None:
        subject = self._subject(name)
        if answer.status == 416:  # noqa: PLR2004 - beyond the end: an empty body of what there is
            stored = self.head(name)
            return Body(stored, iter(()), min(start, stored.size)) if stored else None
        if answer.status not in {200, 206}:
            text = _quietly(answer)
            if answer.status == 404 and "NoSuchBucket" not in text:  # noqa: PLR2004
                return None
            raise from_body(answer.status, answer.headers, text, subject)
        length = int(answer.headers.get("content-length", 0))
        # Some servers (rclone's) send a range with status 200: what they send, Content-Range says.
        spoken = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("content-range", ""))
        whole = int(spoken[2]) if spoken else length
        began = int(spoken[1]) if spoken else 0
        chunks = metered(answer.chunks(), length=length, bill=self.bill, subject=subject)
        if began != start or (end is not None and began + length > end):
            chunks = _cut(chunks, start - began, None if end is None else max(0, end - start))
        return Body(self._described(name, answer, whole), chunks, min(start, whole))

    def _described(self, name: str, answer: Answer, size: int) -> Stored:
        headers = answer.headers
        return Stored(
            name,
            size,
            headers.get("x-amz-meta-sha1", ""),
            headers.get("etag", "").strip('"'),
            _nanoseconds(headers.get(f"x-amz-meta-{_MTIME}", "")),
        )

    def head(self, name: str) -> Stored | None:
        """Describe an object."""
        self.bill.count("head")
        answer = self._ask("HEAD", name, {})()
        answer.close()
        if answer.status == 404:  # noqa: PLR2004
            return None
        if answer.status != 200:  # noqa: PLR2004
            raise from_body(answer.status, answer.headers, "", self._subject(name))
        return self._described(name, answer, int(answer.headers.get("content-length", 0)))

    def page(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Describe up to `limit` objects."""
        self.bill.count("list")
        before = self._prefix
        asked = query(before + prefix, before + after if after else "", limit)
        answer = self._ask("GET", "", {}, query=asked, path=path_of(self._bucket, ""))()
        try:
            body = b"".join(answer.chunks())
        except OSError as error:
            raise Unreachable(f"the list broke off ({error})", subject=self.url) from None
        finally:
            answer.close()
        if answer.status != 200:  # noqa: PLR2004
            raise from_body(answer.status, answer.headers, body.decode(errors="replace"), self.url)
        return listed(body, prefix=before, subject=self.url)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Describe every object."""
        after = ""
        while page := self.page(prefix=prefix, after=after):
            yield from page
            after = page[-1].name

    def copy(self, source: str, target: str) -> Stored:
        """Copy an object at the server."""
        self._api.copy(source, target)
        found = self.head(target)
        if found is None:
            raise Corrupt("the copy is not there", subject=self._subject(target))
        return found

    def delete(self, name: str) -> None:
        """Remove an object; where the bucket keeps versions, the server only hides it."""
        self._api.delete(name)

    def begin(self, name: str, *, size: int, sha1: str, mtime_ns: int = 0) -> str:
        """Begin an upload in parts."""
        metadata = {"sha1": sha1, **({_MTIME: _seconds(mtime_ns)} if mtime_ns else {})}
        return self._api.begin(name, content_type=_content_type(name), metadata=metadata)

    def put_part(
        self, name: str, upload: str, number: int, source: Source, *, size: int, digest: str
    ) -> Part:
        """Store one part; the server checks its MD5."""
        query = {"partNumber": str(number), "uploadId": upload}
        self._sent("part", name, {}, source, size=size, md5=digest, query=query)()
        return Part(number, size, digest)

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that the server has."""
        return self._api.parts(name, upload)

    def finish(self, name: str, upload: str, parts: Sequence[Part], *, size: int, sha1: str) -> Stored:
        """Make the object from its parts."""
        self._api.finish(name, upload, parts)
        # Some servers (rclone's) list the whole's MD5 as its ETag; an object is proved by what is there.
        found = self.head(name)
        if found is None or (found.size, found.sha1) != (size, sha1):
            raise Corrupt("what the server joined is not there", subject=self._subject(name))
        return found

    def abandon(self, name: str, upload: str) -> None:
        """Forget an upload."""
        self._api.abandon(name, upload)

    def about(self) -> About:
        """Say what the bucket will do; S3 does not tell what a key may do."""
        return self._api.about()

    def unfinished(self) -> Iterator[Unfinished]:
        """Return the uploads that were begun."""
        return self._api.unfinished()


def _content_type(name: str) -> str:
    return guess_type(name)[0] or "application/octet-stream"


def _quietly(answer: Answer) -> str:
    """Return an error's text; an answer that breaks off has none."""
    try:
        return answer.text()
    except OSError:
        return ""


def _both(source: Source, size: int, sha1: str, name: str) -> str:
    """Return the MD5 of bytes whose SHA-1 must be `sha1`."""
    first, second = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    window = Window(source, size)
    while chunk := window.read(CHUNK_BYTES):
        first.update(chunk)
        second.update(chunk)
    if first.hexdigest() != sha1:
        raise Corrupt("the bytes are not those that were announced", subject=name)
    return second.hexdigest()


def _cut(chunks: Iterator[bytes], skip: int, length: int | None) -> Iterator[bytes]:
    """Give a window of a stream; read to the stream's end, so that its length is checked."""
    for chunk in chunks:
        piece, skip = chunk[skip:], max(0, skip - len(chunk))
        if length is not None:
            piece = piece[:length]
            length -= len(piece)
        if piece:
            yield piece


def region_of(endpoint: str) -> str:
    """Return the region that an endpoint's host names, as Amazon's and B2's do; else us-east-1."""
    found = re.search(r"//s3[.-]([a-z]{2}-[a-z]+-\d+)\.", endpoint)
    return found[1] if found else "us-east-1"
