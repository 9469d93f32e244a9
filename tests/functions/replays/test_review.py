"""The review of a deployment has a replay in it, and says when there is nothing to deploy."""

import pytest
from django.urls import reverse

from functions import deploying
from tests import factories
from tests.functions.replays.happened import EVENT, SAYS, live_and_draft


@pytest.fixture
def function(account):
    return live_and_draft(SAYS.format("hello to you"), SAYS.format("good day to you"))


@pytest.mark.runtime
def test_review_compares_with_what_is_deployed(function, developer_client):
    page = developer_client.get(reverse("functions:deploy", args=[function.account_id, "greet"]))

    shown = page.content.decode()
    assert '<input type="hidden" name="beside" value="deployed">' in shown
    assert '<option value="1000">1,000</option>' in shown


@pytest.mark.runtime
def test_review_says_when_nothing_changed(account, developer_client):
    factories.deployed(name="greet", event_type=EVENT)

    page = developer_client.get(reverse("functions:deploy", args=[account.pk, "greet"]))

    assert "Nothing changed" in page.content.decode()


@pytest.mark.runtime
def test_review_says_when_somebody_deploys(function, developer_client):
    deploying._begin(function, 2)
    address = reverse("functions:deploy", args=[function.account_id, "greet"])

    review = developer_client.get(address).content.decode()
    second = developer_client.post(address, {"version": "2", "note": ""})

    assert "This function is being deployed" in review
    assert second.status_code == 409
    function.refresh_from_db()
    assert function.deployment.version == 1
