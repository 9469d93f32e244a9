"""What people decide about schedules: rules, cron expressions, time zones, and who may be late."""

import datetime as dt
import uuid
from dataclasses import replace

import pytest
from django.utils import timezone

from functions import deploying
from functions import services as functions
from houston.models import Account
from invoker import schedules
from invoker.models import AuditEntry, Schedule
from invoker.schedules import Plan, cron
from tests import factories

EVERY_5_MINUTES = Plan(cron_expression="*/5 * * * *")
NOON = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)


def create(plan: Plan = EVERY_5_MINUTES, **fields: object) -> Schedule:
    deployment = factories.DeploymentFactory(**fields)
    return schedules.create(deployment.account_id, deployment.function_id, plan, by="dana")


# Cron expressions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "Cannot use an empty cron expression: "),
        ("   ", "Cannot use an empty cron expression: "),
        ("@reboot", 'Cannot use the cron expression "@reboot": nicknames are not known'),
        ("* * * *", '"* * * *": it has 4 fields, write five: minute, hour, day of the month, '),
        ("*", '"*": it has 1 field, write five'),
        ("*/10 * * * * *", "it has six fields, and a schedule is due at most once a minute"),
        ("1 2 3 4 5 6 7", "it has 7 fields, write five"),
        ("60 * * * *", 'the minute cannot be "60", use * or 0 to 59,'),
        ("*/0 * * * *", 'the minute cannot be "*/0"'),
        ("10-5 * * * *", 'the minute cannot be "10-5"'),
        ("1,,2 * * * *", 'the minute cannot be "1,,2"'),
        ("\N{ARABIC-INDIC DIGIT THREE} * * * *", "the minute cannot be"),
        ("0 24 * * *", 'the hour cannot be "24", use * or 0 to 23,'),
        ("0 0 32 * *", 'the day of the month cannot be "32", use * or 1 to 31,'),
        ("0 0 0 * *", 'the day of the month cannot be "0"'),
        ("0 0 * FOO *", 'the month cannot be "FOO", use * or 1 to 12 or JAN to DEC,'),
        ("0 0 * * 8", 'the day of the week cannot be "8", use * or 0 to 7 or SUN to SAT,'),
        ("0 0 * * \N{LATIN SMALL LETTER LONG S}un", "the day of the week cannot be"),
        ("0 0 30 2 *", '"0 0 30 2 *": it is never due'),
        ("0 0 31 4,6 *", "it is never due"),
        ("0 0 */31 2 MON#5", "it is never due"),
        ("0 " * 60, "it has 120 characters, at most 100 fit"),
        ("9" * 5000 + " * * * *", "it has 5008 characters"),
    ],
)
def test_expression_that_is_no_schedule_says_why(expression: str, says: str) -> None:
    with pytest.raises(schedules.CronError) as caught:
        schedules.preview(expression, "Etc/UTC", NOON)

    assert says in str(caught.value)
    assert (caught.value.code, caught.value.field) == ("invalid-cron-expression", "cron_expression")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 9 * * MON-FRI", "At 09:00, Monday through Friday"),
        ("30 2 L * *", "At 02:30, on the last day of the month"),
        ("0 0 * * mon#2", "At 00:00, on the second Monday of the month"),
        # Debian's cron wants both where one of them begins with a star, else either.
        ("0 0 */10 * MON", "At 00:00 on every 10th day of month if it's on Monday"),
        ("0 0 1,15 * 3", "At 00:00 on the first and the 15th day of month and on Wednesday"),
        ("0 0 L,15 * *", "At 00:00 on the last and the 15th day of month"),
        ("0 0 * * 1,5L", "At 00:00 on Monday and the last Friday of the month"),
    ],
)
def test_expression_in_words(expression: str, words: str) -> None:
    assert schedules.in_words(cron.read(expression)) == words


def test_expression_is_kept_with_single_spaces() -> None:
    assert cron.read(" */5\t*  * * *\n") == "*/5 * * * *"


