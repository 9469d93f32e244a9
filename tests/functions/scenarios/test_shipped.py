"""The shipped scenarios: one for each core event, and one through all of them."""

import pytest

from functions import scenarios
from functions.scenarios import Cast, Shipped
from invoker import events
from tests import factories

SHIPPED = scenarios.shipped()
CORE = [each.id for each in events.EVENT_TYPES.values() if each.core]
NOBODY = Cast("", ())


def test_there_is_one_for_each_core_event_and_one_for_all():
    brought = [list(each.document.functions) for each in SHIPPED]

    assert brought == [*([event] for event in CORE), CORE]


@pytest.mark.parametrize("one", SHIPPED, ids=lambda each: each.slug)
def test_file_is_written_as_houston_writes_it(one: Shipped):
    assert scenarios.write(one.document) == one.text


@pytest.mark.parametrize("one", SHIPPED, ids=lambda each: each.slug)
def test_every_event_that_it_brings_a_function_for_is_seen(one: Shipped):
    expected = {each.event for step in one.document.steps for each in step.expect or ()}

    assert [
        event
        for event in one.document.functions
        if not expected & set(events.EVENT_TYPES[event].subtypes)
    ] == []


@pytest.mark.runtime
@pytest.mark.django_db
@pytest.mark.parametrize("account_id", ["", factories.ACCOUNT_ID], ids=["without account", "with"])
@pytest.mark.parametrize("one", SHIPPED, ids=lambda each: each.slug)
def test_it_passes(one: Shipped, account_id: str, account):
    outcome = scenarios.run(account_id, one.document, NOBODY)

    assert [str(line) for step in outcome.steps for line in step.difference] == []
    assert outcome.passed
