# What we use of b2sdk, which has no types of its own.
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import requests

class InMemoryAccountInfo:
    def get_account_id(self) -> str: ...
    def get_allowed(self) -> dict[str, Any]: ...
    def get_absolute_minimum_part_size(self) -> int: ...
    def get_recommended_part_size(self) -> int: ...

class B2HttpApiConfig:
    def __init__(self, *, user_agent_append: str | None = None) -> None: ...

class B2Http:
    CONNECTION_TIMEOUT: ClassVar[int]
    TIMEOUT: ClassVar[int]
    TIMEOUT_FOR_COPY: ClassVar[int]
    TIMEOUT_FOR_UPLOAD: ClassVar[int]
    session: requests.Session
    def __init__(self, api_config: B2HttpApiConfig) -> None: ...
    @classmethod
    def _translate_errors(
        cls, fcn: Callable[[], requests.Response], post_params: dict[str, Any] | None = None
    ) -> requests.Response: ...

class _Download:
    def __enter__(self) -> requests.Response: ...
    def __exit__(self, *_: object) -> None: ...

class B2Session:
    B2HTTP_CLASS: Any
    account_info: InMemoryAccountInfo
    def __init__(self, account_info: InMemoryAccountInfo, *, api_config: B2HttpApiConfig) -> None: ...
    def authorize_account(self, realm: str, key_id: str, key: str) -> None: ...
    def list_buckets(self, account_id: str, *, bucket_name: str) -> dict[str, Any]: ...
    def upload_file(
        self,
        bucket_id: str,
        file_name: str,
        content_length: int,
        content_type: str,
        content_sha1: str,
        file_info: Mapping[str, str],
        data_stream: object,
    ) -> dict[str, Any]: ...
    def get_download_url_by_name(self, bucket_name: str, file_name: str) -> str: ...
    def download_file_from_url(self, url: str, range_: tuple[int, int] | None = None) -> _Download: ...
    def get_file_info_by_name(self, bucket_name: str, file_name: str) -> Mapping[str, str]: ...
    def list_file_names(
        self, bucket_id: str, start_file_name: str | None, max_file_count: int, prefix: str | None
    ) -> dict[str, Any]: ...
    def copy_file(self, source_file_id: str, new_file_name: str) -> dict[str, Any]: ...
    def hide_file(self, bucket_id: str, file_name: str) -> dict[str, Any]: ...
    def delete_file_version(self, file_id: str, file_name: str) -> dict[str, Any]: ...
    def start_large_file(
        self, bucket_id: str, file_name: str, content_type: str, file_info: Mapping[str, str]
    ) -> dict[str, Any]: ...
    def upload_part(
        self, file_id: str, part_number: int, content_length: int, sha1_sum: str, input_stream: object
    ) -> dict[str, Any]: ...
    def list_parts(self, file_id: str, start_part_number: int, max_part_count: int) -> dict[str, Any]: ...
    def finish_large_file(self, file_id: str, part_sha1_array: list[str]) -> dict[str, Any]: ...
    def cancel_large_file(self, file_id: str) -> dict[str, Any]: ...
    def list_unfinished_large_files(
        self, bucket_id: str, start_file_id: str | None, max_file_count: int, prefix: str | None
    ) -> dict[str, Any]: ...

def b2_url_decode(text: str) -> str: ...

class KeySimulator:
    capabilities: list[str]
    buckets_or_none: list[dict[str, str]] | None

class FileSimulator:
    action: str
    data_bytes: bytes

class BucketSimulator:
    FIRST_FILE_NUMBER: ClassVar[int]
    FIRST_FILE_ID: ClassVar[str]
    MAX_SIMPLE_COPY_SIZE: ClassVar[int]
    lifecycle_rules: list[dict[str, Any]]
    file_name_and_id_to_file: dict[tuple[str, str], FileSimulator]

class _FakeResponse:
    data_bytes: bytes
    headers: Mapping[str, str]

class _FakeDownload:
    def __enter__(self) -> _FakeResponse: ...
    def __exit__(self, *_: object) -> None: ...

class RawSimulator:
    API_URL: ClassVar[str]
    DOWNLOAD_URL: ClassVar[str]
    MIN_PART_SIZE: ClassVar[int]
    BUCKET_SIMULATOR_CLASS: ClassVar[type[BucketSimulator]]
    auth_token_to_key: dict[str, KeySimulator]
    expired_auth_tokens: set[str]
    bucket_name_to_bucket: dict[str, BucketSimulator]
    def _assert_account_auth(
        self,
        api_url: str,
        token: str,
        account_id: str,
        capability: str,
        bucket_id: str | None = None,
        file_name: str | None = None,
    ) -> None: ...
    def create_account(self) -> tuple[str, str]: ...
    def authorize_account(self, realm_url: str, key_id: str, key: str) -> dict[str, Any]: ...
    def create_bucket(
        self, api_url: str, token: str, account_id: str, bucket_name: str, bucket_type: str
    ) -> dict[str, Any]: ...
    def create_key(
        self,
        api_url: str,
        token: str,
        account_id: str,
        capabilities: list[str],
        key_name: str,
        valid_duration_seconds: int | None,
        bucket_ids: list[str] | None,
        name_prefix: str | None,
    ) -> dict[str, Any]: ...
    def list_buckets(
        self, api_url: str, token: str, account_id: str, bucket_id: str | None, bucket_name: str | None
    ) -> dict[str, Any]: ...
    def get_upload_url(self, api_url: str, token: str, bucket_id: str) -> dict[str, Any]: ...
    def get_upload_part_url(self, api_url: str, token: str, file_id: str) -> dict[str, Any]: ...
    def list_file_names(
        self,
        api_url: str,
        token: str,
        bucket_id: str,
        start_file_name: str | None,
        max_file_count: int | None,
        prefix: str | None,
    ) -> dict[str, Any]: ...
    def start_large_file(
        self,
        api_url: str,
        token: str,
        bucket_id: str,
        file_name: str,
        content_type: str,
        file_info: dict[str, str],
    ) -> dict[str, Any]: ...
    def upload_file(
        self,
        upload_url: str,
        token: str,
        file_name: str,
        content_length: int,
        content_type: str,
        content_sha1: str,
        file_info: dict[str, str],
        data_stream: object,
    ) -> dict[str, Any]: ...
    def upload_part(
        self, upload_url: str, token: str, part_number: int, content_length: int, sha1: str, stream: object
    ) -> dict[str, Any]: ...
    def download_file_from_url(self, token: str | None, url: str) -> _FakeDownload: ...
