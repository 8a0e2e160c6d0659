"""b2sdk's session, without its own patience: short timeouts and one try, since the policy is `retry`'s."""

from collections.abc import Callable
from typing import Any

import requests
from b2sdk.v3 import B2Http, B2HttpApiConfig, B2Session

__all__ = ["Session"]

_CONNECTIONS = 64


class _Http(B2Http):
    """b2sdk's HTTP with short timeouts and a single try: the policy is `retry`'s."""

    CONNECTION_TIMEOUT = 10
    TIMEOUT = 30
    TIMEOUT_FOR_UPLOAD = 60
    TIMEOUT_FOR_COPY = 120

    def __init__(self, api_config: B2HttpApiConfig) -> None:
        super().__init__(api_config)
        for adapter in self.session.adapters.values():
            if isinstance(adapter, requests.adapters.HTTPAdapter):
                adapter.init_poolmanager(_CONNECTIONS, _CONNECTIONS)

    @classmethod
    def _translate_and_retry(
        cls,
        fcn: Callable[[], requests.Response],
        _try_count: int,
        post_params: dict[str, Any] | None = None,
    ) -> requests.Response:
        return cls._translate_errors(fcn, post_params)


class Session(B2Session):
    """A session that speaks to B2 in this way."""

    B2HTTP_CLASS = staticmethod(_Http)
