"""Whoever changes something in an account leaves exactly one entry in the audit log.

The addresses come from the URL conf: a new one that takes POST has to be told here what it does,
or why it leaves no entry.
"""

import datetime as dt
import json
import uuid

import pytest
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from functions import exchange, payloads
from houston.models import Role
from invoker.automatic_messages import changes
from invoker.hours import changes as hours
from invoker.models import (
    AuditEntry,
    AutomaticMessage,
    ControllerBot,
    LetterState,
    OfficeHours,
)
from tests import factories
from tests.houston.test_isolation import VALUES, names

WELCOME = "CONSUMER_OPEN_NEW_CONVERSATION"
IDLE = "AGENT_NON_RESPONSIVE"
CONNECTION = uuid.UUID(int=70)
GENERIC = {"platform": "generic", "name": "Second", "callback_url": ""}
OPEN_MONDAY = json.dumps(
    [
        {
            "name": "Main",
            "events": [
                {
                    "start": {"dateTime": "2024-01-01T09:00:00", "timeZone": "UTC"},
                    "end": {"dateTime": "2024-01-01T17:00:00", "timeZone": "UTC"},
                    "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO"],
                }
            ],
        }
    ]
)
RUN_AT = "2026-06-01T12:00:00+00:00"
SWITCHED_OFF = json.dumps([{"messageEventId": WELCOME, "enabled": False, "data": []}])
BROUGHT = exchange.Folder(
    path="brought", name="brought", description="Says", code="function lambda(i, cb) { cb(null) }"
)
CARRIED = exchange.to_form(
    [exchange.Finding(path="brought", standing=exchange.Standing.NEW, folder=BROUGHT)]
)

