"""Coming in as a bot user: find the account's hosts, log in with API keys, keep the token alive.

LoginRefusedError       the platform does not want these keys; trying again soon will not help
LoginUnavailableError   no usable answer now; carries the platform's own wish when to come back
LoginExpiredError       the token has ended, log in again

Source: `controller-bot.md` §1.3.
"""

import re
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from django.conf import settings

from invoker.platforms import reach
from invoker.platforms.contract import read_retry_after

VERSION = "1.3"
MAX_ANSWER_BYTES = 4 * 1024 * 1024
TIMEOUT_S = 10.0
KEYS = ("username", "appKey", "secret", "accessToken", "accessTokenSecret")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*(:(?P<port>[0-9]{1,5}))?"
)
_LAST_PORT = 65_535
_SAID = 200


class LoginRefusedError(Exception):
    pass


class LoginUnavailableError(Exception):
    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LoginExpiredError(Exception):
    pass


class Directory:
    """Which host serves what for one account, remembered for a while."""

    def __init__(self, account_id: str, *, fresh_s: float) -> None:
        self._account_id = account_id
        self._fresh_s = fresh_s
        self._known: dict[str, str] = {}
        self._read_at = float("-inf")

    def find(self, *services: str) -> list[str]:
        """The hosts of these services, with a port where one is named.

        Raises:
            LoginUnavailableError: the directory is away, or lacks one of them.
            LoginRefusedError: the directory knows no such account.
        """
        if time.monotonic() > self._read_at + self._fresh_s:
            self._known = self._read()
            self._read_at = time.monotonic()
        for service in services:
            if service not in self._known:
                raise LoginUnavailableError(
                    f'Cannot connect: account "{self._account_id}" has no service "{service}"'
                )
        return [self._known[service] for service in services]

    def _read(self) -> dict[str, str]:
        path = f"/api/account/{quote(self._account_id, safe='')}/service/baseURI.json?version=1.0"
        with _client(to_operators_own=True) as client:
            body = _ask(client, "GET", settings.LIVEPERSON_CSDS + path, None, "find the services")
        entries = body.get("baseURIs")
        return {
            entry["service"]: entry["baseURI"]
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict)
            and isinstance(entry.get("service"), str)
            and isinstance(entry.get("baseURI"), str)
            and _is_host(entry["baseURI"])
        }


class Session:
    """One login: who the bot is, the token in the socket's address, and the cookies to renew it."""

    def __init__(self, account_id: str, agent_login: str, directory: Directory) -> None:
        """Log in. Raises what `Directory.find` does, and both for the login itself."""
        login_host, self._socket_host = directory.find("agentVep", "asyncMessagingEnt")
        self._base = f"{_scheme()}://{login_host}/api/account/{quote(account_id, safe='')}"
        self._account = quote(account_id, safe="")
        self._client = _client()
        try:
            url = f"{self._base}/login?v={VERSION}"
            answer = _ask(self._client, "POST", url, _keys(agent_login), "log in")
            self._bearer = _text(answer, "bearer")
            self._csrf = _text(answer, "csrf")
            config = answer.get("config")
            config = config if isinstance(config, dict) else {}
            self.user_id = f"{account_id}.{_text(config, 'userId')}"
            self.user_pid = _text(config, "userPid")
        except BaseException:
            self.close()
            raise

    @property
    def own_ids(self) -> frozenset[str]:
        return frozenset({self.user_id, self.user_pid})

    @property
    def socket_url(self) -> str:
        """With the token in it: never to be logged."""
        scheme = "wss" if _scheme() == "https" else "ws"
        bearer = quote(self._bearer, safe="")
        path = f"/ws_api/account/{self._account}/messaging/brand/{bearer}?v=2.1"
        return f"{scheme}://{self._socket_host}{path}"

    def refresh(self) -> None:
        """Keep the token alive.

        Raises:
            LoginExpiredError: it is not any more.
            LoginUnavailableError: no usable answer now.
        """
        url = f"{self._base}/refresh?v={VERSION}"
        try:
            _ask(self._client, "POST", url, {"csrf": self._csrf}, "stay logged in")
        except LoginRefusedError as error:
            raise LoginExpiredError(str(error)) from error

    def close(self) -> None:
        self._client.close()


def _keys(agent_login: str) -> dict[str, str]:
    try:
        keys = msgspec.json.decode(agent_login, type=dict[str, str])
        return {name: keys[name] for name in KEYS}
    except (msgspec.DecodeError, KeyError) as error:
        raise LoginRefusedError(
            f"Cannot log in: the connection's login needs {', '.join(KEYS)}"
        ) from error


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise LoginRefusedError(f'Cannot log in: the answer has no "{name}"')
    return value


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and int(found["port"] or 443) <= _LAST_PORT


def _scheme() -> str:
    return urlsplit(settings.LIVEPERSON_CSDS).scheme


def _client(*, to_operators_own: bool = False) -> httpx.Client:
    """To a host that the directory named; the directory itself is whoever runs Houston's choice."""
    context, limits = ssl.create_default_context(), httpx.Limits(max_connections=10)
    return httpx.Client(
        verify=context,
        transport=None if to_operators_own else reach.Transport(context, limits),
        timeout=TIMEOUT_S,
        follow_redirects=False,
        headers={"user-agent": "Houston", "accept-encoding": "identity"},
        trust_env=False,
    )


def _ask(
    client: httpx.Client, method: str, url: str, body: dict[str, str] | None, action: str
) -> dict[str, Any]:
    """The JSON object that comes back. `action` is for the message of an error."""
    try:
        with client.stream(method, url, json=body) as response:
            said = _read(response)
    except reach.NotPublicError as error:
        raise LoginUnavailableError(f'Cannot {action}: "{urlsplit(url).netloc}" {error}') from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        host = urlsplit(url).netloc
        raise LoginUnavailableError(
            f'Cannot {action}: "{host}" cannot be reached ({type(error).__name__})'
        ) from error
    status = response.status_code
    if httpx.codes.is_success(status):
        return _object(said, action)
    words = said[:_SAID].decode("utf-8", "replace").strip()
    message = f"Cannot {action}: the answer was {status}{': ' if words else ''}{words}"
    if httpx.codes.is_client_error(status) and status != httpx.codes.TOO_MANY_REQUESTS:
        raise LoginRefusedError(message)
    retry_after_s = read_retry_after(response.headers.get("retry-after"))
    raise LoginUnavailableError(message, retry_after_s=retry_after_s)


def _read(response: httpx.Response) -> bytes:
    """At most so much, in no more time: an answer that drips must not hold the connection."""
    ends_at = time.monotonic() + TIMEOUT_S
    said = b""
    for part in response.iter_raw():
        said += part
        if len(said) > MAX_ANSWER_BYTES or time.monotonic() > ends_at:
            raise httpx.ReadError("the answer does not end")
    return said


def _object(said: bytes, action: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(said or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LoginUnavailableError(f"Cannot {action}: the answer is not JSON") from error
    if not isinstance(found, dict):
        raise LoginUnavailableError(f"Cannot {action}: the answer is not a JSON object")
    if found.get("error"):
        raise LoginRefusedError(f"Cannot {action}: {str(found['error'])[:_SAID]}")
    return found
