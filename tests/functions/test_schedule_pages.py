"""The pages of schedules: list, form with its preview, and each with its runs."""

import datetime as dt
import html
import json

import pytest
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from invoker import schedules
from invoker.models import RunState, Schedule
from tests import factories

HTMX = {"HX-Request": "true"}
NOON = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
TYPED = {
    "cron_expression": "30 9 * * 1-5",
    "time_zone": "Europe/Berlin",
    "description": "Morning report",
    "body": '{"headers": [{"key": "x", "value": "y"}], "payload": {"days": 2}}',
}


def url(name="schedules", schedule=None, **query):
    arguments = [factories.ACCOUNT_ID, *([schedule.pk] if schedule else [])]
    return reverse(f"functions:{name}", args=arguments, query=query or None)


def text(response):
    return html.unescape(response.content.decode())


def scheduled(name="greet", **fields):
    function = factories.deployed(name=name)
    return factories.ScheduleFactory(function_id=function.pk, function_name=name, **fields)


# The list -----------------------------------------------------------------------------------------


def test_empty_list_says_what_it_is_for_and_how_to_begin(developer_client, team_client, account):
    assert "Deploy a function first" in text(developer_client.get(url()))
    factories.deployed(name="greet")

    shown = text(developer_client.get(url()))

    assert "runs a deployed function by the clock" in shown
    assert f"{url('schedule-new')}?cron_expression=*/5%20" in shown.replace("%2A", "*")
    assert "Every 5 minutes" in shown
    assert "Admins and developers of the account can make one" in text(team_client.get(url()))


def test_list_tells_how_each_stands(developer_client, account, time_machine):
    time_machine.move_to(NOON, tick=False)
    ran = {"last_at": NOON - dt.timedelta(minutes=5)}
    scheduled("ok", last_state=RunState.SUCCEEDED, **ran)
    scheduled("broken", last_state=RunState.FAILED, last_failure="no stock", **ran)
    scheduled("new", time_zone="Asia/Tokyo", next_at=NOON + dt.timedelta(hours=3))
    scheduled("paused", active=False, next_at=None)
    factories.ScheduleFactory(function_name="undeployed")
    factories.ScheduleFactory(account_id="other1", function_name="theirs")

    response = developer_client.get(url())

    assert [
        (row.schedule.function_name, row.badge[1], row.wall) for row in response.context["rows"]
    ] == [
        ("broken", "Failed", "Mon 2026-06-01 12:01"),
        ("new", "Not run yet", "Tue 2026-06-02 00:00"),
        ("ok", "OK", "Mon 2026-06-01 12:01"),
        ("paused", "Paused", ""),
        ("undeployed", "Not deployed", ""),
    ]
    shown = text(response)
    assert ("in 3 h" in shown, "5 min ago" in shown, "Asia/Tokyo" in shown) == (True, True, True)
    assert "Every 5 minutes" in shown
    assert "5 of at most 50 schedules" in shown
    assert "theirs" not in shown


def test_list_of_one_function(developer_client, account):
    scheduled("greet")
    scheduled("close")

    assert [row.schedule.function_name for row in
            developer_client.get(url(function="greet")).context["rows"]] == ["greet"]  # fmt: skip
    assert "No schedule of nobody" in text(developer_client.get(url(function="nobody")))


@pytest.mark.parametrize("count", [1, 3])
def test_list_costs_the_same_with_many(developer_client, account, django_assert_num_queries, count):
    for number in range(count):
        scheduled(f"f{number}")
    developer_client.get(url())

    with django_assert_num_queries(4):
        response = developer_client.get(url(), headers=HTMX)

    assert text(response).count("<tr id=") == count
    assert "<html" not in text(response)


# A new one ----------------------------------------------------------------------------------------


def test_form_offers_what_is_deployed_and_an_empty_input(developer_client, account):
    greet = factories.deployed(name="greet")
    factories.FunctionFactory(name="draft")
    factories.deployed(name="theirs", account_id="other1")

    response = developer_client.get(url("schedule-new", function="greet"))

    form = response.context["form"]
    assert form.fields["function"].choices == [(str(greet.pk), "greet")]
    assert form["function"].value() == str(greet.pk)
    assert json.loads(form["body"].value()) == {"headers": [], "payload": {}}
    assert form["time_zone"].value() == "Etc/UTC"
    assert '<option value="Europe/Berlin">' in text(response)


