"""What the API says to whoever may not, or asks for what there is not."""

import pytest

from houston import auth
from houston.models import Scope
from tests import api, factories


@pytest.fixture
def machine(account):
    made = factories.ApiClientFactory(account=account, name="CI", scopes=[Scope.INVOCATION])
    return api.Api(account.pk, auth.client_token(made, made.scopes))


def test_refusal_names_who_lacks_which_privilege(machine):
    answers = [machine.post("/secrets", {}), machine.get("/schedules")]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert [answer.json()["message"] for answer in answers] == [
        "Cannot change secrets: API client CI lacks the privilege admin, "
        "ask an admin of the account",
        "Cannot read schedules: API client CI lacks the privilege admin or developer, "
        "ask an admin of the account",
    ]


def test_token_of_another_account_is_told_which_it_is_for(account, machine):
    other = factories.AccountFactory()

    response = api.Api(other.pk, machine.token).get("/functions")

    assert response.status_code == 404
    assert response.json()["message"] == (
        f'Cannot find the account "{other.pk}": this token is for "{account.pk}", '
        "use one of that account"
    )


def test_method_that_an_address_has_not_leads_to_those_that_it_has(machine):
    response = machine.put("/lambdas")

    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD, POST"
    assert (
        response.json()["message"]
        == "Cannot use this method here: take one of those that Allow names"
    )


def test_field_that_is_missing_is_named_in_our_own_tone(account):
    response = api.of_client(account).post("/schedules", {"cronExpression": "* * * * *"})

    assert response.status_code == 400
    assert response.json()["message"] == (
        'Cannot use the field "lambdaUUID": this field is required'
    )
