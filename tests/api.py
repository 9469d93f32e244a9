"""Calling the API as its clients do: a token, JSON, and nothing of a browser.

Every answer has to be as the OpenAPI document says.
"""

from typing import Any

import msgspec
from django.http import HttpResponse
from django.test import Client

from houston import auth
from houston.models import Account, ApiClient, Scope
from tests import conforming, factories


class Api:
    """Calls below one account's base address with one token, "" for none."""

    def __init__(self, account_id: str, token: str) -> None:
        self.account_id = account_id
        self.token = token
        self._client = Client(raise_request_exception=True)

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.send("GET", path, query=query)

    def post(self, path: str, body: Any = None, **query: Any) -> HttpResponse:
        return self.send("POST", path, body=body, query=query)

    def put(self, path: str, body: Any = None, **query: Any) -> HttpResponse:
        return self.send("PUT", path, body=body, query=query)

    def patch(self, path: str, body: Any = None, **query: Any) -> HttpResponse:
        return self.send("PATCH", path, body=body, query=query)

    def delete(self, path: str, **query: Any) -> HttpResponse:
        return self.send("DELETE", path, query=query)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        """`path` is what follows the account, such as "/functions"; a list in `query` repeats."""
        sent = dict(headers or {})
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        address = f"/api/account/{self.account_id}{path}"
        response = self._client.generic(
            method,
            address,
            data=_encode(body),
            content_type="application/json",
            headers=sent,
            query_params=query,
        )
        conforming.check(method, address.partition("?")[0], response)
        return response


def _encode(body: Any) -> Any:
    if body is None or isinstance(body, bytes | str):
        return body or b""
    return msgspec.json.encode(body)


def of_client(account: Account, *scopes: Scope) -> Api:
    """The API for a machine with these scopes, all of them when none is named."""
    client: ApiClient = factories.ApiClientFactory(account=account, scopes=list(scopes or Scope))
    return Api(account.pk, auth.client_token(client, client.scopes))


def of_person(account: Account, user: Any) -> Api:
    """The API for a person who signed in by the command line."""
    return Api(account.pk, auth.login_token(auth.log_in(user, account)))