@pytest.mark.parametrize("who", ["admin_client", "developer_client"])
def test_schedule_is_created(request, account, who):
    client = request.getfixturevalue(who)
    greet = factories.deployed(name="greet")

    response = client.post(url("schedule-new"), {**TYPED, "function": str(greet.pk)})

    made = Schedule.objects.get()
    assert response["Location"] == url("schedule", made)
    assert schedules.Plan.of(made) == schedules.Plan(
        cron_expression="30 9 * * 1-5",
        time_zone="Europe/Berlin",
        description="Morning report",
        headers=[{"key": "x", "value": "y"}],
        payload={"days": 2},
    )
    assert (made.function_id, made.active) == (greet.pk, True)


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"function": ""}, "function", "choose a function"),
        ({"function": "00000000-0000-4000-8000-000000000000"}, "function", "is not deployed"),
        ({"function": "x"}, "function", "is not deployed"),
        ({"cron_expression": "60 * * * *"}, "cron_expression", 'the minute cannot be "60"'),
        ({"cron_expression": ""}, "cron_expression", "the cron expression is empty"),
        ({"cron_expression": "\0"}, "cron_expression", "Null characters"),
        ({"time_zone": "Berlin"}, "time_zone", 'did you mean "Europe/Berlin"'),
        ({"time_zone": ""}, "time_zone", "the time zone is empty"),
        ({"description": "x" * 201}, "description", "has 201 characters, at most 200 fit"),
        ({"body": ""}, "body", "the input is empty"),
        ({"body": '{\n "payload": nope}'}, "body", "Expecting value in line 2, column 13"),
        ({"body": '{"payload": NaN}'}, "body", "cannot be sent"),
        ({"body": "[]"}, "body", 'must be an object with "headers" and "payload"'),
        ({"body": '{"payload": {}, "extra": 1}'}, "body", "and nothing else"),
        ({"body": '{"headers": {}}'}, "body", "headers must be a list"),
        ({"body": json.dumps({"payload": "x" * 15_000})}, "body", "has 15,002 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_beside_its_field(
    developer_client, account, changed, field, says
):
    greet = factories.deployed(name="greet")

    response = developer_client.post(
        url("schedule-new"), {**TYPED, "function": str(greet.pk), **changed}
    )

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {field}
    assert says in text(response)
    assert not Schedule.objects.exists()


def test_without_room_or_functions_the_page_says_so_instead_of_the_form(developer_client, account):
    assert "No function is deployed" in text(developer_client.get(url("schedule-new")))
    factories.deployed(name="greet")
    factories.ScheduleFactory.create_batch(50)

    shown = text(developer_client.get(url("schedule-new")))

    assert "The account has 50 schedules, which is all it can have" in shown
    assert 'id="schedule-form"' not in shown


def test_preview_tells_the_next_times_while_one_types(developer_client, account, time_machine):
    time_machine.move_to(dt.datetime(2026, 10, 24, 12, 0, tzinfo=dt.UTC))
    query = {"cron_expression": "0 9 * * *", "time_zone": "Europe/Berlin"}

    shown = text(developer_client.get(url("schedule-check", **query), headers=HTMX))

    assert "At 09:00" in shown
    # The clocks go back in the night to the 25th.
    assert "Sun 2026-10-25 09:00" in shown
    assert ">Sun 08:00<" in shown
    assert "Thu 2026-10-29 09:00" in shown
    assert "<html" not in shown


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"cron_expression": "nope"}, "write five: minute, hour"),
        ({"cron_expression": "* * * * *", "time_zone": "Mars"}, "there is none"),
        ({"cron_expression": "* * * * *"}, "there is none"),
        ({"cron_expression": ""}, "The next times stand here"),
        ({}, "The next times stand here"),
        ({"cron_expression": "\0" * 2000, "time_zone": "\0"}, "cannot"),
    ],
)
def test_preview_says_what_is_wrong(developer_client, account, query, says):
    response = developer_client.get(url("schedule-check", **query), headers=HTMX)

    assert response.status_code == 200
    assert says.lower() in text(response).lower()


def test_preview_without_htmx_is_the_form_with_what_was_typed(developer_client, account):
    factories.deployed(name="greet")

    response = developer_client.get(
        url("schedule-check", cron_expression="0 9 * * *", time_zone="UTC"), follow=True
    )

    assert response.redirect_chain[0][0].startswith(url("schedule-new"))
    assert response.context["form"]["cron_expression"].value() == "0 9 * * *"
    assert response.context["preview"].words == "At 09:00"


def test_button_for_the_next_times_saves_nothing_and_keeps_what_was_typed(
    developer_client, account
):
    function = factories.deployed(name="greet")
    factories.deployed(name="other")
    typed = {**TYPED, "function": str(function.pk), "show": "times"}

    response = developer_client.post(url("schedule-new"), typed)

    form = response.context["form"]
    kept = {name: form[name].value() for name in {*TYPED, "function"}}
    assert kept == {**TYPED, "function": str(function.pk)}
    assert [each[1] for each in response.context["preview"].times] != []
    assert not Schedule.objects.exists()


