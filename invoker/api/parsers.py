"""Bodies of the API: JSON, whatever their sender calls it, and not too large."""

import contextlib
import math
import time
from collections.abc import Mapping
from typing import IO, Any, NoReturn

import msgspec
from django.http import HttpRequest, UnreadablePostError
from rest_framework.parsers import BaseParser

from invoker import bounds
from invoker.api.errors import PREFIX, ApiError

# Source: `product.md`, "Limits".
MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 200
# What is too large is taken in all the same, up to here, and thrown away: a connection that ends
# with bytes nobody read is reset, and whoever still sends them never sees the answer.
MOST_DISCARDED_BYTES = 8 * MAX_BODY_BYTES
DISCARDED_WITHIN_S = 5
DISCARDED_AT_ONCE = 64 * 1024


class JsonParser(BaseParser):
    """Reads JSON under any content type: `curl -d` sends it as a form."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """A JSON value; nothing at all is an empty object, as the clients send no body with it.

        Raises:
            ApiError: 400 for what is not JSON, 408 too slow, 413 too large.
        """
        try:
            sent = stream.read(MAX_BODY_BYTES + 1)
        except UnreadablePostError as error:
            raise ApiError(
                408,
                "Cannot read the body: it did not arrive in time, send it again",
                v1_code="body-too-slow",
            ) from error
        if len(sent) > MAX_BODY_BYTES:
            _refuse_size()
        if not sent.strip():
            return {}
        if bounds.has_too_many_names(sent):
            raise ApiError(
                400,
                f"Cannot read the body: its objects have more than {bounds.MAX_NAMES:,} names "
                "together",
                v1_code="json-too-many-names",
            )
        try:
            # Depth first: what is nested deeper than others can follow would fail later on.
            value = msgspec.json.decode(sent)
            _check(value)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise ApiError(
                400,
                f"Cannot read the body: {reason}",
                v1_code=f"{PREFIX}ui.api.invalid-json",
            ) from error
        return value


def check_length(request: HttpRequest) -> None:
    """Refuse a body by its Content-Length, and keep none of it."""
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced.isdecimal() and (length := int(announced[:20])) > MAX_BODY_BYTES:
        if length <= MOST_DISCARDED_BYTES:
            _discard(request)
        _refuse_size()


def _discard(request: HttpRequest) -> None:
    ends = time.monotonic() + DISCARDED_WITHIN_S
    with contextlib.suppress(UnreadablePostError):
        while time.monotonic() < ends and request.read(DISCARDED_AT_ONCE):
            pass


def _refuse_size() -> NoReturn:
    raise ApiError(
        413,
        f"Cannot take the request: its body is larger than {MAX_BODY_BYTES} bytes",
        v1_code=f"{PREFIX}ui.payload-too-large",
    )


def _check(value: Any, depth: int = 0) -> None:
    """Refuse what the database or a client could not read again."""
    if depth > MAX_DEPTH:
        raise RecursionError
    match value:
        case dict():
            for each in value.values():
                _check(each, depth + 1)
        case list():
            for each in value:
                _check(each, depth + 1)
        case float() if not math.isfinite(value):
            raise msgspec.DecodeError("a number is too large")
