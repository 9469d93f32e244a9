"""What was given up in the last 30 days becomes dead letters, so that nobody has to look for it.

Found by indexes, and bounded: what an account has more of stays where it always was, in Activity
and among the notifications of its connection.
"""

import datetime as dt

from django.db import migrations
from django.db.models import OuterRef, Exists
from django.utils import timezone

BACK = dt.timedelta(days=30)
MOST = 10_000
ROWS_AT_ONCE = 500
GIVEN_UP = ("failed", "uncertain")
EXPECTED = ("closed", "over")
BROKEN = "Houston failed on it again and again: its log of that time has the reason"


def fill(apps, schema_editor):
    for account_id in apps.get_model("invoker", "ControllerBot").objects.values_list("pk", flat=True):
        letters = [
            *_of_notifications(apps, account_id),
            *_of_events(apps, account_id),
            *_of_commands(apps, account_id),
        ]
        apps.get_model("invoker", "DeadLetter").objects.bulk_create(letters, batch_size=ROWS_AT_ONCE)


def _of_notifications(apps, account_id):
    rows = apps.get_model("invoker", "Notification").objects.filter(
        account_id=account_id, state="failed", received_at__gte=timezone.now() - BACK
    )
    for one in rows.select_related("conversation").defer("body").order_by("-received_at")[:MOST]:
        yield _letter(
            apps, one.conversation, kind="notification", notification=one,
            reason="houston-failed", detail=one.error, failed_at=one.digested_at or one.received_at,
        )


def _of_events(apps, account_id):
    gone_wrong = apps.get_model("invoker", "Command").objects.filter(
        event=OuterRef("pk"), state__in=GIVEN_UP
    )
    for one in _events(apps, account_id, "broken").filter(~Exists(gone_wrong))[:MOST]:
        yield _letter(
            apps, one.conversation, kind="event", event=one, reason="houston-failed",
            detail=BROKEN, failed_at=one.finished_at or one.created_at,
        )


def _of_commands(apps, account_id):
    left = MOST
    for verdict in ("failed", "uncertain", "nowhere", "broken"):
        events = {one.pk: one for one in _events(apps, account_id, verdict)[:left]}
        left -= len(events)
        pks = list(events)
        for begin in range(0, len(pks), ROWS_AT_ONCE):
            commands = apps.get_model("invoker", "Command").objects.filter(
                event__in=pks[begin : begin + ROWS_AT_ONCE], state__in=GIVEN_UP
            )
            for one in commands.exclude(reason__in=EXPECTED):
                event = events[one.event_id]
                yield _letter(
                    apps, event.conversation, kind="command", command=one,
                    reason=one.reason or "gave-up", detail=one.detail,
                    failed_at=event.finished_at or event.created_at,
                )


def _events(apps, account_id, verdict):
    rows = apps.get_model("invoker", "Event").objects.filter(
        account_id=account_id, verdict=verdict, created_at__gte=timezone.now() - BACK
    )
    return (
        rows.select_related("conversation").defer("payload", "conversation__state")
        .order_by("-created_at", "-id")
    )


def _letter(apps, conversation, **fields):
    return apps.get_model("invoker", "DeadLetter")(
        account_id=conversation.account_id, connection_id=conversation.connection_id,
        conversation=conversation, created_at=fields["failed_at"], **fields,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('invoker', '0021_dead_letters'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
