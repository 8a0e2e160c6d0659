"""B2's native API over HTTP, by b2sdk's own simulator: for tests and trials without an account.

What it does not cover: prices and limits of rate, server-side encryption and object lock over HTTP, download
tokens, notification rules, replication. Everything is in memory. Three of the simulator's own faults are
mended here: a HEAD that sees hidden files, ids that sort wrongly after 9,999 files, and keys for one bucket
that may not write to it.
"""

import base64
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from b2sdk.v3 import BucketSimulator, RawSimulator
from b2sdk.v3 import exception as b2

from migrate.remotes.testkit.faults import Fault, Faults
from migrate.remotes.testkit.http import Reply, Request, serving

__all__ = ["B2Server", "Key"]

_FIRST_ID = 10**15 - 1
_INFO = "x-bz-info-"


class _Bucket(BucketSimulator):
    FIRST_FILE_NUMBER = _FIRST_ID
    FIRST_FILE_ID = str(_FIRST_ID)
    MAX_SIMPLE_COPY_SIZE = 5 * 10**9


class _Simulator(RawSimulator):
    BUCKET_SIMULATOR_CLASS = _Bucket

    def _assert_account_auth(
        self,
        api_url: str,
        token: str,
        account_id: str,
        capability: str,
        bucket_id: str | None = None,
        file_name: str | None = None,
    ) -> None:
        key = self.auth_token_to_key.get(token)
        if bucket_id is None and key and key.buckets_or_none:
            bucket_id = key.buckets_or_none[0]["id"]
        super()._assert_account_auth(api_url, token, account_id, capability, bucket_id, file_name)


class Key:
    """An application key: its id and secret."""

    def __init__(self, key_id: str, key: str) -> None:
        self.id, self.key = key_id, key


def _error(status: int, code: str, message: str, retry_after: str = "") -> Reply:
    body = json.dumps({"status": status, "code": code, "message": message}).encode()
    headers = {"content-type": "application/json"}
    return Reply(status, body, headers | ({"retry-after": retry_after} if retry_after else {}))


def _refused(error: Exception) -> Reply:
    """Return B2's own answer for what the simulator raises."""
    if isinstance(error, b2.InvalidAuthToken):
        return _error(401, "expired_auth_token" if "expired" in str(error) else "bad_auth_token", "token")
    if isinstance(error, b2.Unauthorized):
        return _error(401, "unauthorized", "the key may not do this")
    if isinstance(error, b2.FileSha1Mismatch | b2.PartSha1Mismatch | b2.ChecksumMismatch):
        return _error(400, "bad_request", "Sha1 did not match data received")
    if isinstance(error, b2.NonExistentBucket):
        return _error(400, "bad_bucket_id", "no such bucket")
    if isinstance(error, b2.FileNotPresent | KeyError):
        return _error(404, "not_found", "no such file")
    if isinstance(error, b2.FileAlreadyHidden):
        return _error(400, "already_hidden", "it is hidden")
    if isinstance(error, b2.MissingPart):
        return _error(400, "missing_part", "a part is missing")
    return _error(400, "bad_request", f"{type(error).__name__}: {error}")


def _json_of(value: object) -> bytes:
    def plain(other: object) -> object:
        return sorted(other) if isinstance(other, set | frozenset) else str(other)

    return json.dumps(value, default=plain).encode()