# Time zones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "expression", "after", "due"),
    [
        # Berlin's clocks go from 02:00 to 03:00 on 29 March 2026: 02:30 is caught up with at 03:00.
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T01:30Z", ["29T01:00", "30T00:30", "31T00:30"]),
        ("Europe/Berlin", "15,45 2 * * *", "2026-03-28T02:00Z", ["29T01:00", "30T00:15"]),
        ("Europe/Berlin", "30 2,3 * * *", "2026-03-29T00:00Z", ["29T01:00", "29T01:30"]),
        # Every hour and every half hour go by real time, with no gap.
        ("Europe/Berlin", "0 * * * *", "2026-03-28T23:30Z", ["29T00:00", "29T01:00", "29T02:00"]),
        ("Europe/Berlin", "*/30 * * * *", "2026-03-29T00:15Z", ["29T00:30", "29T01:00"]),
        # Only in that hour, which is not there on this day.
        ("Europe/Berlin", "*/30 2 * * *", "2026-03-28T02:00Z", ["30T00:00", "30T00:30"]),
        # They go from 03:00 to 02:00 on 25 October: 02:30 is due the first time alone,
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T01:00Z", ["25T00:30", "26T01:30"]),
        # also when one looks during the second time.
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T01:10Z", ["26T01:30", "27T01:30"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T00:30Z", ["26T01:30"]),
        ("Europe/Berlin", "0 2,3 * * *", "2026-10-24T23:00Z", ["25T00:00", "25T02:00"]),
        # Every hour is due in both.
        ("Europe/Berlin", "0 * * * *", "2026-10-24T23:30Z", ["25T00:00", "25T01:00", "25T02:00"]),
        ("Europe/Berlin", "*/30 2 * * *", "2026-10-24T23:59Z",
         ["25T00:00", "25T00:30", "25T01:00", "25T01:30", "26T01:00"]),
        # New York, the other way round the globe, and half an hour of Lord Howe.
        ("America/New_York", "30 2 * * *", "2026-03-08T05:00Z", ["08T07:00", "09T06:30"]),
        ("America/New_York", "30 1 * * *", "2026-11-01T04:00Z", ["01T05:30", "02T06:30"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00Z", ["03T15:30", "04T15:15"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00Z", ["04T14:45", "05T15:15"]),
        # No clock changes here, and days begin at another time.
        ("Asia/Kolkata", "0 0 * * *", "2026-06-01T12:00Z", ["01T18:30", "02T18:30"]),
        ("Etc/UTC", "30 2 * * *", "2026-03-28T12:00Z", ["29T02:30", "30T02:30"]),
        ("UTC", "0 0 29 2 *", "2026-06-01T12:00Z", ["29T00:00", "29T00:00"]),
        ("Etc/UTC", "0 0 L * *", "2028-02-01T00:00Z", ["29T00:00", "31T00:00"]),
    ],
)  # fmt: skip
def test_due_times_follow_the_clocks_of_the_zone(
    zone: str, expression: str, after: str, due: list[str]
) -> None:
    start = dt.datetime.fromisoformat(after)

    found = [
        each.astimezone(dt.UTC) for each in schedules.preview(expression, zone, start, len(due))
    ]

    assert [f"{each:%dT%H:%M}" for each in found] == due
    assert found == sorted(set(found))
    assert all(each > start for each in found)


def test_preview_is_in_the_zone() -> None:
    found = schedules.preview("0 9 * * *", "Europe/Berlin", NOON, count=2)

    assert [each.isoformat() for each in found] == [
        "2026-06-02T09:00:00+02:00",
        "2026-06-03T09:00:00+02:00",
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Europe/Berln", 'there is none, did you mean "Europe/Berlin"'),
        ("europe/berlin", 'there is none, did you mean "Europe/Berlin"'),
        ("", 'there is none, use a name such as "Europe/Berlin"'),
        ("../../etc/passwd", "there is none"),
        ("localtime", "there is none"),
        ("+02:00", "there is none"),
    ],
)
def test_time_zone_that_is_not_there_says_so(name: str, says: str) -> None:
    with pytest.raises(schedules.ZoneError) as caught:
        schedules.preview("* * * * *", name, NOON)

    assert says in str(caught.value)
    assert (caught.value.code, caught.value.field) == ("unknown-time-zone", "time_zone")


# Changes ------------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


