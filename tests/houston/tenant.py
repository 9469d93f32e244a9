"""An account with something in every table, all of it recognisable, and what is in it now."""

import datetime as dt
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from django.utils import timezone

from functions import payloads
from functions.models import EventClaim, FunctionSkill
from houston.models import Account, ApiLogin, Role, User
from invoker import simulator
from invoker.hours import changes as hours
from invoker.models import (
    AgentSession,
    AlertFiring,
    ContextNamespace,
    ContextProperty,
    MetricBucket,
    Retention,
    SecretUse,
    SkillHours,
    Telling,
)
from invoker.simulator import acts
from tests import factories

MARK = "Zanzibar4711"
OURS = ("houston", "functions", "invoker")
# Belong to the installation, not to an account.
NO_ACCOUNT = {"Heartbeat", "MetricLevel", "Removal"}
# What people call things and write into them. Words that Houston chooses from are left alone.
FREE = {
    "name", "description", "text", "code", "message", "detail", "error", "finding", "subject",
    "callback_url", "client_id", "created_by", "updated_by", "saved_by", "by", "set_up_by",
    "function_name", "username", "email", "invited_by", "stack", "domain", "value", "answer",
    "request_id", "agent_nickname", "author", "used_by", "title",
    "holder", "signing_secret", "callback_secret", "api_token", "secret", "reason",
}  # fmt: skip
# Named in addresses, where a page that says "nothing here" may repeat it.
PLAIN_NAME = "greet"


@dataclass(frozen=True, slots=True)
class Tenant:
    account: Account
    member: User
    ids: dict[str, Any]
    """What to put for each argument of an address."""


def fill(account_id: str) -> Tenant:
    """Make an account with at least one row in each table that belongs to accounts."""
    account = factories.AccountFactory(id=account_id, name=MARK)
    factories.ControllerBotFactory(account_id=account.pk)
    member = factories.UserFactory(username=f"user-{MARK}", email=f"{MARK}@example.com")
    for role in Role:
        factories.MembershipFactory(user=member, account=account, role=role)
    mine = {"account_id": account.pk}
    now = timezone.now()
    connection = factories.ConnectionFactory(**mine, platform="simulator", name=f"c {MARK}")
    AgentSession.objects.create(connection=connection, detail=MARK)
    started = acts.Start(consumer=MARK, authenticated=True, text=MARK)
    conversation = simulator.start(account.pk, started, by=member.username)
    function = factories.deployed(
        **mine, name=PLAIN_NAME, event_type="controllerbot_messaging_new_conversation", skills=["7"]
    )
    factories.FunctionFactory(**mine, name=f"f_{MARK}")
    factories.VersionFactory(function=function, number=function.version + 1)
    retired = factories.DeploymentFactory(**mine, function_id=function.pk, active=False)
    event = factories.EventFactory(conversation=conversation)
    invocation = factories.InvocationFactory(event=event, deployment=retired)
    log_line = factories.LogLineFactory(invocation=invocation)
    letter = factories.DeadLetterFactory(command__event=event, command__invocation=invocation)
    alert = factories.AlertFactory(**mine)
    _made(AlertFiring, now, alert=alert)
    _made(Telling, now, alert=alert)
    main = hours.create(account.pk, name="Main", time_zone="UTC", by="kim")
    SkillHours.objects.create(**mine, hours=main, skill_id="7")
    message = factories.AutomaticMessageFactory(**mine)
    factories.AutomaticTextFactory(message=message, text=MARK)
    secret = factories.SecretFactory(**mine)
    _made(SecretUse, now, secret=secret)
    namespace = _made(ContextNamespace, now, **mine)
    _made(ContextProperty, now, namespace=namespace)
    schedule = factories.ScheduleFactory(**mine, function_id=function.pk)
    factories.ScheduleRunFactory(schedule=schedule)
    Retention.objects.create(**mine, events_days=400)
    _made(MetricBucket, now, **mine, function_id=function.pk)
    ids = {
        "connection_id": connection.pk,
        "event_id": event.pk,
        "deployment_id": retired.pk,
        "entry_id": factories.AuditEntryFactory(**mine).pk,
        "alert_id": alert.pk,
        "invitation_id": factories.InvitationFactory(account=account).pk,
        "function_id": function.pk,
        "letter_id": letter.pk,
        "client_id": factories.ApiClientFactory(account=account).pk,
        "schedule_id": schedule.pk,
        "scenario_id": factories.ScenarioFactory(**mine, name=f"s {MARK}", last_run_at=now).pk,
        "user_id": member.pk,
        "domain_id": factories.AllowedDomainFactory(**mine).pk,
        "secret_id": secret.pk,
        "message_id": message.pk,
        "payload_id": payloads.save(function, name="Kept", text="{}", by="kim").pk,
        "hours_id": main.pk,
        "pk": conversation.pk,
        "name": PLAIN_NAME,
        "key": secret.key,
        "login_id": _made(ApiLogin, now, account=account, user=member).pk,
        "notification_id": factories.NotificationFactory(conversation=conversation).pk,
        "invocation_id": invocation.pk,
        "log_line_id": log_line.pk,
    }
    assert FunctionSkill.objects.filter(function=function).exists()
    assert EventClaim.objects.exists()
    _mark(account)
    return Tenant(account, member, ids)


