"""``b2://BUCKET[/PREFIX]``: B2's native API by b2sdk.

b2sdk keeps the token and the pool of upload URLs (one upload at a time for each, a new one after an error);
its own retries are switched off, since ours have a deadline. Every put carries its SHA-1, which B2 checks; a
large file's parts do, and the whole file's SHA-1 goes with it as ``large_file_sha1``.
"""

import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from mimetypes import guess_type
from typing import Any, TypeVar

import requests
from b2sdk._internal.exception import ResourceNotFound  # v3 forgot this one
from b2sdk.v3 import B2HttpApiConfig, B2Session, InMemoryAccountInfo
from b2sdk.v3 import exception as b2
from urllib3.exceptions import HTTPError

from migrate.remotes.b2_errors import from_b2
from migrate.remotes.b2_session import Session
from migrate.remotes.base import CHUNK_BYTES, About, Body, Capabilities, Part, Source, Stored, Unfinished
from migrate.remotes.bill import Bill, Call
from migrate.remotes.stream import Window, metered
from swarmstead.errors import Corrupt, Denied, InputError

__all__ = ["B2Remote"]

_T = TypeVar("_T")
_INFO_HEADER = "x-bz-info-"
_MTIME = "src_last_modified_millis"
_LARGE_SHA1 = "large_file_sha1"
_NEEDED = {"listBuckets", "listFiles", "readFiles", "writeFiles"}
_HARMLESS = {"listAllBucketNames", "readBuckets", "shareFiles", "readBucketEncryption"}
_BEYOND = 10**15
"""Behind the end of any file: b2sdk wants the end of a range."""