def test_schedule_of_a_deployed_function_is_due_at_its_next_time(
    account: Account, time_machine: object
) -> None:
    time_machine.move_to(NOON + dt.timedelta(minutes=2))
    plan = Plan(
        cron_expression="30  9 * * *",
        time_zone="Europe/Berlin",
        description=" Morning report ",
        headers=[{"key": "x-source", "value": "schedule"}],
        payload={"days": [1, 2]},
    )

    made = create(plan, function_name="report")

    kept = Schedule.objects.get()
    assert made == kept
    assert Plan.of(kept) == replace(
        plan, cron_expression="30 9 * * *", description="Morning report"
    )
    assert (kept.account_id, kept.function_name) == (account.id, "report")
    assert kept.next_at == dt.datetime(2026, 6, 2, 7, 30, tzinfo=dt.UTC)
    assert (kept.created_by, kept.version, kept.last_at) == ("dana", 1, None)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.words) == (
        "schedule.created",
        "dana",
        "created a schedule of report",
    )
    assert entry.after == {
        "Cron expression": "30 9 * * *",
        "Time zone": "Europe/Berlin",
        "State": "active",
        "Description": "Morning report",
    }


def test_schedule_is_refused_when_the_function_is_not_deployed(account: Account) -> None:
    retired = factories.DeploymentFactory(active=False)
    foreign = factories.DeploymentFactory(account_id="other1")

    for function_id in (retired.function_id, foreign.function_id, uuid.uuid4()):
        with pytest.raises(schedules.NotDeployedError):
            schedules.create(account.id, function_id, EVERY_5_MINUTES, by="dana")

    assert not Schedule.objects.exists()


def test_schedule_beyond_the_limit_is_refused(account: Account) -> None:
    factories.ScheduleFactory.create_batch(schedules.MAX_SCHEDULES)
    factories.ScheduleFactory(account_id="other1")

    with pytest.raises(schedules.LimitError, match="the account has 50, delete one first"):
        create()

    Schedule.objects.filter(account_id=account.id).first().delete()
    create()


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"description": "x" * 201}, "description", "invalid"),
        ({"description": "a\0b"}, "description", "invalid"),
        ({"payload": "x" * 14_999}, "payload", "payload-too-long"),
        ({"payload": float("nan")}, "payload", "invalid"),
        ({"payload": {1, 2}}, "payload", "invalid"),
        ({"headers": {}}, "headers", "invalid"),
        ({"headers": ["a"]}, "headers", "invalid"),
        ({"headers": [{"key": "a"}]}, "headers", "invalid"),
        ({"headers": [{"key": "a", "value": 1}]}, "headers", "invalid"),
        ({"headers": [{"key": "a", "value": "x" * 15_000}]}, "headers", "payload-too-long"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "unknown-time-zone"),
        ({"cron_expression": "nope"}, "cron_expression", "invalid-cron-expression"),
    ],
)
def test_plan_that_breaks_a_rule_is_refused(
    account: Account, changed: dict[str, object], field: str, code: str
) -> None:
    with pytest.raises(schedules.InvalidError) as caught:
        create(replace(EVERY_5_MINUTES, **changed))

    assert (caught.value.field, caught.value.code) == (field, code)
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("payload", [None, 0, "x" * 14_998, [], {"deep": [{"a": "\N{SNOWMAN}"}]}])
def test_payload_is_any_json(account: Account, payload: object) -> None:
    made = create(replace(EVERY_5_MINUTES, payload=payload))

    made.refresh_from_db()
    assert made.payload == payload


def test_change_of_the_times_reckons_the_next_one_anew(
    account: Account, time_machine: object
) -> None:
    time_machine.move_to(NOON + dt.timedelta(minutes=2))
    schedule = create()

    schedules.change(
        schedule, Plan(cron_expression="0 0 * * *", time_zone="Asia/Tokyo"), version=1, by="ada"
    )

    assert schedule.next_at == dt.datetime(2026, 6, 1, 15, 0, tzinfo=dt.UTC)
    assert (schedule.version, schedule.updated_by) == (2, "ada")
    entry = AuditEntry.objects.get(action="schedule.changed")
    assert entry.before == {"Cron expression": "*/5 * * * *", "Time zone": "Etc/UTC"}
    assert entry.after == {"Cron expression": "0 0 * * *", "Time zone": "Asia/Tokyo"}


