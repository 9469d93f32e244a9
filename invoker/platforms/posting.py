"""Sending a command by HTTP, and what the answer means."""

import time
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus

import httpx
from django.conf import settings

from invoker.platforms.contract import DeliveryError

WORDS_BYTES = 200
# Answers that say "not this request", as opposed to "not now".
_RETRIED_CLIENT_ERRORS = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, who: str, repeatable: bool = True
) -> str:
    """Send a command to `url` and say in a few words what came back.

    `who` is what answers there, for people: "The callback URL". Where the receiver cannot tell a
    repetition, `repeatable` is False: then no answer leaves open whether it was carried out.

    Raises:
        DeliveryError: nobody answered, or the answer was not 2xx.
    """
    try:
        status, said, retry_after = _post(url, body, headers)
    except httpx.TimeoutException as error:
        raise DeliveryError(
            f"No answer within {settings.CALLBACK_TIMEOUT_S:g} s ({type(error).__name__})",
            unknown=not repeatable and not isinstance(error, httpx.ConnectTimeout),
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        never_sent = isinstance(error, httpx.ConnectError | httpx.InvalidURL)
        raise DeliveryError(
            f"{who} cannot be reached: {error}", unknown=not repeatable and not never_sent
        ) from error
    if httpx.codes.is_success(status):
        return said
    temporary = httpx.codes.is_server_error(status) or status in _RETRIED_CLIENT_ERRORS
    raise DeliveryError(
        f"{who} answered {said}", permanent=not temporary, retry_after_s=_seconds(retry_after)
    )


@cache
def _client() -> httpx.Client:
    """One client for all threads of a process: it keeps connections open between commands."""
    return httpx.Client(
        timeout=httpx.Timeout(settings.CALLBACK_TIMEOUT_S, connect=5.0),
        follow_redirects=False,
        headers={"user-agent": "Houston", "accept-encoding": "identity"},
        trust_env=False,
    )


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
    """The status, what to show of the answer, and its Retry-After.

    Success is settled by the status line. Of a refusal the first words are read, and no longer
    than a command may take: a body that drips must not hold a worker.
    """
    ends_at = time.monotonic() + settings.CALLBACK_TIMEOUT_S
    with _client().stream("POST", url, content=body, headers=dict(headers)) as response:
        said = f"{response.status_code} {response.reason_phrase}".strip()
        words = b""
        if not response.is_success:
            for part in response.iter_raw():
                words += part
                if len(words) >= WORDS_BYTES or time.monotonic() > ends_at:
                    break
    text = words[:WORDS_BYTES].decode("utf-8", "replace").replace("\0", "").strip()
    return (
        response.status_code,
        f"{said}: {text}" if text else said,
        response.headers.get("retry-after", ""),
    )


def _seconds(retry_after: str) -> float | None:
    try:
        return min(3600.0, max(0.0, float(retry_after)))
    except ValueError:
        return None