# What is posted where: the arguments beside the account, the values, and the action it is.
CHANGES = {
    "connection-new": ({}, GENERIC, "connection.created"),
    "connection": (
        {"connection_id": CONNECTION},
        {"name": "Renamed", "callback_url": "", "message_delivery": "at_most_once"},
        "connection.edited",
    ),
    "connection-switch": (
        {"connection_id": CONNECTION},
        {"active": "no"},
        "connection.switched-off",
    ),
    "connection-rotate-signing": (
        {"connection_id": CONNECTION},
        {},
        "connection.signing-secret-rotated",
    ),
    "connection-rotate-callback": (
        {"connection_id": CONNECTION},
        {},
        "connection.callback-secret-rotated",
    ),
    "connection-end-signing": (
        {"connection_id": CONNECTION},
        {},
        "connection.signing-secret-ended",
    ),
    "connection-end-callback": (
        {"connection_id": CONNECTION},
        {},
        "connection.callback-secret-ended",
    ),
    "member-add": ({}, {"username": "nina", "roles": ["developer"]}, "member.added"),
    "invitation-add": (
        {},
        {"email": "new@example.com", "roles": ["developer"]},
        "invitation.sent",
    ),
    "invitation-renew": ({"invitation_id": "invitation"}, {}, "invitation.renewed"),
    "invitation-revoke": ({"invitation_id": "invitation"}, {}, "invitation.revoked"),
    "setup-admin": ({}, {"email": "boss@example.com"}, "invitation.sent"),
    "member-roles": (
        {"user_id": "member"},
        {"roles": ["admin", "developer"]},
        "member.roles-changed",
    ),
    "member-remove": ({"user_id": "member"}, {}, "member.removed"),
    "domain-add": ({}, {"domain": "api.example.com"}, "domain.added"),
    "domain-delete": ({"domain_id": "domain"}, {}, "domain.deleted"),
    "secret-add": ({}, {"key": "new", "type": "string", "value": "x"}, "secret.added"),
    "secret-replace": (
        {"secret_id": "secret"},
        {"type": "string", "value": "x"},
        "secret.replaced",
    ),
    "secret-delete": ({"secret_id": "secret"}, {}, "secret.deleted"),
    "hours-new": ({}, {"name": "Night", "time_zone": "UTC"}, "hours.created"),
    "hours-import": (
        {},
        {"kind": "workdays", "document": OPEN_MONDAY, "decided": "yes"},
        "hours.imported",
    ),
    "hours-profile": (
        {"hours_id": "hours"},
        {"name": "Day", "description": "", "time_zone": "UTC", "skills": "", "is_default": "on"},
        "hours.edited",
    ),
    "hours-week": (
        {"hours_id": "hours"},
        {"day": ["0"], "start": ["09:00"], "end": ["17:00"]},
        "hours.week-changed",
    ),
    "hours-off": ({"hours_id": "hours"}, {"until": "2999-01-01T00:00"}, "hours.switched-off"),
    "hours-on": ({"hours_id": "closed hours"}, {}, "hours.switched-on"),
    "hours-delete": ({"hours_id": "hours"}, {}, "hours.deleted"),
    "occasion-add": (
        {"hours_id": "hours"},
        {
            "name": "Feast",
            "start": "2030-01-01T00:00",
            "end": "2030-01-02T00:00",
            "working": "no",
        },
        "hours.occasion-added",
    ),
    "occasion-delete": (
        {"hours_id": "closed hours", "number": 0},
        {},
        "hours.occasion-deleted",
    ),
    "automatic-messages-import": (
        {},
        {"document": SWITCHED_OFF, "decided": "yes"},
        "message.imported",
    ),
    "automatic-message-save": (
        {"message_id": "welcome"},
        {"text-en-US": "Hi", "text-de": "Hallo", "default": "en-US"},
        "message.saved",
    ),
    "automatic-message-switch": (
        {"message_id": "welcome"},
        {"enabled": "no"},
        "message.switched",
    ),
    "automatic-text-add": (
        {"message_id": "welcome"},
        {"language": "fr", "text": "Salut"},
        "message.text-added",
    ),
    "automatic-text-delete": (
        {"message_id": "welcome", "?": "language=de"},
        {},
        "message.text-deleted",
    ),
    "automatic-message-delete": ({"message_id": "skill"}, {}, "message.deleted"),
    "automatic-message-skill": (
        {"subtype": WELCOME},
        {"skill": "care", "language": "en-US", "text": "Hi"},
        "message.added",
    ),
    "automatic-message-reset": ({"subtype": WELCOME}, {}, "message.reset"),
    "idle-time-skill": (
        {},
        {
            "subtype": IDLE,
            "skill": "care",
            "happens": "on",
            "count": "5",
            "unit": "minutes",
            "repeats": "1",
        },
        "idle-time.saved",
    ),
    "idle-time-delete": ({"message_id": "idle skill"}, {}, "idle-time.saved"),
    "idle-time-save": (
        {"subtype": IDLE},
        {"happens": "on", "count": "5", "unit": "minutes", "repeats": "1"},
        "idle-time.saved",
    ),
    "controller-bot": (
        {},
        {"platform_retries": "2", "function_retries": "1", "agent_nickname": "Kim"},
        "bot.saved",
    ),
    "retention": (
        {},
        {"events_days": "30", "logs_days": "", "bodies_days": "0"},
        "retention.saved",
    ),
    "functions:new": (
        {},
        {
            "event": "controllerbot_messaging_ttr",
            "template": "",
            "name": "other",
            "description": "Says",
        },
        "function.created",
    ),
    "functions:save": (
        {"name": "draft"},
        {"version": "1", "code": "function lambda() {}", "description": "Says"},
        "function.saved",
    ),
    "functions:payload-save": (
        {"name": "greet"},
        {"payload_name": "Urgent", "payload": "{}"},
        "payload.added",
    ),
    "functions:payload-rename": (
        {"name": "greet", "payload_id": "payload"},
        {"name": "Calm"},
        "payload.renamed",
    ),
    "functions:payload-delete": (
        {"name": "greet", "payload_id": "payload"},
        {},
        "payload.deleted",
    ),
    "functions:skills": ({"name": "greet"}, {"skills": "sales"}, "function.skills-changed"),
    "functions:deploy": ({"name": "draft"}, {"version": "1"}, "function.deployed"),
    "functions:undeploy": ({"name": "greet"}, {}, "function.undeployed"),
    "functions:delete": ({"name": "draft"}, {"name": "draft"}, "function.deleted"),
    "functions:import": ({}, {"carried": CARRIED, "chosen": ["brought:0"]}, "function.imported"),
    "functions:restore": (
        {"name": "greet", "number": 1},
        {"version": "2"},
        "function.restored",
    ),
    "functions:roll_back": (
        {"name": "greet", "deployment_id": "retired"},
        {},
        "function.rolled-back",
    ),
    "functions:redeliver": ({"event_id": "event"}, {}, "dead-letter.redelivered"),
    "functions:dead-letter-retry": ({"letter_id": "letter"}, {}, "dead-letter.retried"),
    "functions:dead-letter-discard": (
        {"letter_id": "letter"},
        {"note": "Nobody waits"},
        "dead-letter.discarded",
    ),
    "functions:dead-letter-put-back": (
        {"letter_id": "discarded letter"},
        {},
        "dead-letter.put-back",
    ),
    "functions:dead-letters-retry": ({}, {}, "dead-letter.retried"),
    "functions:dead-letters-discard": ({}, {"note": ""}, "dead-letter.discarded"),
    "functions:schedule-new": (
        {},
        {
            "function": "greet id",
            "cron_expression": "*/5 * * * *",
            "time_zone": "Etc/UTC",
            "body": "{}",
        },
        "schedule.created",
    ),
    "functions:schedule-edit": (
        {"schedule_id": "schedule"},
        {"version": "1", "cron_expression": "0 * * * *", "time_zone": "Etc/UTC", "body": "{}"},
        "schedule.changed",
    ),
    "functions:schedule-switch": (
        {"schedule_id": "schedule"},
        {"active": "no"},
        "schedule.paused",
    ),
    "functions:schedule-delete": ({"schedule_id": "schedule"}, {}, "schedule.deleted"),
    "functions:scenario-new": (
        {},
        {"text": factories.SCENARIO.format(name="New")},
        "scenario.created",
    ),
    "functions:scenario-edit": (
        {"scenario_id": "scenario"},
        {"version": "1", "text": factories.SCENARIO.format(name="Changed")},
        "scenario.changed",
    ),
    "functions:scenario-rename": (
        {"scenario_id": "scenario"},
        {"version": "1", "name": "Renamed", "description": ""},
        "scenario.renamed",
    ),
    "functions:scenario-duplicate": ({"scenario_id": "scenario"}, {}, "scenario.created"),
    "functions:scenario-accept": (
        {"scenario_id": "scenario"},
        {"version": "1", "run_at": RUN_AT},
        "scenario.accepted",
    ),
    "functions:scenario-delete": ({"scenario_id": "scenario"}, {}, "scenario.deleted"),
    "functions:scenario-shipped-save": ({"slug": "urgent"}, {}, "scenario.created"),
    "alert-new": (
        {},
        {
            "kind": "silence",
            "function": "",
            "window_min": "60",
            "channel": "webhook",
            "target": "https://hooks.example/in",
            "repeat_h": "0",
        },
        "alert.created",
    ),
    "alert": (
        {"alert_id": "alert"},
        {
            "function": "",
            "threshold": "7",
            "window_min": "15",
            "min_count": "2",
            "channel": "webhook",
            "target": "https://hooks.example/in",
            "repeat_h": "0",
        },
        "alert.edited",
    ),
    "alert-switch": ({"alert_id": "alert"}, {"enabled": "no"}, "alert.switched-off"),
    "alert-rotate": ({"alert_id": "alert"}, {}, "alert.secret-rotated"),
    "alert-delete": ({"alert_id": "alert"}, {}, "alert.deleted"),
    "api-client-new": (
        {},
        {"name": "CI", "scopes": ["faas.lambda.invoke"]},
        "api-client.created",
    ),
    "api-client-renew": ({"client_id": "client"}, {}, "api-client.secret-issued"),
    "api-client-revoke": ({"client_id": "client"}, {}, "api-client.revoked"),
    "setup-functions": ({}, {}, "account.functions-enabled"),
    "account-new": (None, {"account_id": "new1", "name": "New"}, "account.created"),
}
# Those that leave another number of entries, and why.
EXCEPTIONS = {
    "functions:conversation-start": "begins a conversation, which no setting of the account is",
    "functions:conversation-act": "plays in a conversation, which keeps who did what itself",
    "setup-controller-bot": "sets up two things at once, the bot and its connection",
    "connection-test": "sends a notification and changes no setting",
    "automatic-message-preview": "draws a text that nobody saved",
    "session-token": "opens the API to a session of the console, until that ends",
    "alert-test": "sends a message and changes nothing",
    "functions:new-check": "says what is wrong with what was typed so far",
    "functions:check": "finds problems in code as it is typed",
    "functions:replays": "runs versions on past events and carries nothing out",
    "functions:scenario-from-conversation": "saves what was played, see test_scenario_pages",
    "functions:scenario-run": "keeps what came, and nothing that anybody decided",
    "functions:scenarios-run": "keeps what came, and nothing that anybody decided",
    "functions:scenario-shipped-run": "runs what is shipped and keeps nothing",
    "functions:payload": "chooses what a test runs with",
    "functions:test": "runs a draft and changes nothing",
    "functions:try-it": "starts a conversation, which keeps who did what; the function that it may "
    "make leaves the entries of making and deploying one",
}


