"""Errors in OpenAI's form, for a client that gets no answer."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

RETRY_AFTER_S = 1
_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class RequestError(Exception):
    """A request that ends with this HTTP status.

    Example: ``RequestError(400, "n is 3: ...", param="n")`` becomes ``{"error": {"message": "n is 3: ...",
    "type": "invalid_request_error", "param": "n", "code": None}}``.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def body(self) -> dict[str, Any]:
        """JSON-able."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """503 tells when to come back."""
        headers: Mapping[str, str] = {"Retry-After": str(RETRY_AFTER_S)} if self.status == 503 else {}
        return JSONResponse(self.body, self.status, headers)
