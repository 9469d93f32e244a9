"""The oracle of two tenants: B, with everything that A's things are called by, finds nothing.

Every address of the console and of the API is asked, with each method and with and without htmx,
below A's account and below B's own, by a member and by tokens of B who may do everything there.
A holds a row in each table, recognisable by a mark.
"""

import inspect
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, resolve, reverse

from houston.models import Role, User
from tests import api, factories
from tests.houston import tenant
from tests.houston.tenant import MARK, Tenant
from tests.houston.test_api_addresses import OPEN, SHAPE, addresses
from tests.houston.test_isolation import names

pytestmark = pytest.mark.django_db

# What is in every account, or in none: no row is named by it.
COMMON = {
    "slug": "urgent",
    "subtype": "AGENT_NON_RESPONSIVE",
    "number": 1,
    "token": "t",
    "session_id": 1,
    "identity_id": 1,
}
EVENT_ID = "controllerbot_messaging_new_conversation"
# Tables whose rows hold no words of people.
WORDLESS = {
    "ApiLogin", "AutomaticMessage", "Conversation", "EventClaim", "FunctionSkill", "Membership",
    "MetricBucket", "Retention", "ScheduleRun", "SkillHours",
}  # fmt: skip
METHODS = ("get", "put", "post", "patch", "delete", "options", "head")
# Not walked, and why.
LEFT_OUT = {
    "sign-out": "ends the session that asks",
    "account_logout": "ends the session that asks",
    "sessions-end": "ends the session that asks",
    "account_reset_password_from_key": "is opened by a link that was sent to one person",
    "account_confirm_email": "is opened by a link that was sent to one person",
}
REFUSED = {302, 401, 403, 404, 405, 409, 410, 411, 413, 415, 422}
TARGET = re.compile(r"""(?:HX-Target"\) == |htmx\.target == )"([\w-]+)\"""")


@pytest.fixture
def a(db: None) -> Tenant:
    return tenant.fill("tenanta")


@pytest.fixture
def b(db: None) -> User:
    """Somebody who may do everything in an account of their own that is ready."""
    account = factories.AccountFactory(id="tenantb", name="Bee")
    factories.ControllerBotFactory(account_id=account.pk)
    user = factories.UserFactory(username="bea")
    for role in Role:
        factories.MembershipFactory(user=user, account=account, role=role)
    return user


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return client


def console(account_id: str, ids: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Every address of the console: its name, itself, and whether it names something of A."""
    for name, arguments in names(get_resolver().url_patterns):
        if name in LEFT_OUT:
            continue
        missing = arguments - {"account_id"} - set(ids) - set(COMMON)
        # A new kind of id has to be given to the oracle.
        assert not missing, f"{name} takes {missing}: fill it in tests/houston/tenant.py"
        named = arguments & set(ids)
        values = {key: ids.get(key, COMMON.get(key)) for key in arguments - {"account_id"}}
        if "account_id" in arguments:
            values["account_id"] = account_id
        yield name, reverse(name, kwargs=values), bool(named)


def carried(ids: dict[str, Any]) -> dict[str, Any]:
    """A's ids under each name that a form or a query takes one by."""
    return {
        "function": ids["function_id"],
        "function_id": ids["function_id"],
        "connection": ids["connection_id"],
        "conversation": ids["pk"],
        "event": ids["event_id"],
        "events": ids["event_id"],
        "deployment": ids["deployment_id"],
        "against": ids["deployment_id"],
        "scenario": ids["scenario_id"],
        "letter": ids["letter_id"],
        "letters": ids["letter_id"],
        "payload": ids["payload_id"],
        "saved": ids["payload_id"],
        "invocation": ids["invocation_id"],
        "hours": ids["hours_id"],
        "test": ids["notification_id"],
        "after": ids["pk"],
        "before": ids["pk"],
        "trace": ids["event_id"],
        "line": ids["log_line_id"],
        "name": ids["name"],
    }


def found_mark(response: Any) -> bool:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return MARK.encode() in body or any(MARK in value for value in response.headers.values())


def targets(address: str) -> list[str]:
    """The pieces that the view of an address draws for htmx."""
    module = inspect.getmodule(inspect.unwrap(resolve(address).func))
    return TARGET.findall(inspect.getsource(module)) if module else []


def test_a_has_something_in_every_table_and_sees_it(a: Tenant) -> None:
    empty = {
        model.__name__ for model in tenant.tables() if not tenant.rows_of(model, a.account).exists()
    }
    unmarked = {
        model.__name__ for model in tenant.tables() if not tenant.holds_mark(model, a.account)
    }
    client = signed_in(a.member)
    shown = {
        name
        for name, address, _ in console(a.account.pk, a.ids)
        if f"/{a.account.pk}/" in address and found_mark(client.get(address))
    }

    assert empty == set()
    assert unmarked == WORDLESS
    # So that a walk that finds nothing has looked at what would have shown it.
    assert len(shown) > 60


def asked(ids: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str], bool, bool]]:
    """Method, address, headers, whether it is below A, and whether it names something of A."""
    seen = set()
    for account_id in ("tenanta", "tenantb"):
        for _, address, names_a in console(account_id, ids):
            if address in seen:
                continue
            seen.add(address)
            below_a = "/tenanta/" in address
            # What is below A is refused before any view has a look at the method; that the page
            # which says so is the same for every account is a test of its own.
            for method in ("get", "post") if below_a else METHODS:
                # As programs read errors, which is sooner done; pages are read by GET.
                page = method == "get" and not below_a
                plain = {} if page else {"Accept": "application/json"}
                yield method, address, plain, below_a, names_a
            htmx = {"HX-Request": "true", **({"Accept": "application/json"} if below_a else {})}
            for method in ("get",) if below_a else ("get", "post"):
                yield method, address, htmx, below_a, names_a
            for piece in () if below_a else targets(address):
                yield "get", address, {**htmx, "HX-Target": piece}, below_a, names_a