def test_change_of_the_payload_leaves_the_next_time_alone(
    account: Account, time_machine: object
) -> None:
    time_machine.move_to(NOON)
    schedule = create()
    time_machine.move_to(NOON + dt.timedelta(minutes=7))
    plan = replace(EVERY_5_MINUTES, payload={"token": True})

    schedules.change(schedule, plan, version=1, by="ada")

    # Due since 12:05, and still to be run.
    assert schedule.next_at == NOON + dt.timedelta(minutes=5)
    entry = AuditEntry.objects.get(action="schedule.changed")
    assert (entry.before, entry.after) == ({"Payload": "kept"}, {"Payload": "replaced"})
    schedules.change(schedule, replace(plan, payload={"token": 1}), version=2, by="ada")
    with pytest.raises(schedules.UnchangedError):
        schedules.change(schedule, replace(plan, payload={"token": 1}), version=3, by="ada")


def test_change_after_another_one_is_a_conflict(account: Account) -> None:
    mine = create()
    theirs = Schedule.objects.get()
    schedules.change(theirs, replace(EVERY_5_MINUTES, description="theirs"), version=1, by="kim")

    with pytest.raises(schedules.ConflictError) as caught:
        schedules.change(mine, replace(EVERY_5_MINUTES, description="mine"), version=1, by="ada")

    assert str(caught.value) == (
        "Cannot save the schedule: kim has changed it meanwhile, look at it again"
    )
    assert caught.value.newest.description == "theirs"
    assert Schedule.objects.get().description == "theirs"


def test_change_of_a_deleted_schedule_says_so(account: Account) -> None:
    schedule = create()
    Schedule.objects.all().delete()

    with pytest.raises(schedules.NotFoundError):
        schedules.change(schedule, Plan(cron_expression="* * * * *"), version=1, by="ada")
    with pytest.raises(schedules.NotFoundError):
        schedules.switch(schedule, active=False, by="ada")


def test_pause_and_resume_leave_out_what_would_have_been_due(
    account: Account, time_machine: object
) -> None:
    time_machine.move_to(NOON)
    schedule = create()

    schedules.switch(schedule, active=False, by="ada")
    assert (schedule.active, schedule.next_at, schedule.version) == (False, None, 2)
    schedules.switch(schedule, active=False, by="ada")
    time_machine.move_to(NOON + dt.timedelta(minutes=12))
    schedules.switch(schedule, active=True, by="ada")

    assert schedule.next_at == NOON + dt.timedelta(minutes=15)
    actions = AuditEntry.objects.order_by("at").values_list("action", flat=True)
    assert list(actions) == ["schedule.created", "schedule.paused", "schedule.resumed"]


def test_paused_schedule_may_be_created_and_resumed_by_a_change(
    account: Account, time_machine: object
) -> None:
    time_machine.move_to(NOON)
    schedule = create(replace(EVERY_5_MINUTES, active=False))
    assert schedule.next_at is None

    schedules.change(schedule, EVERY_5_MINUTES, version=1, by="ada")

    assert schedule.next_at == NOON + dt.timedelta(minutes=5)


def test_delete_takes_the_schedule_and_tells_once(account: Account) -> None:
    schedule = create()
    same = Schedule.objects.get()

    schedules.delete(schedule, by="ada")
    schedules.delete(same, by="ada")

    assert not Schedule.objects.exists()
    assert AuditEntry.objects.filter(action="schedule.deleted").count() == 1


def test_undeployed_function_keeps_its_schedules_and_a_deleted_one_takes_them_along(
    account: Account,
) -> None:
    function, other = factories.deployed(), factories.deployed()
    for each in (function, other):
        schedules.create(account.id, each.pk, EVERY_5_MINUTES, by="dana")

    deploying.undeploy(function, by="dana")

    listed = schedules.of_account(account.id).filter(function_id=function.pk)
    assert [each.deployed for each in listed] == [False]

    functions.delete(function, by="dana")

    assert [each.function_id for each in Schedule.objects.all()] == [other.pk]
    entry = AuditEntry.objects.get(action="schedule.deleted")
    assert (entry.by, entry.subject) == ("dana", function.name)


def test_schedules_are_listed_for_their_account_alone(account: Account) -> None:
    mine = create()
    factories.ScheduleFactory(account_id="other1")

    assert [(each.pk, each.deployed) for each in schedules.of_account(account.id)] == [
        (mine.pk, True)
    ]
    assert timezone.now() < mine.next_at