def _grouped(files: list[dict[str, Any]], prefix: str, delimiter: str) -> list[dict[str, Any]]:
    """Return a listing as of one folder: what lies deeper is one entry for each folder."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        name: str = file["fileName"]
        head, deeper, _ = name[len(prefix) :].partition(delimiter)
        folder = prefix + head + delimiter
        if deeper:
            found.setdefault(folder, {"action": "folder", "fileName": folder, "contentLength": 0})
        else:
            found[name] = file
    return list(found.values())


class B2Server:
    """One account with one bucket. Use `with B2Server.running() as server`."""

    def __init__(self, bucket: str) -> None:
        self.url = ""
        self.faults = Faults()
        self._lock = threading.Lock()
        self._sim = _Simulator()
        account, master = self._sim.create_account()
        self.key = Key(account, master)
        self.bucket = bucket
        self._token = self._sim.authorize_account("", account, master)["authorizationToken"]
        self._made = self._sim.create_bucket(self._sim.API_URL, self._token, account, bucket, "allPrivate")
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count()

    @classmethod
    @contextmanager
    def running(cls, bucket: str = "pictures", *, port: int = 0) -> Iterator["B2Server"]:
        """Serve on the loopback until the context ends."""
        server = cls(bucket)
        with ExitStack() as stack:
            server.url = stack.enter_context(serving(server.answer, server.refuse, server.faults, port=port))
            yield server

    def new_key(self, *capabilities: str, prefix: str | None = None) -> Key:
        """Make an application key for the bucket with only these capabilities."""
        made = self._sim.create_key(
            self._sim.API_URL,
            self._token,
            self.key.id,
            list(capabilities),
            f"key-{next(self._numbers)}",
            None,
            [self._made["bucketId"]],
            prefix,
        )
        return Key(made["applicationKeyId"], made["applicationKey"])

    def set_lifecycle(self, *rules: dict[str, Any]) -> None:
        """Give the bucket lifecycle rules."""
        self._sim.bucket_name_to_bucket[self.bucket].lifecycle_rules = list(rules)

    def expire_tokens(self) -> None:
        """Let every token that was given out expire, as after a day."""
        with self._lock:
            for token in self._sim.auth_token_to_key:
                if token != self._token:
                    self._sim.expired_auth_tokens.add(token)
            self._tokens.clear()

    def versions(self, name: str) -> list[str]:
        """Return the actions of every version of a name, newest first: ``upload``, ``hide``, ``start``."""
        with self._lock:
            files = self._sim.bucket_name_to_bucket[self.bucket].file_name_and_id_to_file
            return [file.action for (found, _), file in sorted(files.items()) if found == name]

    def content(self, name: str) -> bytes:
        """Return the newest version's bytes."""
        with self._lock:
            files = self._sim.bucket_name_to_bucket[self.bucket].file_name_and_id_to_file
            return next(file.data_bytes for (found, _), file in sorted(files.items()) if found == name)

    def refuse(self, fault: Fault) -> Reply:
        """Return an error answer."""
        return _error(fault.status, fault.code, fault.message, fault.retry_after)

    def answer(self, request: Request) -> Reply:
        """Do what a request asks for."""
        parts = urlsplit(request.target)
        try:
            with self._lock:
                if parts.path.startswith("/file/"):
                    return self._download(request, parts.path)
                if parts.path.startswith("/upload/"):
                    return self._upload(request, parts.path)
                return self._call(request, parts.path.rpartition("/")[2], parts.query)
        except (b2.B2Error, KeyError, AssertionError, ValueError) as error:
            return _refused(error)

    # Calls with JSON

    def _call(self, request: Request, call: str, query: str) -> Reply:
        given = json.loads(request.body or b"{}") or {k: v[0] for k, v in parse_qs(query).items()}
        token = request.headers.get("authorization", "")
        if call == "b2_authorize_account":
            return self._authorise(token)
        known: dict[str, Callable[[str, dict[str, Any]], Any]] = {
            "b2_list_buckets": self._list_buckets,
            "b2_get_upload_url": self._upload_url,
            "b2_get_upload_part_url": self._part_url,
            "b2_list_file_names": self._list_names,
            "b2_start_large_file": self._start_large,
        }
        if call in known:
            return Reply(200, _json_of(known[call](token, given)))
        fields = {
            "b2_cancel_large_file": ("fileId",),
            "b2_finish_large_file": ("fileId", "partSha1Array"),
            "b2_hide_file": ("bucketId", "fileName"),
            "b2_copy_file": ("sourceFileId", "fileName"),
            "b2_delete_file_version": ("fileId", "fileName"),
            "b2_list_parts": ("fileId", "startPartNumber", "maxPartCount"),
            "b2_list_unfinished_large_files": ("bucketId", "startFileId", "maxFileCount", "namePrefix"),
            "b2_get_file_info": ("fileId",),
        }[call]
        name = "get_file_info_by_id" if call == "b2_get_file_info" else call.removeprefix("b2_")
        method = getattr(self._sim, name)
        result = method(self._sim.API_URL, token, *(given.get(field) for field in fields))
        return Reply(200, _json_of(result))

    def _authorise(self, basic: str) -> Reply:
        key_id, _, key = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
        answer = self._sim.authorize_account("", key_id, key)
        storage = answer["apiInfo"]["storageApi"]
        storage.update(apiUrl=self.url, downloadUrl=self.url, s3ApiUrl=self.url)
        storage.update(recommendedPartSize=100_000_000, absoluteMinimumPartSize=self._sim.MIN_PART_SIZE)
        buckets = storage["allowed"].get("buckets") or []
        older = {**storage, "allowed": dict(storage["allowed"])}
        if buckets:
            older["allowed"].update(bucketId=buckets[0]["id"], bucketName=buckets[0]["name"])
        return Reply(200, _json_of({**older, **answer}))

    def _list_buckets(self, token: str, given: dict[str, Any]) -> Any:
        return self._sim.list_buckets(
            self._sim.API_URL, token, given["accountId"], given.get("bucketId"), given.get("bucketName")
        )

    def _own_url(self, found: dict[str, Any], kind: str) -> dict[str, Any]:
        number = str(next(self._numbers))
        self._tokens[number] = found["authorizationToken"]
        return {**found, "uploadUrl": f"{self.url}/upload/{kind}/{number}"}

    def _upload_url(self, token: str, given: dict[str, Any]) -> Any:
        return self._own_url(self._sim.get_upload_url(self._sim.API_URL, token, given["bucketId"]), "file")

    def _part_url(self, token: str, given: dict[str, Any]) -> Any:
        return self._own_url(self._sim.get_upload_part_url(self._sim.API_URL, token, given["fileId"]), "part")

    def _list_names(self, token: str, given: dict[str, Any]) -> Any:
        prefix = given.get("prefix") or None
        start = given.get("startFileName") or None
        if start and prefix and start < prefix:
            start = None
        answer = self._sim.list_file_names(
            self._sim.API_URL, token, given["bucketId"], start, given.get("maxFileCount"), prefix
        )
        if given.get("delimiter"):
            answer["files"] = _grouped(answer["files"], prefix or "", given["delimiter"])
        for file in answer["files"]:
            file["size"] = file["contentLength"]  # of older versions of the API: rclone reads it
        return answer

    def _start_large(self, token: str, given: dict[str, Any]) -> Any:
        return self._sim.start_large_file(
            self._sim.API_URL,
            token,
            given["bucketId"],
            given["fileName"],
            given["contentType"],
            given.get("fileInfo") or {},
        )

    # Bytes

    def _upload(self, request: Request, path: str) -> Reply:
        _, _, kind, number = path.split("/")
        token = self._tokens.get(number)
        if token is None or token != request.headers.get("authorization"):
            return _error(401, "expired_auth_token", "the upload URL is no longer good")
        sha1, body = request.headers["x-bz-content-sha1"], io.BytesIO(request.body)
        if kind == "part":
            part = int(request.headers["x-bz-part-number"])
            result = self._sim.upload_part(token, token, part, len(request.body), sha1, body)
        else:
            info = {
                name.removeprefix(_INFO): unquote(value)
                for name, value in request.headers.items()
                if name.startswith(_INFO)
            }
            name = unquote(request.headers["x-bz-file-name"])
            kind_of = request.headers.get("content-type", "b2/x-auto")
            result = self._sim.upload_file(token, token, name, len(request.body), kind_of, sha1, info, body)
        return Reply(200, _json_of(result))

    def _download(self, request: Request, path: str) -> Reply:
        token = request.headers.get("authorization", "")
        _, _, bucket, name = path.split("/", 3)
        key = self._sim.auth_token_to_key.get(token)
        if key is None or token in self._sim.expired_auth_tokens:
            return _error(401, "expired_auth_token", "log in again")
        if "readFiles" not in key.capabilities:
            return _error(401, "unauthorized", "the key may not read")
        spoken = request.headers.get("range", "")
        url = f"{self._sim.DOWNLOAD_URL}/file/{bucket}/{quote(unquote(name))}"
        with self._sim.download_file_from_url(token, url) as found:
            body, headers = found.data_bytes, dict(found.headers)
        headers.pop("content-length", None)
        headers["accept-ranges"] = "bytes"
        if not spoken:
            return Reply(200, body, headers, len(body) if request.method == "HEAD" else None)
        first, _, last = spoken.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last) + 1 if last else len(body), len(body))
        if start >= len(body):
            return _error(416, "range_not_satisfiable", "behind the end")
        headers["content-range"] = f"bytes {start}-{end - 1}/{len(body)}"
        return Reply(206, body[start:end], headers)