def rows_of(model: type[models.Model], account: Account) -> models.QuerySet[Any]:
    """The rows of a table that belong to an account, by whatever leads to it."""
    if model is Account:
        return model._base_manager.filter(pk=account.pk)
    if model is User:
        return model._base_manager.filter(memberships__account=account).distinct()
    return model._base_manager.filter(**{_path(model): account.pk})


def tables() -> list[type[models.Model]]:
    """Every table that holds something of accounts."""
    return [
        model
        for model in apps.get_models()
        if model._meta.app_label in OURS and model.__name__ not in NO_ACCOUNT
    ]


def digest(account: Account) -> dict[str, str]:
    """What is in each table of an account, to be compared with later."""
    found = {}
    for model in tables():
        rows = sorted(map(repr, rows_of(model, account).values_list()))
        found[model.__name__] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def holds_mark(model: type[models.Model], account: Account) -> bool:
    return any(MARK in repr(row) for row in rows_of(model, account).values_list())


def _path(model: type[models.Model], seen: tuple[type[models.Model], ...] = ()) -> str:
    names = {each.attname: each for each in model._meta.concrete_fields}
    if "account_id" in names:
        return "account_id"
    for each in model._meta.concrete_fields:
        target = each.related_model
        if target is not None and target not in seen and target._meta.app_label in OURS:
            if target is User:
                continue
            try:
                return f"{each.name}__{_path(target, (*seen, model))}"
            except LookupError:
                continue
    raise LookupError(f"{model.__name__} leads to no account: say so in NO_ACCOUNT")


def _mark(account: Account) -> None:
    for model in tables():
        for each in model._meta.concrete_fields:
            is_text = isinstance(each, models.CharField | models.TextField)
            if not is_text or each.choices or each.primary_key or each.name not in FREE:
                continue
            if isinstance(each, models.UUIDField) or not (each.max_length is None or
                                                          each.max_length > 30):  # fmt: skip
                continue
            for pk, value in rows_of(model, account).values_list("pk", each.attname):
                keeps = value == PLAIN_NAME or MARK in str(value) or not isinstance(value, str)
                if not keeps:
                    new = f"{value[:20]}{MARK}" if each.unique or value else MARK
                    rows_of(model, account).filter(pk=pk).update(**{each.attname: new})


def _made(model: type[models.Model], now: dt.datetime, **values: Any) -> Any:
    return model._base_manager.create(**{**_needed(model, now), **values})


def _needed(model: type[models.Model], now: dt.datetime) -> dict[str, Any]:
    """A value for each column that has no default and leads nowhere."""
    found: dict[str, Any] = {}
    for each in model._meta.concrete_fields:
        if each.has_default() or each.null or each.related_model or each.primary_key:
            continue
        if isinstance(each, models.DateTimeField):
            found[each.name] = now
        elif isinstance(each, models.UUIDField):
            found[each.name] = uuid.uuid4()
        elif isinstance(each, models.BinaryField):
            found[each.name] = MARK.encode()
        elif isinstance(each, models.CharField | models.TextField):
            if each.name != "account_id":
                chosen = each.choices[0][0] if each.choices else ""
                is_json = "Json" in type(each).__name__
                found[each.name] = {"said": MARK} if is_json else chosen
        elif isinstance(each, models.JSONField):
            found[each.name] = json.loads(json.dumps({"said": MARK}))
        elif isinstance(each, models.IntegerField | models.FloatField):
            found[each.name] = 1
        elif isinstance(each, models.BooleanField):
            found[each.name] = False
    return found
