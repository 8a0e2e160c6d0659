"""Our signature is botocore's, byte for byte."""

from datetime import UTC, datetime
from unittest.mock import patch

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.remotes.sigv4 import UNSIGNED, canonical_query, path_of, signed

KEYS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda key: not any(part in {".", ".."} for part in key.split("/")) and "//" not in key
)
NOW = 1_764_043_200.0


@settings(max_examples=150, deadline=None)
@given(KEYS, st.sampled_from(["GET", "PUT", "HEAD"]), st.booleans(), st.booleans())
def test_the_signature_is_that_of_botocore(key: str, method: str, part: bool, token: bool) -> None:
    path = path_of("bucket", key)
    query = {"partNumber": "3", "uploadId": "a b/c+d=&"} if part else {}
    search = canonical_query(query)
    headers = {
        "host": "s3.example.org:9000",
        "x-amz-content-sha256": UNSIGNED,
        "content-md5": "eV8yArF8trw9S3cdjGyerw==",
        "x-amz-meta-sha1": "ab  cd",
    }
    if token:
        headers["x-amz-security-token"] = "token"
    ours = signed(
        method, path, search, headers, key_id="id", secret="secret", region="eu-central-003", now=NOW
    )
    url = f"https://s3.example.org:9000{path}" + (f"?{search}" if search else "")
    request = AWSRequest(method=method, url=url, headers=headers)
    request.context["payload_signing_enabled"] = False
    moment = datetime.fromtimestamp(NOW, UTC)
    with (
        patch("botocore.auth.get_current_datetime", return_value=moment, create=True),
        patch("botocore.compat.get_current_datetime", return_value=moment, create=True),
    ):
        S3SigV4Auth(Credentials("id", "secret", "token" if token else None), "s3", "eu-central-003").add_auth(
            request
        )
    assert ours["authorization"] == request.headers["Authorization"]
