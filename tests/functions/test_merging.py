"""Two people save at once: what each left alone is merged, the rest they choose."""

import html
from typing import Any

import pytest
from django.urls import reverse

from functions import services
from functions.views.comparing import merge_text, merge_variables
from tests import factories


def url(name: str, *args: object) -> str:
    return reverse(f"functions:{name}", args=[factories.ACCOUNT_ID, *args])


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


@pytest.fixture
def greet(account):
    return factories.FunctionFactory(name="greet")


def test_what_one_side_left_alone_is_taken_from_the_other():
    base = {"A": "1", "B": "1", "C": "1", "D": "1"}
    theirs = {"A": "2", "B": "1", "D": "2", "E": "new"}
    mine = {"A": "1", "B": "3", "C": "1", "D": "4", "F": "mine"}

    assert merge_variables(base, theirs, mine) == {
        "A": "2",
        "B": "3",
        "D": "4",
        "E": "new",
        "F": "mine",
    }
    assert merge_text("a", "b", "a") == "b"
    assert merge_text("a", "b", "c") == "c"


def test_conflict_offers_theirs_and_mine_and_a_merge_to_edit(developer_client, greet):
    services.save_draft(
        greet, version=1, code="// theirs", description="theirs", environment={"T": "1"}, by="kim"
    )
    mine = {
        "version": 1,
        "code": "// mine",
        "description": "Says hello",
        "variable_name": ["M"],
        "variable_value": ["1"],
    }

    page = developer_client.post(url("save", "greet"), mine)
    merged = {**mine, "version": 2, "code": "// theirs\n// mine", "variable_name": ["M", "T"]}
    saved = developer_client.post(url("save", "greet"), {**merged, "variable_value": ["1", "1"]})

    assert page.status_code == 409
    assert 'name="code" spellcheck="false"' in text(page)
    assert ">\ntheirs</textarea>" in text(page) or ">theirs</textarea>" in text(page)
    assert 'value="M"' in text(page)
    assert 'value="T"' in text(page)
    assert saved.status_code == 302
    greet.refresh_from_db()
    assert (greet.version, greet.code) == (3, "// theirs\n// mine")
    assert greet.environment == {"M": "1", "T": "1"}
