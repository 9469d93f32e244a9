"""Sending a command by HTTP, and what the answer means.

In the thread of whoever sends, with one deadline for a whole exchange: an event loop beside it took
three times the CPU, and was half of what an event cost.
"""

import atexit
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import httpx
from django.conf import settings

from invoker.platforms import reach
from invoker.platforms.contract import DeliveryError, read_retry_after

WORDS_BYTES = 200
# Answers that say "not this request", as opposed to "not now".
_RETRIED_CLIENT_ERRORS = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
# Answers of somebody who gave up, in front of or behind what may have been done.
_MAYBE_DONE = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_CONNECT_S = 5.0
_END_BYTES = 64 * 1024
_END_S = 0.2
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    who: str,
    account_id: str = "",
    repeatable: bool = True,
) -> str:
    """Send a command to `url` and say in a few words what came back.

    `who` is what answers there, for people: "The callback URL", and `account_id` the account that
    named the URL. Where the receiver cannot tell a
    repetition, `repeatable` is False: then no answer leaves open whether it was carried out.
    Where it may go is for `reach` to say.

    Raises:
        DeliveryError: nobody answered, or the answer was not 2xx.
    """
    try:
        answer = _exchange(url, body, headers, account_id)
    except reach.NotPublicError as error:
        raise DeliveryError(f"{who} {error}", permanent=True) from error
    except httpx.TimeoutException as error:
        raise DeliveryError(
            f"No answer within {settings.CALLBACK_TIMEOUT_S:g} s ({type(error).__name__})",
            unknown=not repeatable and not isinstance(error, httpx.ConnectTimeout),
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        # The last one is what a host name leads to that cannot be written in ASCII.
        never_sent = not isinstance(error, httpx.HTTPError) or isinstance(error, httpx.ConnectError)
        raise DeliveryError(
            f"{who} cannot be reached: {error}", unknown=not repeatable and not never_sent
        ) from error
    except OSError as error:
        # A name that leads nowhere, asked for before there was anything to send.
        raise DeliveryError(f"{who} cannot be reached: {error}") from error
    if httpx.codes.is_success(answer.status):
        return answer.said
    temporary = (
        httpx.codes.is_server_error(answer.status) or answer.status in _RETRIED_CLIENT_ERRORS
    )
    raise DeliveryError(
        f"{who} answered {answer.said}",
        permanent=not temporary,
        retry_after_s=read_retry_after(answer.retry_after),
        unknown=not repeatable and answer.status in _MAYBE_DONE,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    said: str
    """What to show of it."""
    retry_after: str


@cache
def _client() -> httpx.Client:
    """One for all threads of a process: it keeps connections open between commands."""
    client = httpx.Client(
        transport=reach.Transport(httpx.create_ssl_context(trust_env=False), _LIMITS),
        follow_redirects=False,
        headers={"user-agent": "Houston", "accept-encoding": "identity"},
        trust_env=False,
    )
    atexit.register(client.close)
    return client


def _exchange(url: str, body: bytes, headers: Mapping[str, str], account_id: str) -> _Answer:
    """Post, and say what came back.

    Success is settled by the status line; its end is waited for a moment, since only then the
    connection can carry the next command. Of a refusal the first words are read, for as long again
    as the answer may take.
    """
    timeout_s = settings.CALLBACK_TIMEOUT_S
    # To connect takes less than the deadline, so that what was never sent is told apart.
    timeout = httpx.Timeout(timeout_s, connect=min(_CONNECT_S, 0.9 * timeout_s))
    client = _client()
    request = client.build_request(
        "POST", url, content=body, headers=dict(headers), timeout=timeout
    )
    with reach.within(timeout_s, account_id=account_id):
        response = client.send(request, stream=True)
    read, most, within_s = b"", WORDS_BYTES, timeout_s
    if response.is_success:
        most, within_s = _END_BYTES, min(_END_S, timeout_s)
    try:
        with contextlib.suppress(httpx.HTTPError), reach.within(within_s):
            for part in response.iter_raw():
                read += part
                if len(read) >= most:
                    break
    finally:
        response.close()
    said = f"{response.status_code} {response.reason_phrase}".strip()
    words = b"" if response.is_success else read
    text = words[:WORDS_BYTES].decode("utf-8", "replace").replace("\0", "").strip()
    return _Answer(
        response.status_code,
        f"{said}: {text}" if text else said,
        response.headers.get("retry-after", ""),
    )