def test_button_for_the_next_times_does_not_take_what_others_changed_for_read(
    developer_client, account
):
    schedule = scheduled()
    schedules.change(schedule, schedules.Plan(cron_expression="0 1 * * *"), version=1, by="kim")
    typed = {**TYPED, "version": "1", "show": "times"}

    response = developer_client.post(url("schedule-edit", schedule), typed)

    form = response.context["form"]
    assert (form["cron_expression"].value(), form["version"].value()) == (
        TYPED["cron_expression"],
        "1",
    )
    assert Schedule.objects.get().cron_expression == "0 1 * * *"


# One ----------------------------------------------------------------------------------------------


def test_page_shows_the_runs_with_their_outcome_time_and_logs(
    developer_client, account, time_machine
):
    time_machine.move_to(NOON, tick=False)
    schedule = scheduled(time_zone="Europe/Berlin", payload={"secret?": "no"})
    invocation = factories.InvocationFactory(duration_ms=84.2, event=None, account_id=account.id)
    factories.ScheduleRunFactory(
        schedule=schedule, due_at=NOON - dt.timedelta(minutes=5), invocation=invocation
    )
    factories.ScheduleRunFactory(
        schedule=schedule,
        due_at=NOON - dt.timedelta(minutes=10),
        state=RunState.FAILED,
        failure="Function failed: no stock in line 2",
    )
    factories.ScheduleRunFactory(
        schedule=schedule, due_at=NOON - dt.timedelta(hours=3), state=RunState.MISSED
    )

    response = developer_client.get(url("schedule", schedule))

    assert [(badge[1], wall) for _, badge, wall in response.context["runs"]] == [
        ("OK", "Mon 2026-06-01 13:55"),
        ("Failed", "Mon 2026-06-01 13:50"),
        ("Missed", "Mon 2026-06-01 11:00"),
    ]
    shown = text(response)
    assert "84 ms" in shown
    assert "no stock in line 2" in shown
    assert f"?q={invocation.pk}&window=7d" in shown
    assert '"secret?": "no"' in shown
    assert [wall for _, wall, _ in response.context["preview"].times][:2] == [
        "Mon 2026-06-01 14:05",
        "Mon 2026-06-01 14:10",
    ]
    assert "in 5 min" in shown


def test_runs_are_paged(developer_client, account):
    schedule = scheduled()
    factories.ScheduleRunFactory.create_batch(30, schedule=schedule)

    first = developer_client.get(url("schedule", schedule))
    second = developer_client.get(first.context["older"])

    dues = [run.due_at for page in (first, second) for run, *_ in page.context["runs"]]
    assert (len(first.context["runs"]), len(dues)) == (25, 30)
    assert dues == sorted(dues, reverse=True)
    assert second.context["newest"] == url("schedule", schedule)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"active": False, "next_at": None}, "It is paused. What would be due"),
        (
            {
                "last_state": RunState.FAILED,
                "last_failure": "Function failed: no stock",
                "last_at": NOON,
            },
            "Function failed: no stock",
        ),
    ],
)
def test_page_says_what_is_the_matter(developer_client, account, fields, says):
    assert says in text(developer_client.get(url("schedule", scheduled(**fields))))


def test_page_warns_when_the_function_is_not_deployed(developer_client, account):
    schedule = factories.ScheduleFactory(function_name="greet")

    shown = text(developer_client.get(url("schedule", schedule)))

    assert "greet is not deployed, so nothing runs" in shown
    assert "none as things stand" in shown


def test_schedule_is_edited(developer_client, account):
    schedule = scheduled(payload={"a": [1]}, description="Old")

    page = developer_client.get(url("schedule-edit", schedule))
    response = developer_client.post(url("schedule-edit", schedule), {**TYPED, "version": "1"})

    assert json.loads(page.context["form"]["body"].value()) == {
        "headers": [],
        "payload": {"a": [1]},
    }
    assert response["Location"] == url("schedule", schedule)
    schedule.refresh_from_db()
    assert (schedule.version, schedule.payload, schedule.description) == (
        2,
        {"days": 2},
        "Morning report",
    )


def test_edit_of_what_somebody_changed_is_a_conflict_that_keeps_what_was_typed(
    developer_client, account
):
    schedule = scheduled()
    theirs = schedules.Plan(cron_expression="0 1 * * *", description="Theirs")
    schedules.change(schedule, theirs, version=1, by="kim")

    response = developer_client.post(url("schedule-edit", schedule), {**TYPED, "version": "1"})

    assert response.status_code == 409
    shown = text(response)
    assert "kim changed it" in shown
    assert response.context["theirs"] == [
        ("Cron expression", "0 1 * * *"),
        ("Time zone", "Etc/UTC"),
        ("Description", "Theirs"),
        ("Input", '{\n  "headers": [],\n  "payload": {}\n}'),
    ]
    form = response.context["form"]
    assert (form["description"].value(), form["version"].value()) == ("Morning report", "2")

    developer_client.post(url("schedule-edit", schedule), {**TYPED, "version": "2"})
    assert Schedule.objects.get().description == "Morning report"