def test_no_address_of_the_console_tells_or_changes_anything_of_a(a: Tenant, b: User) -> None:
    before = tenant.digest(a.account)
    client, leaks, statuses, known = signed_in(b), [], Counter(), {}
    for method, address, headers, below_a, names_a in asked(a.ids):
        if method.upper() not in known.get(address, method.upper()):
            # The address has said which methods it takes; this one gets what the last one got.
            continue
        data = carried(a.ids) if method in {"get", "post"} else None
        response = getattr(client, method)(address, data, headers=headers)
        status = response.status_code
        statuses[status] += 1
        if status == 405:
            known[address] = response.headers["Allow"]
        # Below B: a page or form of B's own, or a refusal that is the same for every id.
        fits = status == 404 if below_a else not names_a or status in REFUSED
        if found_mark(response) or not fits:
            leaks.append((method, address, headers, status))

    assert leaks == [], leaks
    assert statuses[404] > 500
    assert tenant.digest(a.account) == before
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize("who", ["client", "person"])
def test_no_address_of_the_api_tells_or_changes_anything_of_a(a: Tenant, b: User, who: str) -> None:
    before = tenant.digest(a.account)
    account = b.memberships.first().account
    caller = api.of_client(account) if who == "client" else api.of_person(account, b)
    ids = {**a.ids, "event_id": EVENT_ID}
    leaks = []
    for name, arguments, view in addresses():
        if name in OPEN:
            continue
        missing = arguments - {"account_id"} - set(ids) - set(COMMON)
        assert not missing, f"{name} takes {missing}: fill it in tests/houston/tenant.py"
        for account_id in (a.account.pk, account.pk):
            values = {key: ids.get(key, COMMON.get(key)) for key in arguments - {"account_id"}}
            address = reverse(name, kwargs={**values, "account_id": account_id})
            for method in (each for each in METHODS if hasattr(view.cls, each)):
                response = _ask(method.upper(), address, caller.token, carried(a.ids))
                status = response.status_code
                if account_id == a.account.pk:
                    fits = status == 404
                else:
                    names_a = arguments & set(a.ids) - {"event_id"}
                    fits = not names_a or status == (405 if method == "options" else 404)
                if found_mark(response) or not fits:
                    leaks.append((method, address, status))
                if status == 404:
                    assert set(response.json()) == SHAPE

    assert leaks == [], leaks
    assert tenant.digest(a.account) == before


def test_secret_of_b_opens_no_door_of_a(a: Tenant, b: User) -> None:
    before = tenant.digest(a.account)
    mine = factories.ConnectionFactory(account_id="tenantb")

    answers = [
        Client().post(
            reverse("events", args=[a.ids["connection_id"]]),
            data=b"{}",
            content_type="application/cloudevents+json",
            headers={
                "webhook-id": uuid.uuid4().hex,
                "webhook-timestamp": "1",
                "webhook-signature": "v1,AAAA",
                "x-secret": mine.signing_secret,
            },
        )
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert not any(map(found_mark, answers))
    assert tenant.digest(a.account) == before


def _ask(method: str, address: str, token: str, body: dict[str, Any]) -> Any:
    return Client().generic(
        method,
        address,
        b"{}" if method != "GET" else b"",
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
        query_params={key: str(value) for key, value in body.items()} if method == "GET" else None,
    )
