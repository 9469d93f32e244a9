"""Looking at every alert: is it true now, was it before, and is there something to tell?

Rules are looked at account by account and window by window: what one look costs does not grow
with the rules nor with what happened.
"""

import datetime as dt
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from invoker import metrics
from invoker.alerts.changes import MOST
from invoker.models import (
    Alert,
    AlertFiring,
    AlertKind,
    AlertState,
    Command,
    CommandState,
    DeadLetter,
    Event,
    Notification,
    NotificationState,
    Telling,
    TellingKind,
    Verdict,
)

logger = logging.getLogger(__name__)

GONE_WRONG = (CommandState.FAILED, CommandState.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened in one account for a while.

    `unsent` counts what failed before there was anything to send, `letters` the dead letters that
    wait now.
    """

    functions: dict[uuid.UUID, metrics.Summary]
    whole: metrics.Summary
    unsent: int
    any_event: bool
    letters: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether an alert is true, and what was found, in words."""

    true: bool
    words: str


def watch(now: dt.datetime | None = None) -> int:
    """Look at every alert that is switched on, and leave a message to send where one changed.

    Run twice at once it leaves one message all the same. Returns how many changed.
    """
    now = now or timezone.now()
    groups: dict[tuple[str, int], list[Alert]] = defaultdict(list)
    for alert in Alert.objects.filter(enabled=True).order_by("account_id", "window_min"):
        groups[alert.account_id, alert.window_min].append(alert)
    changed = 0
    for (account_id, window_min), alerts in groups.items():
        since = now - dt.timedelta(minutes=window_min)
        seen = _look(account_id, since, now, {alert.kind for alert in alerts})
        quiet = []
        for alert in alerts:
            finding = judge(alert, seen, since)
            if _settle(alert, finding, now):
                changed += 1
            else:
                alert.looked_at, alert.finding = now, finding.words
                quiet.append(alert)
        Alert.objects.bulk_update(quiet, ["looked_at", "finding"])
    return changed


def _look(account_id: str, since: dt.datetime, now: dt.datetime, kinds: Iterable[str]) -> Seen:
    found = metrics.by_function(account_id, since=since, until=now)
    events = Event.objects.filter(account_id=account_id, created_at__gte=since)
    unsent = letters = 0
    if AlertKind.DELIVERIES in kinds:
        gone_wrong = Command.objects.filter(event=OuterRef("pk"), state__in=GONE_WRONG)
        unsent = events.filter(~Exists(gone_wrong), verdict=Verdict.BROKEN).count()
        unsent += Notification.objects.filter(
            account_id=account_id, state=NotificationState.FAILED, received_at__gte=since
        ).count()
    if AlertKind.LETTERS in kinds:
        waiting = DeadLetter.objects.filter(account_id=account_id, closed_at=None)
        letters = waiting[: MOST[AlertKind.LETTERS]].count()
    return Seen(
        functions=found,
        whole=metrics.of_account(account_id, since=since, until=now),
        unsent=unsent,
        any_event=AlertKind.SILENCE in kinds and events.exists(),
        letters=letters,
    )


def judge(alert: Alert, seen: Seen, since: dt.datetime) -> Finding:
    """Whether an alert is true of what was seen since then."""
    found = seen.functions.get(alert.function_id) if alert.function_id else seen.whole
    match alert.kind:
        case AlertKind.SILENCE:
            return _judge_silence(alert, seen, found, since)
        case AlertKind.DELIVERIES:
            failed = _failed(found)
            unsent = 0 if alert.function_id else seen.unsent
            words = f"{failed + unsent:,} failed"
            if unsent:
                words += f", {unsent:,} of them before anything could be sent"
            return Finding(failed + unsent >= alert.threshold, words)
        case AlertKind.LETTERS:
            words = f"{seen.letters:,} {'waits' if seen.letters == 1 else 'wait'}"
            return Finding(seen.letters >= alert.threshold, words)
    return _judge_runs(alert, found)


def _judge_silence(
    alert: Alert, seen: Seen, found: metrics.Summary | None, since: dt.datetime
) -> Finding:
    happened = found is not None and (found.count > 0 or found.last_at is not None)
    if not alert.function_id:
        happened = seen.any_event
    if happened:
        return Finding(true=False, words="Something happened")
    # Nobody listened for so long yet.
    early = alert.watched_since > since
    return Finding(not early, "Nothing yet since it is watched" if early else "Nothing happened")


def _judge_runs(alert: Alert, found: metrics.Summary | None) -> Finding:
    count = found.count if found else 0
    if found is None or count < alert.min_count or not count:
        return Finding(true=False, words=f"{_runs(count)}, fewer than {alert.min_count:,}")
    if alert.kind == AlertKind.ERRORS:
        share = 100 * found.error_share
        words = f"{share:.1f} % of {_runs(count)} failed"
        return Finding(share >= alert.threshold, words)
    p95_ms = found.p95_ms or 0.0
    return Finding(p95_ms > alert.threshold, f"p95 is {p95_ms:,.0f} ms of {_runs(count)}")


def _failed(found: metrics.Summary | None) -> int:
    counts = found.commands.items() if found else ()
    return sum(count for key, count in counts if key.partition(":")[2] in GONE_WRONG)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _settle(alert: Alert, finding: Finding, now: dt.datetime) -> bool:
    """Write down a change of state with its message. False when there was none."""
    was_firing = alert.state == AlertState.FIRING
    if finding.true and was_firing:
        return _tell_again(alert, finding, now)
    if finding.true == was_firing:
        return False
    state = AlertState.FIRING if finding.true else AlertState.OK
    with transaction.atomic():
        # Whoever changes the state tells of it, and nobody else.
        changed = Alert.objects.filter(pk=alert.pk, enabled=True, state=alert.state).update(
            state=state, state_since=now, told_at=now, looked_at=now, finding=finding.words
        )
        if not changed:
            return False
        if finding.true:
            AlertFiring.objects.create(alert=alert, began_at=now, finding=finding.words)
        else:
            AlertFiring.objects.filter(alert=alert, ended_at=None).update(ended_at=now)
        kind = TellingKind.FIRING if finding.true else TellingKind.RESOLVED
        Telling.objects.create(alert=alert, kind=kind, finding=finding.words)
    logger.info("alert changed", extra={"account_id": alert.account_id, "alert_id": alert.pk})
    return True


def _tell_again(alert: Alert, finding: Finding, now: dt.datetime) -> bool:
    if not alert.repeat_h or alert.told_at is None:
        return False
    if now - alert.told_at < dt.timedelta(hours=alert.repeat_h):
        return False
    with transaction.atomic():
        same = Alert.objects.filter(pk=alert.pk, enabled=True, told_at=alert.told_at)
        if not same.update(told_at=now, looked_at=now, finding=finding.words):
            return False
        Telling.objects.create(alert=alert, kind=TellingKind.AGAIN, finding=finding.words)
    return True