def test_edit_without_a_change_says_so(developer_client, account):
    schedule = scheduled()
    form = developer_client.get(url("schedule-edit", schedule)).context["form"]

    response = developer_client.post(url("schedule-edit", schedule), form.initial, follow=True)

    assert "Nothing to save: the schedule has not changed" in text(response)
    assert Schedule.objects.get().version == 1


def test_edit_of_a_paused_schedule_leaves_it_paused(developer_client, account):
    schedule = scheduled(active=False, next_at=None)

    developer_client.post(url("schedule-edit", schedule), {**TYPED, "version": "1"})

    schedule.refresh_from_db()
    assert (schedule.active, schedule.next_at, schedule.version) == (False, None, 2)


def test_schedule_is_paused_and_resumed(admin_client, account):
    schedule = scheduled()

    admin_client.post(url("schedule-switch", schedule), {"active": "no"})
    schedule.refresh_from_db()
    assert (schedule.active, schedule.next_at) == (False, None)

    admin_client.post(url("schedule-switch", schedule), {"active": "yes"})
    schedule.refresh_from_db()
    assert schedule.active
    assert schedule.next_at > timezone.now()


def test_schedule_is_deleted_after_a_question(admin_client, account):
    schedule = scheduled()

    question = admin_client.get(url("schedule-delete", schedule), headers=HTMX)
    assert 'greet does not run by itself any more ("Every 5 minutes")' in text(question)
    response = admin_client.post(url("schedule-delete", schedule))

    assert response["Location"] == url()
    assert not Schedule.objects.exists()


# Who may ------------------------------------------------------------------------------------------


def test_team_without_a_role_reads_and_changes_nothing(team_client, account):
    schedule = scheduled()

    for name, row in (("schedules", None), ("schedule", schedule)):
        response = team_client.get(url(name, row))
        assert response.status_code == 200
        assert not response.context["may_change"]
        assert "Edit" not in text(response).split("<main")[1]
    refused = [("schedule-new", None), ("schedule-check", None), ("schedule-edit", schedule),
               ("schedule-delete", schedule)]  # fmt: skip
    assert {team_client.get(url(name, row)).status_code for name, row in refused} == {403}
    refused = [("schedule-new", None), ("schedule-edit", schedule), ("schedule-delete", schedule),
               ("schedule-switch", schedule)]  # fmt: skip
    assert {team_client.post(url(name, row)).status_code for name, row in refused} == {403}
    assert Schedule.objects.filter(pk=schedule.pk, active=True).exists()


def test_schedule_of_another_account_is_not_there(developer_client, account):
    theirs = factories.ScheduleFactory(account_id="other1")

    for name in ("schedule", "schedule-edit", "schedule-delete"):
        assert developer_client.get(url(name, theirs)).status_code == 404
    for name in ("schedule-edit", "schedule-delete", "schedule-switch"):
        assert developer_client.post(url(name, theirs), TYPED).status_code == 404
    assert Schedule.objects.filter(pk=theirs.pk, active=F("active")).exists()


# Where else it is told ----------------------------------------------------------------------------


def test_undeploying_and_deleting_say_what_becomes_of_the_schedules(developer_client, account):
    schedule = scheduled("greet")
    draft = factories.FunctionFactory(name="draft")
    factories.ScheduleFactory.create_batch(2, function_id=draft.pk)
    arguments = {"account_id": factories.ACCOUNT_ID}

    undeploy = reverse("functions:undeploy", kwargs={**arguments, "name": schedule.function_name})
    delete = reverse("functions:delete", kwargs={**arguments, "name": "draft"})

    assert "Its schedule waits until it is deployed again." in text(developer_client.get(undeploy))
    assert "Its 2 schedules go too." in text(developer_client.get(delete))


def test_home_lists_schedules_that_fail_or_cannot_run(developer_client, account):
    scheduled("broken", last_state=RunState.FAILED, last_failure="no stock", last_at=NOON)
    scheduled("fine", last_state=RunState.SUCCEEDED, last_at=NOON)
    scheduled("paused", active=False, next_at=None, last_state=RunState.FAILED, last_at=NOON)
    factories.ScheduleFactory(function_name="undeployed")

    shown = developer_client.get(reverse("account", args=[account.pk])).context["attention"]

    assert [(each.kind, each.text) for each in shown if each.action == "Schedule"] == [
        ("bad", "broken on schedule (Every 5 minutes): its last run failed, no stock"),
        ("warn", "undeployed on schedule (Every 5 minutes): it is not deployed, so nothing runs"),
    ]