def taking_post(client):
    """The names of all addresses of an account that take POST, as their answer to PUT says."""
    found = set()
    for name, arguments in names(get_resolver().url_patterns):
        if "account_id" in arguments:
            values = {key: VALUES[key] for key in arguments - {"account_id"}}
            address = reverse(name, kwargs={**values, "account_id": factories.ACCOUNT_ID})
            if "POST" in client.put(address).headers.get("Allow", ""):
                found.add(name)
    return found


@pytest.fixture
def everybody(account):
    """Somebody who may do everything here."""
    user = factories.UserFactory(username="eve", is_staff=True)
    for role in Role:
        factories.MembershipFactory(user=user, account=account, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def things(account, everybody):
    """One of each that can be changed, by the word in the table."""
    later = timezone.now() + dt.timedelta(days=1)
    factories.ConnectionFactory(
        pk=CONNECTION, previous_signing_until=later, previous_callback_until=later
    )
    member = factories.UserFactory()
    factories.MembershipFactory(user=member, account=account)
    factories.UserFactory(username="nina")
    function = factories.deployed(
        name="greet", event_type="controllerbot_messaging_new_conversation", version=2
    )
    factories.VersionFactory(function=function, number=1, description="Older")
    retired = factories.DeploymentFactory(function_id=function.pk, active=False)
    factories.FunctionFactory(name="draft")
    main = hours.create(account.pk, name="Main", time_zone="UTC", by="kim")
    closed = OfficeHours.objects.create(
        account_id=account.pk, name="Closed", workdays=main.workdays, occasions=[],
    )  # fmt: skip
    far = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
    hours.switch_off(closed, far, by="kim")
    hours.add_occasion(
        closed,
        name="Feast",
        start=far.replace(tzinfo=None),
        end=far.replace(tzinfo=None, month=12),
        working=False,
        by="kim",
    )
    message = AutomaticMessage.objects.get(subtype=WELCOME)
    changes.add_text(message, "de", "Hallo", by="kim")
    skill = changes.add_skill(
        account.pk, WELCOME, skill_id="sales", language="de", text="Hallo", by="kim"
    )
    changes.save_timer(account.pk, IDLE, skill_id="sales", timer_s=60, repeats=1, by="kim")
    letter = factories.DeadLetterFactory()
    discarded = factories.DeadLetterFactory(
        state=LetterState.DISCARDED, closed_at=hours.timezone.now()
    )
    found = {
        "letter": letter.pk,
        "event": letter.command.event_id,
        "discarded letter": discarded.pk,
        "alert": factories.AlertFactory().pk,
        "client": factories.ApiClientFactory(account=account).pk,
        "greet id": str(function.pk),
        "schedule": factories.ScheduleFactory(function_id=function.pk).pk,
        "member": member.pk,
        "invitation": factories.InvitationFactory(account=account).pk,
        "retired": retired.pk,
        "hours": main.pk,
        "closed hours": closed.pk,
        "welcome": message.pk,
        "skill": skill.pk,
        "idle skill": AutomaticMessage.objects.get(subtype=IDLE, skill_id="sales").pk,
        "domain": factories.AllowedDomainFactory().pk,
        "secret": factories.SecretFactory().pk,
        "scenario": factories.ScenarioFactory(
            name="Kept",
            last_run_at=dt.datetime.fromisoformat(RUN_AT),
            last_text=factories.SCENARIO.format(name="Kept").replace("hello", "good day"),
        ).pk,
        "payload": payloads.save(function, name="Kept", text="{}", by="kim").pk,
    }
    AuditEntry.objects.all().delete()
    return found


def test_every_address_that_takes_a_change_is_told_of_here(everybody):
    assert taking_post(everybody) == (set(CHANGES) | set(EXCEPTIONS)) - {"account-new"}


@pytest.mark.parametrize("name", CHANGES)
def test_change_leaves_one_entry(everybody, things, account, name):
    arguments, values, action = CHANGES[name]
    values_of = {key: things.get(value, value) for key, value in (arguments or {}).items()}
    query = values_of.pop("?", "")
    if arguments is not None:
        values_of["account_id"] = account.pk
    if name == "setup-functions":
        ControllerBot.objects.update(functions_enabled_at=None)
    # What was made for this test has an id that no table can tell.
    posted = values | {"function": things.get(values.get("function"), values.get("function", ""))}

    response = everybody.post(
        f"{reverse(name, kwargs=values_of)}?{query}", posted, headers={"X-Request-ID": "a" * 32}
    )

    found = list(AuditEntry.objects.all())
    assert response.status_code in {200, 302}, response.content.decode()[-3000:]
    assert [entry.action for entry in found] == [action]
    assert (found[0].by, found[0].address, found[0].request_id) == ("eve", "127.0.0.1", "a" * 32)
    assert found[0].account_id == ("new1" if name == "account-new" else account.pk)


ENDS = ("deleted", "removed", "revoked", "rotated", "reset", "undeployed", "switched-off")
# Whoever closes the office has said until when in a form.
ASKED_OTHERWISE = {"hours-off"}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (*_, action) in CHANGES.items()
        if action.endswith(ENDS) and name not in ASKED_OTHERWISE
    ],
)
def test_what_destroys_asks_first_and_names_the_effect(everybody, things, account, name):
    arguments = {key: things.get(value, value) for key, value in CHANGES[name][0].items()}
    query = arguments.pop("?", "")
    address = reverse(name, kwargs={**arguments, "account_id": account.pk})

    page = everybody.get(f"{address}?{query}")
    dialog = everybody.get(f"{address}?{query}", headers={"HX-Request": "true"})

    assert (page.status_code, dialog.status_code) == (200, 200)
    assert 'data-kind="danger"' in page.content.decode()
    assert dialog.content.decode().lstrip().startswith("<dialog")
    assert len(page.context["effect"]) > len(page.context["title"])
    assert not AuditEntry.objects.exists()


def test_setting_up_the_bot_leaves_an_entry_for_it_and_one_for_its_connection(team_client):
    account = factories.AccountFactory()

    team_client.post(reverse("setup-controller-bot", args=[account.pk]), GENERIC)

    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert actions == {"bot.set-up", "connection.created"}


def test_no_entry_holds_a_secret(everybody, account):
    everybody.post(
        reverse("secret-add", args=[account.pk]),
        {"key": "token", "type": "string", "value": "open sesame"},
    )
    liveperson = {
        "platform": "liveperson",
        "name": "LP",
        "client_id": "app",
        "client_secret": "sesame-client",
        "callback_url": "https://example.com/in?token=sesame-query",
        "close_mode": "conversation",
    }
    everybody.post(reverse("connection-new", args=[account.pk]), liveperson)

    entries = list(AuditEntry.objects.values())
    assert {entry["action"] for entry in entries} == {"secret.added", "connection.created"}
    assert "sesame" not in str(entries)
