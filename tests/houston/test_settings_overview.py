"""The first page of settings says in a line how each of them stands."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone

from houston import invitations
from houston.models import Invitation, Role
from invoker import allow_list
from invoker.automatic_messages import changes
from invoker.hours import changes as hours
from invoker.models import ControllerBot, OfficeHours
from tests import factories


def told(client):
    response = client.get(reverse("settings", args=["acme1"]))
    return {line.label: line.state.text for line in response.context["lines"]}


def test_overview_of_an_account_with_little(admin_client, account):
    assert told(admin_client) == {
        "Connections": "None, so no event can come in",
        "Allow-list": "No domain: functions reach nothing outside",
        "Secrets": "No secret",
        "Automatic messages": "16 of 23 go out",
        "Office hours": "None, so the account is always open",
        "Idle times": "Agent 10 minutes, consumer 30 minutes, queue 5 minutes",
        "Controller bot": "Set up by kim, never tries a failed function again",
        "API clients": "No API client",
        "Members": "1 member, 1 admin",
        "Alerts": "No alert: nobody is told when something goes wrong",
        "Retention": "Events 90 days, logs 90 days, bodies 30 days",
        "Audit log": "No change yet",
    }


def test_overview_of_an_account_with_much(admin_client, account, developer):
    factories.ConnectionFactory(name="Generic")
    factories.ConnectionFactory(name="Chat", active=False)
    allow_list.create_defaults(account.pk)
    factories.AllowedDomainFactory()
    for number in range(6):
        factories.SecretFactory(key=f"key-{number}")
    hours.create_defaults(account.pk)
    invitations.invite(account, email="priya@example.com", roles={Role.ADMIN}, by="ada")
    late = invitations.invite(account, email="lee@example.com", roles={Role.ADMIN}, by="ada")
    Invitation.objects.filter(pk=late.invitation.pk).update(expires_at=timezone.now())
    changes.add_skill(
        account.pk, "CONSUMER_OPEN_NEW_CONVERSATION", skill_id="1", language="de", text="Hallo",
        by="ada",
    )  # fmt: skip
    changes.save_timer(
        account.pk, "AGENT_NON_RESPONSIVE", skill_id="", timer_s=0, repeats=1, by="ada"
    )
    ControllerBot.objects.update(function_retries=2)
    factories.ApiClientFactory(account=account, last_used_at=timezone.now())
    factories.ApiClientFactory(account=account)
    factories.ApiClientFactory(account=account, revoked_at=timezone.now())
    factories.AlertFactory(state="firing")
    factories.AlertFactory()

    found = told(admin_client)

    assert found.pop("Audit log").startswith("ada changed the idle time “The agent")
    assert found == {
        "Connections": "Chat, Generic; 1 switched off",
        "Allow-list": "15 allowed domains, 1 added here",
        "Secrets": "key-0, key-1, key-2, key-3 and 2 more",
        "Automatic messages": "16 of 23 go out, 1 skill with texts of their own",
        "Office hours": "Always open",
        "Idle times": "Agent never, consumer 30 minutes, queue 5 minutes",
        "Controller bot": "Set up by kim, tries a failed function 2 times again",
        "API clients": "2 API clients, last used just now",
        "Members": "2 members, 1 admin, 1 invited",
        "Alerts": "2 alerts, 1 firing",
        "Retention": "Events 90 days, logs 90 days, bodies 30 days",
    }


def test_overview_says_until_when_the_office_is_closed(admin_client, account):
    hours.create_defaults(account.pk)
    until = timezone.now().replace(microsecond=0, second=0) + dt.timedelta(days=1)
    hours.switch_off(OfficeHours.objects.get(), until, by="ada")

    assert told(admin_client)["Office hours"] == f"Closed until {until:%a %Y-%m-%d %H:%M} UTC"


def test_overview_for_a_developer_leads_to_no_page_they_may_not_open(developer_client, account):
    response = developer_client.get(reverse("settings", args=[account.pk]))

    addresses = [line.url for line in response.context["lines"]]
    assert "Members" not in [line.label for line in response.context["lines"]]
    assert {developer_client.get(each).status_code for each in addresses} == {200}


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(admin_client, account, count, django_assert_num_queries):
    for _ in range(count):
        factories.ConnectionFactory()
        factories.SecretFactory()
        factories.AllowedDomainFactory()
        factories.AuditEntryFactory()
        factories.AlertFactory()
        factories.MembershipFactory(account=account)
        factories.ApiClientFactory(account=account)

    # Session, user, membership, thirteen lines, invitations, set-up, accounts to
    # switch to.
    with django_assert_num_queries(19):
        admin_client.get(reverse("settings", args=[account.pk]))
