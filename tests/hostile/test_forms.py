"""Whatever is posted to a form, and whatever stands in an address: an answer, never a failure."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils.http import urlencode
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import ACCOUNT_ID
from tests.hostile import cases, showing
from tests.hostile.spoiling import MARKUP
from tests.houston import test_audited
from tests.houston.test_api_conforms import undone
from tests.houston.test_audited import CHANGES, EXCEPTIONS
from tests.houston.test_isolation import VALUES, names

pytestmark = [pytest.mark.runtime, pytest.mark.django_db, pytest.mark.timeout(cases.TIMEOUT_S)]

everybody = test_audited.everybody
things = test_audited.things

REFUSED = {400, 403, 404, 405, 409, 410, 413, 422, 429}
TEXTS = st.sampled_from(
    (
        "", " ", "\0", "a\0b", "\ud800", "\ufeff", "\u202e", "x" * 300, "x" * 20_000, MARKUP,
        "0", "-1", "1.5", "1e400", "nan", "9" * 30, "9" * 5000, str(2**31), str(2**63), "\u0661",
        "true", "on", "null", "[]", "{}", "[" * 3000, '{"a": NaN}', '{"a": 1e400}', '"\\ud800"',
        "{" + '"a":[' * 500, "0001-01-01T00:00", "9999-12-31T23:59", "2026-13-45", "24:00", "25:61",
        "* * * * *", "*/0 * * * *", "Europe/Nowhere", "../../etc/passwd", "://", "http://[::1",
        "https://a.example:99999/", "\r\nX-Injected: yes", "acme1", "developer", "\U0001f600", "%s",
        "&amp;", "*a", "a: &b [*b, *b]", "!!python/object:os.system x", "- " * 2000, "\x1b[31m",
    )
) | st.text(max_size=20)  # fmt: skip
FILES = st.sampled_from((b"", b"\0" * 100, b"PK\x03\x04" + b"\0" * 40, b"\xff\xfe", b"x" * 5_000))


def hold(where: str, console: Client, response: HttpResponse) -> None:
    """It was answered, and where it was taken all pages can show it."""
    cases.count(where, "tried")
    status = response.status_code
    if status in REFUSED:
        assert response.content or status == 405, (where, status)
        cases.count(where, "refused")
        return
    assert status in {200, 204, 286, 302, 304}, (where, status)
    if status == 302:
        assert re.fullmatch(r"[!-~]+", response["Location"]), response["Location"]
        if cases.IS_LONG or len(response["Location"]) % 3 == 0:
            _follow(console, response["Location"])
    elif status == 200:
        showing.check(response, where)
    cases.count(where, "accepted")


def _follow(console: Client, address: str) -> None:
    if address.startswith("/"):
        response = console.get(address)
        assert response.status_code in {200, 302, 404, 422}, (address, response.status_code)
        if response.status_code == 200:
            showing.check(response, address)
    audit = "/a/acme1/settings/audit-log/"
    showing.check(console.get(audit), audit)


# Forms --------------------------------------------------------------------------------------------

MORE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "functions:conversation-start": ({}, {"text": "Hello", "name": "Ann", "skill": "42"}),
    "functions:conversation-act": ({"pk": 1}, {"act": "consumer_writes", "text": "Hello"}),
    "functions:new-check": ({}, {"event": "", "template": "", "name": "x", "description": "y"}),
    "functions:check": ({"name": "greet"}, {"code": "function lambda() {}", "version": "1"}),
    "functions:payload": ({"name": "greet"}, {"payload": "{}", "kind": "sample", "event": ""}),
    "functions:test": ({"name": "greet"}, {"payload": "{}", "code": "function lambda() {}"}),
    "functions:replays": ({}, {"function": "greet", "last": "3", "against": "1"}),
    "functions:scenario-from-conversation": ({"pk": 1}, {"text": "x", "name": "y"}),
    "functions:scenario-run": ({"scenario_id": "scenario"}, {"cast": ""}),
    "functions:scenarios-run": ({}, {"cast": "", "q": ""}),
    "functions:scenario-shipped-run": ({"slug": "urgent"}, {}),
    "automatic-message-preview": (
        {},
        {"text-en-US": "Hi {agentNickname}", "language": "en-US"},
    ),
    "setup-controller-bot": ({}, {"platform": "generic", "name": "x", "callback_url": ""}),
}
"""What the forms of `EXCEPTIONS` are sent."""
IN_THREADS = {"functions:test", "functions:try-it", "functions:deploy", "functions:replays"}
"""They work in threads of their own, which find nothing of what the transaction of a case holds."""
OTHERS = (set(CHANGES) | set(EXCEPTIONS)) - IN_THREADS


def forms() -> dict[str, tuple[dict[str, Any] | None, dict[str, Any]]]:
    found = {name: (arguments, values) for name, (arguments, values, _) in CHANGES.items()}
    return found | {name: MORE.get(name, ({}, {})) for name in EXCEPTIONS}


@st.composite
def posted(draw: st.DrawFn, some: set[str]) -> tuple[str, dict[str, Any]]:
    """The name of one of these forms, and its fields with something wrong."""
    name = draw(st.sampled_from(sorted(some)))
    values = dict(forms()[name][1])
    fields = sorted(values) or ["text"]
    for _ in range(draw(st.integers(1, 3))):
        field = draw(st.sampled_from(fields))
        match draw(
            st.sampled_from(("wrong", "wrong", "wrong", "missing", "often", "more", "file"))
        ):
            case "wrong":
                values[field] = draw(TEXTS)
            case "missing":
                values.pop(field, None)
            case "often":
                values[field] = draw(st.lists(TEXTS, max_size=4))
            case "more":
                values[draw(TEXTS)] = draw(TEXTS)
            case "file":
                content = draw(FILES)
                values[field] = SimpleUploadedFile("a\u202e.zip", content, "application/zip")
    return name, values


def encoded(values: dict[str, Any]) -> dict[str, Any]:
    """What a browser could send: it has no way to write half a character."""
    return {_text(name): _sent(value) for name, value in values.items()}


def _sent(value: Any) -> Any:
    if isinstance(value, list):
        return [_sent(each) for each in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace('"', "'").replace("\r\n", " ")


def post(
    console: Client, things: dict[str, Any], name: str, values: dict[str, Any], *, htmx: bool
) -> HttpResponse:
    arguments = forms()[name][0]
    found = {key: things.get(value, value) for key, value in (arguments or {}).items()}
    query = found.pop("?", "")
    takes = dict(names(get_resolver().url_patterns))[name]
    found = {**{key: VALUES[key] for key in takes if key in VALUES}, **found}
    if arguments is not None or "account_id" in takes:
        found["account_id"] = ACCOUNT_ID
    return console.post(
        f"{reverse(name, kwargs=found)}?{query}",
        encoded(values),
        headers={"HX-Request": "true"} if htmx else {},
    )


@cases.tried(70)
@given(posted(OTHERS), st.booleans())
def test_forms_may_be_filled_in_with_anything(
    everybody: Client, things: dict[str, Any], form: Any, htmx: bool
) -> None:
    with undone():
        response = post(everybody, things, *form, htmx=htmx)
        hold("forms of the console", everybody, response)


@pytest.mark.django_db(transaction=True)
@cases.tried(15)
@given(posted(IN_THREADS), st.booleans())
def test_forms_that_run_functions_may_be_filled_in_with_anything(
    everybody: Client, things: dict[str, Any], form: Any, htmx: bool
) -> None:
    response = post(everybody, things, *form, htmx=htmx)
    hold("forms that run functions", everybody, response)


# Addresses ----------------------------------------------------------------------------------------

PARAMETERS = (
    "q", "before", "after", "seen", "window", "from", "to", "since", "until", "function", "event",
    "level", "flat", "skill", "state", "which", "platform", "kind", "language", "format", "shape",
    "conversation", "event_id", "name", "like", "back", "v", "mine", "run", "test", "active",
    "page", "next", "command", "who", "action", "subject", "verdict", "reason", "against", "last",
    "cast", "template", "range", "text", "draft", "version", "open", "days", "cron_expression",
    "time_zone",
)  # fmt: skip


@st.composite
def addresses(draw: st.DrawFn) -> str:
    found = dict(names(get_resolver().url_patterns))
    # Whose 503 is what it is for.
    name = draw(st.sampled_from(sorted(set(found) - {"readyz"})))
    values: dict[str, Any] = {}
    for key in sorted(found[name]):
        right = "acme1" if key == "account_id" else VALUES.get(key, "x")
        wrong = st.sampled_from(
            (0, 2**31, 2**63, 10**40, "x" * 500, "-", "new", "\u00e9", "\0", "a b")
        )
        values[key] = draw(st.just(right) | st.just(right) | wrong)
    try:
        path = reverse(name, kwargs=values)
    except NoReverseMatch:
        path = f"/a/acme1/{'/'.join(str(each) for each in values.values())}/"
    query = draw(st.lists(st.tuples(st.sampled_from(PARAMETERS), TEXTS), max_size=4))
    junk = draw(st.sampled_from(("", "", "", "&%ff=%fe", "&=&&", "&a[]=1")))
    return f"{path}?{urlencode([(key, _text(value)) for key, value in query])}{junk}"


@cases.tried(70)
@given(
    addresses(),
    st.sampled_from(({}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-Target": "\xe9"})),
)
def test_addresses_may_hold_anything(
    everybody: Client, things: dict[str, Any], address: str, headers: dict[str, str]
) -> None:
    with undone():
        hold("addresses of the console", everybody, everybody.get(address, headers=headers))
