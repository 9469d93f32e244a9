"""Whatever comes to a door is refused with a code and leaves nothing, or is taken and handled.

Then it is handled to its end, and everything that shows it can.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import cases, samples, spoiling
from tests.hostile.doors import Doors, hold, send, signed
from tests.houston.test_api_conforms import undone
from tests.invoker import senders, test_chatwoot

pytestmark = [pytest.mark.runtime, pytest.mark.django_db, pytest.mark.timeout(cases.TIMEOUT_S)]

GENERIC = samples.generic()
DOORS: dict[str, tuple[Callable[[Doors, bytes], HttpResponse], dict[str, Any]]] = {
    "generic, structured": (Doors.structured, GENERIC),
    "generic, batch": (Doors.batch, samples.batches()),
    "generic, binary": (Doors.binary, {"data": GENERIC["told in full"]["data"]}),
    "LivePerson": (Doors.webhook, samples.liveperson()),
    "Chatwoot, signed": (Doors.chat, samples.chatwoot()),
    "Chatwoot, by token": (Doors.by_token, samples.chatwoot()),
}


@pytest.mark.parametrize("door", DOORS)
def test_samples_are_taken_and_handled(doors: Doors, door: str) -> None:
    """As they are, so that what is wrong with them below is what was done to them."""
    through, told = DOORS[door]
    for name, document in told.items():
        with undone():
            body = json.dumps(document).encode()
            response = through(doors, body)
            assert response.status_code in {200, 202}, (name, response.content)
            hold(doors, door, response, body)


def wrong_fields() -> list[tuple[str, str, spoiling.Path, Any]]:
    """Every place of every sample once with a wrong value, then again with others."""
    chance = random.Random(cases.SEED)  # noqa: S311
    found = [
        (door, name, place)
        for door, (_, told) in DOORS.items()
        for name, document in told.items()
        for place in spoiling.places(document)
    ]
    chosen: list[tuple[str, str, spoiling.Path, Any]] = []
    while len(chosen) < cases.share(200):
        chance.shuffle(found)
        chosen += [(*each, chance.choice(spoiling.WRONG)) for each in found]
    return chosen[: cases.share(200)]


def test_any_field_may_be_wrong(doors: Doors) -> None:
    faults = []
    for door, name, place, value in wrong_fields():
        through, told = DOORS[door]
        body = spoiling.write(spoiling.put(told[name], place, value)).encode()
        with undone():
            try:
                hold(doors, door, through(doors, body), body)
            except Exception as error:  # noqa: BLE001
                faults.append(f"{door}, {name}, {place}: {value!r:.60}: {error!r:.500}")
    assert not faults, "\n".join(faults)


@cases.tried(70)
@given(st.data())
def test_documents_may_be_wrong_in_several_ways(doors: Doors, data: st.DataObject) -> None:
    door = data.draw(st.sampled_from(sorted(DOORS)))
    through, told = DOORS[door]
    _, text = data.draw(spoiling.documents(told))
    body = text.encode()
    with undone():
        hold(doors, door, through(doors, body), body)


@cases.tried(40)
@given(st.data())
def test_bodies_may_be_no_documents(doors: Doors, data: st.DataObject) -> None:
    door = data.draw(st.sampled_from(sorted(DOORS)))
    through, told = DOORS[door]
    _, body = data.draw(spoiling.bodies(told))
    with undone():
        hold(doors, door, through(doors, body), body)


WORDS = st.sampled_from(
    [
        "",
        " ",
        "a",
        "-1",
        "1e400",
        "9" * 400,
        "nan",
        "\xff\xfe",
        "v1,",
        "v1," + "A" * 44,
        "v1,AAAA v1,BBBB,CCCC v2",
        "sha1=",
        "sha256=\xe9",
        "x" * 70_000,
        "%00",
        "%ff",
        '"\\"',
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59+23:59",
        "application/cloudevents-batch+json",
        "application/cloudevents+json; charset=utf-16",
        "multipart/form-data; boundary=x",
        "gzip",
        "a, b",
        "\u2028",
    ]
) | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
HEADERS = (
    *(f"ce-{name}" for name in ("id", "source", "type", "specversion", "time", "subject", "x")),
    "content-type", "content-encoding", "webhook-id", "webhook-timestamp", "webhook-signature",
    "x-liveperson-account-id", "x-liveperson-client-id", "x-liveperson-signature",
    "x-chatwoot-signature", "x-chatwoot-timestamp", "x-chatwoot-delivery", "x-request-id",
    "transfer-encoding", "content-length", "cookie", "authorization", "x-forwarded-for",
)  # fmt: skip


@cases.tried(60)
@given(st.data())
def test_headers_methods_and_addresses_may_be_wrong(doors: Doors, data: st.DataObject) -> None:
    connection = data.draw(
        st.sampled_from((doors.generic, doors.liveperson, doors.chatwoot, doors.token))
    )
    body = json.dumps(GENERIC["told in full"]).encode()
    right = {
        **(signed(connection, body) if connection == doors.generic else {}),
        **senders.liveperson_headers(connection, body),
        **test_chatwoot.headers(body, secret=connection.signing_secret),
    }
    right = {name.lower(): value for name, value in right.items()}
    if data.draw(st.booleans()):
        # Signed for all that is said of the event in headers.
        right |= {f"ce-{name}": "1.0" for name in ("id", "source", "type", "specversion")}
    wrong = data.draw(st.dictionaries(st.sampled_from(HEADERS), WORDS, max_size=3))
    kind = wrong.pop("content-type", "application/json")
    path = data.draw(st.sampled_from(("", "", "/", "/%00", "/token", f"/{'x' * 3000}", "/\xe9")))
    method = data.draw(st.sampled_from(("POST", "POST", "POST", "GET", "PUT", "OPTIONS", "TRACE")))

    with undone():
        response = send(connection, body, kind, path=path, method=method, **right | wrong)
        hold(doors, f"headers, {connection.platform}", response, body)
