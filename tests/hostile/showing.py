"""Everything that shows what came in: every page, fragment, file and answer of the API."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from invoker.models import Conversation, DeadLetter, Event, Invocation, Notification
from tests.api import Api
from tests.hostile.spoiling import MARKUP


def of_rows(account_id: str) -> Iterator[str]:
    """The address of everything that shows one row."""
    for pk in Conversation.objects.values_list("pk", flat=True):
        yield _page(account_id, "functions:conversation", pk=pk)
    for pk in Event.objects.values_list("pk", flat=True):
        yield _page(account_id, "functions:trace", event_id=pk)
    for pk in DeadLetter.objects.values_list("pk", flat=True):
        yield _page(account_id, "functions:dead-letter", letter_id=pk)
    for pk in Notification.objects.values_list("connection_id", flat=True).distinct():
        yield _page(account_id, "connection-notifications", connection_id=pk)


def of_lists(account_id: str) -> Iterator[str]:
    """The address of everything that shows many."""
    for name in ("conversations", "activity", "logs", "dead-letters", "metrics", "list"):
        yield _page(account_id, f"functions:{name}")
    yield _page(account_id, "account")
    yield _page(account_id, "functions:logs-export")
    for conv_id in Conversation.objects.values_list("conv_id", flat=True)[:3]:
        for name in ("functions:conversations", "functions:activity", "account-search"):
            yield _page(account_id, name) + "?" + urlencode({"q": conv_id})


def _page(account_id: str, name: str, **arguments: Any) -> str:
    return reverse(name, kwargs={"account_id": account_id, **arguments})


def everything(console: Client, api: Api, *, lists: bool) -> None:
    """Open it all. Fails where something does not answer, or shows what was sent as markup."""
    for address in of_rows(api.account_id):
        check(console.get(address), address)
    if not lists:
        return
    for address in of_lists(api.account_id):
        check(console.get(address), address)
    for path, query in _asked():
        response = api.get(path, **query)
        assert response.status_code == 200, (path, response.content[:500])


def _asked() -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and query of what the API tells."""
    yield "/dead-letters", {}
    for pk in DeadLetter.objects.values_list("pk", flat=True):
        yield f"/dead-letters/{pk}", {}
    now = int(time.time() * 1000)
    window = {"startTimestamp": now - 3_600_000, "endTimestamp": now}
    for pk in Invocation.objects.values_list("function_id", flat=True).distinct()[:2]:
        yield "/logs/export", {"lambdaUUID": str(pk), **window}
        yield f"/functions/{pk}/logs/export", window


def check(response: HttpResponse, address: str) -> None:
    """It is there, it is whole, and nothing that came from outside is markup in it."""
    assert response.status_code == 200, (address, response.status_code)
    shown = b"".join(response) if response.streaming else response.content
    kind = response["Content-Type"].partition(";")[0]
    if kind == "application/zip":
        assert zipfile.ZipFile(io.BytesIO(shown)).testzip() is None, address
        return
    text = shown.decode()
    if kind == "application/json":
        json.loads(text)
    if kind == "text/html":
        assert MARKUP not in text, address
        assert "\0" not in text, address