class B2Remote:
    """One bucket (and prefix). realm: URL of the API, "" for BackBlaze's. Nothing is sent before it is used.

    Raises Denied without a key.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, realm: str = "", key_id: str = "", key: str = ""
    ) -> None:
        self._bucket, self._prefix = bucket, prefix and prefix.strip("/") + "/"
        self.url = f"b2://{bucket}/{self._prefix}"
        self.bill = Bill()
        self.capabilities = Capabilities(
            kind="b2",
            part_digest="sha1",
            least_part=5_000_000,
            most_parts=10_000,
            longest_name=1024,
            longest_segment=250,
            listed_tags_prove=True,
            keeps_versions=True,
        )
        if not key_id or not key:
            raise Denied(
                "no key for this remote",
                subject=self.url,
                hint="Set SWARMSTEAD_REMOTE_KEY_ID and SWARMSTEAD_REMOTE_KEY_FILE.",
            )
        self._login = realm or "production", key_id, key
        self._session = Session(
            InMemoryAccountInfo(), api_config=B2HttpApiConfig(user_agent_append="swarmstead")
        )
        self._lock = threading.Lock()
        self._bucket_id = ""

    def _subject(self, name: str) -> str:
        return f"{self.url}{name}"

    def _do(self, call: Call, name: str, work: Callable[[B2Session, str], _T], *, sent: int = 0) -> _T:
        """Count and do one call with the session and the bucket's id; raise our errors."""
        try:
            bucket_id = self.authorise()
            self.bill.count(call, sent=sent)
            return work(self._session, bucket_id)
        except b2.B2Error as error:
            raise from_b2(error, self._subject(name)) from None

    def authorise(self) -> str:
        """Log in where that is still to be done; return the bucket's id. Raises b2sdk's errors."""
        with self._lock:
            if self._bucket_id:
                return self._bucket_id
            self.bill.count("authorise")
            self._session.authorize_account(*self._login)
            info = self._session.account_info
            self.capabilities = replace(self.capabilities, least_part=info.get_absolute_minimum_part_size())
            for allowed in info.get_allowed().get("buckets") or ():
                if allowed["name"] == self._bucket:
                    self._bucket_id = str(allowed["id"])
                    return self._bucket_id
            self.bill.count("buckets")
            found = self._session.list_buckets(info.get_account_id(), bucket_name=self._bucket)["buckets"]
            if not found:
                raise InputError(
                    "no such bucket, or the key is for another", subject=self.url, hint="Mend the name."
                )
            self._bucket_id = str(found[0]["bucketId"])
            return self._bucket_id

    def about(self) -> About:
        """Say what the key may do, and what the bucket's lifecycle will (that needs ``listBuckets``)."""
        try:
            self.authorise()
            allowed = self._session.account_info.get_allowed()
        except b2.B2Error as error:
            raise from_b2(error, self.url) from None
        rights = sorted(allowed["capabilities"])
        return About(
            rights=rights,
            needless=[right for right in rights if right not in _NEEDED and right not in _HARMLESS],
            prefix=allowed.get("namePrefix") or "",
            lifecycle=self._lifecycle(),
            versions=True,
        )

    def _lifecycle(self) -> Sequence[str] | None:
        def ask(session: B2Session, _: str) -> dict[str, Any]:
            found = session.list_buckets(session.account_info.get_account_id(), bucket_name=self._bucket)
            return dict(found["buckets"][0])

        try:
            return [_rule_in_words(rule) for rule in self._do("buckets", "", ask)["lifecycleRules"] or ()]
        except Denied:
            return None

    def _info(self, sha1: str, mtime_ns: int, *, large: bool = False) -> dict[str, str]:
        found = {_LARGE_SHA1: sha1} if large else {}
        return {**found, **({_MTIME: str(mtime_ns // 10**6)} if mtime_ns else {})}

    def put(
        self, name: str, source: Source, *, size: int, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Stored:
        """Store the bytes; B2 checks their SHA-1."""
        window = Window(source, size)
        answer = self._do(
            "put",
            name,
            lambda session, bucket: session.upload_file(
                bucket,
                self._prefix + name,
                size,
                guess_type(name)[0] or "application/octet-stream",
                sha1,
                self._info(sha1, mtime_ns),
                window,
            ),
            sent=size,
        )
        if (answer["contentLength"], answer["contentSha1"]) != (size, sha1):
            raise Corrupt("B2 took other bytes than were sent", subject=self._subject(name))
        return self._listed(answer)

    def put_later(
        self, name: str, data: bytes, *, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Callable[[], Stored]:
        """Return what stores the bytes: nothing is sent ahead here."""
        return lambda: self.put(name, io.BytesIO(data), size=len(data), sha1=sha1, md5=md5, mtime_ns=mtime_ns)

    @contextmanager
    def get(self, name: str, *, start: int = 0, end: int | None = None) -> Iterator[Body | None]:
        """Open an object."""
        try:
            answer = self._download(name, start, end)
        except b2.UnsatisfiableRange:
            stored = self.head(name)
            yield Body(stored, iter(()), min(start, stored.size)) if stored else None
            return
        if answer is None:
            yield None
            return
        try:
            headers = answer.headers
            length = int(headers.get("content-length", 0))
            spoken = headers.get("content-range", "")
            whole = int(spoken.rpartition("/")[2]) if spoken else length
            chunks = metered(_read(answer), length=length, bill=self.bill, subject=self._subject(name))
            if end is not None and end <= start:
                chunks, length = iter(()), 0
            yield Body(self._headed(name, headers, whole), chunks, min(start, whole))
        finally:
            answer.close()

    def _download(self, name: str, start: int, end: int | None) -> requests.Response | None:
        wanted = None
        if start or end is not None:
            wanted = (start, max(start, end - 1) if end is not None else _BEYOND)
        try:
            self.authorise()
            self.bill.count("get")
            url = self._session.get_download_url_by_name(self._bucket, self._prefix + name)
            with self._session.download_file_from_url(url, wanted) as answer:
                return answer
        except b2.UnsatisfiableRange:
            raise
        except ResourceNotFound as error:
            if isinstance(error, b2.NonExistentBucket):
                raise from_b2(error, self._subject(name)) from None
            return None
        except b2.B2Error as error:
            raise from_b2(error, self._subject(name)) from None

    def _headed(self, name: str, headers: Mapping[str, str], size: int) -> Stored:
        info = {
            key.lower().removeprefix(_INFO_HEADER): value
            for key, value in headers.items()
            if key.lower().startswith(_INFO_HEADER)
        }
        return self._stored(
            name, size, headers.get("x-bz-content-sha1", ""), headers.get("x-bz-file-id", ""), info
        )

    def _listed(self, found: Mapping[str, Any]) -> Stored:
        name = str(found["fileName"])[len(self._prefix) :]
        sha1 = str(found.get("contentSha1") or "")
        return self._stored(
            name, int(found["contentLength"]), sha1, str(found["fileId"]), found.get("fileInfo") or {}
        )

    def _stored(self, name: str, size: int, sha1: str, file_id: str, info: Mapping[str, str]) -> Stored:
        """Describe an object. What B2 hashed is marked by that hash, else by the version's id."""
        proved = sha1 if len(sha1) == 40 else ""  # noqa: PLR2004 - hex SHA-1; not "none", not "unverified:"
        millis = info.get(_MTIME, "")
        return Stored(
            name,
            size,
            proved or info.get(_LARGE_SHA1, ""),
            f"sha1:{proved}" if proved else f"id:{file_id}",
            int(millis) * 10**6 if millis.isdigit() else 0,
        )

    def head(self, name: str) -> Stored | None:
        """Describe an object."""
        found = self._headers(name)
        return self._headed(name, found, int(found.get("content-length", 0))) if found else None

    def _headers(self, name: str) -> Mapping[str, str] | None:
        try:
            self.authorise()
            self.bill.count("head")
            return self._session.get_file_info_by_name(self._bucket, self._prefix + name)
        except ResourceNotFound:
            return None
        except b2.B2Error as error:
            raise from_b2(error, self._subject(name)) from None

    def page(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Describe up to `limit` objects."""
        # A space is the first letter a name may have: so this is the first name that follows `after`.
        start = f"{self._prefix}{after} " if after else self._prefix + prefix
        answer = self._do(
            "list",
            prefix,
            lambda session, bucket: session.list_file_names(
                bucket, start or None, limit, self._prefix + prefix or None
            ),
        )
        return [self._listed(found) for found in answer["files"] if found["action"] == "upload"]

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Describe every object."""
        after = ""
        while page := self.page(prefix=prefix, after=after):
            yield from page
            after = page[-1].name

    def copy(self, source: str, target: str) -> Stored:
        """Copy an object at B2, up to 5 GB."""
        found = self._headers(source)
        if found is None:
            raise InputError("no such object", subject=self._subject(source))
        file_id = found.get("x-bz-file-id", "")
        answer = self._do(
            "copy", source, lambda session, _: session.copy_file(file_id, self._prefix + target)
        )
        return self._listed(answer)

    def delete(self, name: str) -> None:
        """Hide an object; its versions stay until the bucket's lifecycle deletes them."""

        def hide(session: B2Session, bucket: str) -> None:
            try:
                session.hide_file(bucket, self._prefix + name)
            except (b2.FileAlreadyHidden, ResourceNotFound):
                return

        if self.head(name) is not None:
            self._do("delete", name, hide)

    def begin(self, name: str, *, size: int, sha1: str, mtime_ns: int = 0) -> str:
        """Begin a large file."""
        answer = self._do(
            "begin",
            name,
            lambda session, bucket: session.start_large_file(
                bucket,
                self._prefix + name,
                guess_type(name)[0] or "application/octet-stream",
                self._info(sha1, mtime_ns, large=True),
            ),
        )
        return str(answer["fileId"])

    def put_part(
        self, name: str, upload: str, number: int, source: Source, *, size: int, digest: str
    ) -> Part:
        """Store one part; B2 checks its SHA-1."""
        window = Window(source, size)
        answer = self._do(
            "part",
            name,
            lambda session, _: session.upload_part(upload, number, size, digest, window),
            sent=size,
        )
        if (answer["contentLength"], answer["contentSha1"]) != (size, digest):
            raise Corrupt("B2 took other bytes than were sent", subject=self._subject(name))
        return Part(number, size, digest)

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that B2 has."""
        found: dict[int, Part] = {}
        start: int | None = 1
        while start:
            ask = partial(_parts_from, upload, start)
            try:
                answer = self._do("parts", name, ask)
            except InputError:
                return {}  # finished, cancelled, or never begun
            for part in answer["parts"]:
                found[part["partNumber"]] = Part(
                    part["partNumber"], part["contentLength"], part["contentSha1"]
                )
            start = answer["nextPartNumber"]
        return found

    def finish(self, name: str, upload: str, parts: Sequence[Part], *, size: int, sha1: str) -> Stored:
        """Make the large file from its parts."""
        answer = self._do(
            "finish",
            name,
            lambda session, _: session.finish_large_file(upload, [part.digest for part in parts]),
        )
        if answer["contentLength"] != size:
            raise Corrupt("B2 joined other parts than were sent", subject=self._subject(name))
        return self._listed(answer)

    def abandon(self, name: str, upload: str) -> None:
        """Cancel a large file."""
        try:
            self._do("abandon", name, lambda session, _: session.cancel_large_file(upload))
        except InputError:
            return  # not there

    def unfinished(self) -> Iterator[Unfinished]:
        """Return the large files that were begun."""
        start: str | None = None
        while True:
            answer = self._do("list", "", partial(_unfinished_from, start, self._prefix or None))
            for found in answer["files"]:
                yield Unfinished(str(found["fileName"])[len(self._prefix) :], str(found["fileId"]))
            start = answer["nextFileId"]
            if start is None:
                return


def _rule_in_words(rule: Mapping[str, Any]) -> str:
    what = []
    if days := rule.get("daysFromUploadingToHiding"):
        what.append(f"hides objects {days} days after they were put")
    if days := rule.get("daysFromHidingToDeleting"):
        what.append(f"deletes hidden and replaced versions after {days} days")
    if days := rule.get("daysFromStartingToCancelingUnfinishedLargeFiles"):
        what.append(f"cancels unfinished large files after {days} days")
    return f"{rule.get('fileNamePrefix', '')}*: {', '.join(what) or 'a rule that is not about deleting'}"


def _parts_from(upload: str, start: int, session: B2Session, _bucket: str) -> dict[str, Any]:
    return session.list_parts(upload, start, 1000)


def _unfinished_from(
    start: str | None, prefix: str | None, session: B2Session, bucket: str
) -> dict[str, Any]:
    return session.list_unfinished_large_files(bucket, start, 100, prefix)


def _read(answer: requests.Response) -> Iterator[bytes]:
    """Read a body as it comes: `read1` waits for no more than there is, so that a crawl is seen."""
    raw = answer.raw
    while True:
        try:
            chunk = raw.read1(CHUNK_BYTES, decode_content=False)
        except HTTPError as error:
            raise ConnectionError(type(error).__name__) from None
        if not chunk:
            return
        yield chunk
