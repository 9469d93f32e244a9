"""Errors of the API, in both dialects at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from invoker.answers import PREFIX, Refusal

__all__ = ["PREFIX", "ApiError", "body"]


class ApiError(Exception):
    """A request that was not carried out, as its sender will see it.

    `v1_code` and `v2_code` are what the two generations of clients look at; where the vendor has
    no word of its own, both are Houston's. `logs` are the lines of a run that failed.
    Source: `liveperson-contract.md` §2.2 and §2.3.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        v1_code: str,
        v2_code: str = "",
        logs: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.v1_code = v1_code
        self.v2_code = v2_code or v1_code
        self.logs = logs
        self.headers = dict(headers or {})


def body(error: ApiError) -> dict[str, Any]:
    """What is sent: the fields of both dialects, so that no client has to be recognised."""
    found: dict[str, Any] = dict(
        Refusal(error.status, error.v1_code, error.v2_code, str(error)).body
    )
    if error.logs is not None:
        found["errorLogs"] = list(error.logs)
    return found
