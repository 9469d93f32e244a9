"""Schedules as programs of both dialects make, read, change and delete them."""

import datetime as dt
import uuid

import pytest

from houston.models import Scope
from invoker import schedules
from invoker.models import AuditEntry, Schedule
from tests import api, factories

NOW = dt.datetime(2026, 3, 10, 14, 33, 20, 250_000, tzinfo=dt.UTC)
INVALID = "com.liveperson.faas.fm.validation.general"
EMPTY = {"headers": [], "payload": {}}


@pytest.fixture
def now(time_machine):
    time_machine.move_to(NOW, tick=False)
    return NOW


@pytest.fixture
def client(account, now):
    return api.of_client(account)


@pytest.fixture
def function(account, now):
    return factories.deployed(name="greet")


def sent(function, **more):
    """What the command line sends, in both of its generations."""
    return {
        "timestamp": 0,
        "lambdaUUID": str(function.pk),
        "cronExpression": "*/5 * * * *",
        "isActive": True,
        "uuid": "",
        **more,
    }


def shown(schedule, **more):
    """What V2 gets to see of a schedule that the factory made."""
    return {
        "id": str(schedule.pk),
        "functionUuid": str(schedule.function_id),
        "cronExpression": "*/5 * * * *",
        "isActive": True,
        "description": "",
        "timeZone": "Etc/UTC",
        "nextExecution": "2026-03-10T14:34:20.250Z",
        "lastExecution": None,
        "didLastExecutionFail": False,
        "invocationBody": EMPTY,
        "version": 1,
        **more,
    }


def test_command_line_of_v1_creates_a_schedule(client, function):
    response = client.post("/schedules", sent(function), userId="987", v="1")

    schedule = Schedule.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "uuid": str(schedule.pk),
        "lambdaUUID": str(function.pk),
        "cronExpression": "*/5 * * * *",
        "isActive": True,
        "nextExecution": "2026-03-10T14:35:00.000Z",
        "lastExecution": None,
        "didLastExecutionFail": False,
        "createdBy": schedule.created_by,
    }
    assert (schedule.time_zone, schedule.headers, schedule.payload) == ("Etc/UTC", [], {})
    assert schedule.created_by.startswith("API client ")
    assert AuditEntry.objects.get().action == "schedule.created"


def test_command_line_of_v2_creates_a_schedule(client, function):
    response = client.post("/schedules", sent(function), userId="987")

    schedule = Schedule.objects.get()
    assert response.status_code == 201
    assert response.json() == shown(schedule, nextExecution="2026-03-10T14:35:00.000Z")


def test_schedule_is_created_with_all_that_it_can_have(client, function):
    body = {"headers": [{"key": "a", "value": " b "}], "payload": ["x", None, {"y": 1.5}]}

    response = client.post(
        "/schedules",
        sent(
            function, cronExpression=" 30  8 * * mon ", isActive=False, description="Mondays",
            timeZone="Europe/Berlin", invocationBody=body,
        ),
    )  # fmt: skip

    assert response.json() == shown(
        Schedule.objects.get(),
        cronExpression="30 8 * * mon",
        isActive=False,
        description="Mondays",
        timeZone="Europe/Berlin",
        nextExecution=None,
        invocationBody=body,
    )


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"cronExpression": ""}, 400, "invalid-cron-expression"),
        ({"cronExpression": "* * * *"}, 400, "invalid-cron-expression"),
        ({"cronExpression": "* * * * * *"}, 400, "invalid-cron-expression"),
        ({"cronExpression": "0 0 30 2 *"}, 400, "invalid-cron-expression"),
        ({"cronExpression": "5 " * 100_000}, 400, "invalid-cron-expression"),
        ({"cronExpression": "* * * * \0"}, 400, INVALID),
        ({"cronExpression": None}, 400, INVALID),
        ({"cronExpression": ["*"]}, 400, INVALID),
        ({"timeZone": "Mars/Olympus"}, 400, "unknown-time-zone"),
        ({"timeZone": "../etc/passwd"}, 400, "unknown-time-zone"),
        ({"timeZone": "x" * 100_000}, 400, "unknown-time-zone"),
        ({"timeZone": {}}, 400, INVALID),
        ({"description": "x" * 201}, 400, INVALID),
        ({"isActive": "maybe"}, 400, INVALID),
        ({"isActive": []}, 400, INVALID),
        ({"isActive": None}, 400, INVALID),
        ({"invocationBody": None}, 400, INVALID),
        ({"invocationBody": []}, 400, INVALID),
        ({"invocationBody": {"headers": {}}}, 400, INVALID),
        ({"invocationBody": {"headers": [["a", "b"]]}}, 400, INVALID),
        ({"invocationBody": {"headers": [{"key": "a"}]}}, 400, INVALID),
        ({"invocationBody": {"headers": [{"key": "a", "value": {}}]}}, 400, INVALID),
        ({"invocationBody": {"payload": "x" * 14_999}}, 400, "payload-too-long"),
        ({"lambdaUUID": ""}, 400, INVALID),
        ({"lambdaUUID": "greet"}, 400, INVALID),
        ({"lambdaUUID": None}, 400, INVALID),
        ({"lambdaUUID": 10**40}, 400, INVALID),
        ({"lambdaUUID": str(uuid.UUID(int=1))}, 404, "com.liveperson.faas.function.not-found"),
    ],
)
@pytest.mark.parametrize("query", [{"v": "1"}, {}])
def test_schedule_that_cannot_be_is_refused_with_a_code(
    *, client, function, more, status, code, query
):
    response = client.post("/schedules", sent(function, **more), **query)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == {"code", "message", "errorCode", "errorMsg"}
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("missing", ["lambdaUUID", "cronExpression"])
def test_function_and_times_must_be_given(client, function, missing):
    body = sent(function)
    del body[missing]

    response = client.post("/schedules", body)

    assert response.status_code == 400
    assert missing in response.json()["message"]


@pytest.mark.parametrize("body", [[], None, "text", 5])
def test_body_that_is_no_schedule_is_refused(client, function, body):
    schedule = factories.ScheduleFactory(function_id=function.pk)

    assert client.post("/schedules", body).status_code == 400
    assert client.put(f"/schedules/{schedule.pk}", body).status_code == 400
    schedule.refresh_from_db()
    assert schedule.version == 1


def test_function_must_be_deployed_and_of_the_account(client, function):
    draft = factories.FunctionFactory()
    theirs = factories.deployed(name="greet", account_id="other1")

    for one in (draft, theirs):
        response = client.post("/schedules", sent(one))
        assert response.status_code == 404
        assert response.json()["errorCode"] == "com.liveperson.faas.es.notdeployed"
    assert not Schedule.objects.exists()


def test_account_has_no_more_schedules_than_it_may(client, function, monkeypatch):
    monkeypatch.setattr("invoker.schedules.changes.MAX_SCHEDULES", 1)
    first = client.post("/schedules", sent(function))

    second = client.post("/schedules", sent(function))

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["code"] == "limit-reached"


def test_list_has_the_own_schedules_by_function(client, django_assert_num_queries):
    b = factories.ScheduleFactory(function_name="b")
    a = factories.ScheduleFactory(
        function_name="a", last_at=NOW - dt.timedelta(minutes=1), last_state="failed"
    )
    factories.ScheduleFactory(account_id="other1")
    client.get("/schedules")

    with django_assert_num_queries(2):  # the client, the list
        response = client.get("/schedules")

    ran = {"lastExecution": "2026-03-10T14:32:20.250Z", "didLastExecutionFail": True}
    assert response.json() == [shown(a, **ran), shown(b)]
    v1 = client.get("/schedules", v="1").json()
    assert [(each["uuid"], each["didLastExecutionFail"]) for each in v1] == [
        (str(a.pk), True),
        (str(b.pk), False),
    ]


def test_one_schedule_is_read_changed_and_deleted(client):
    schedule = factories.ScheduleFactory(description="old", payload={"a": 1}, time_zone="UTC")
    path = f"/schedules/{schedule.pk}"

    read = client.get(path)
    put = client.put(path, {"cronExpression": "0 * * * *", "version": 1})
    patched = client.patch(path, {"description": "new", "invocationBody": {"payload": 5}})
    deleted = client.delete(path)

    assert read.json() == shown(
        schedule,
        description="old",
        timeZone="UTC",
        invocationBody={"headers": [], "payload": {"a": 1}},
    )
    hourly = {"cronExpression": "0 * * * *", "nextExecution": "2026-03-10T15:00:00.000Z"}
    assert (put.status_code, put.json()) == (200, shown(schedule, **hourly, version=2))
    assert patched.json() == shown(
        schedule, **hourly, description="new", version=3,
        invocationBody={"headers": [], "payload": 5},
    )  # fmt: skip
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(path).status_code == 404
    told = AuditEntry.objects.values_list("action", flat=True)
    assert sorted(told) == ["schedule.changed", "schedule.changed", "schedule.deleted"]


def test_v1_reads_and_changes_in_its_own_shape(client):
    schedule = factories.ScheduleFactory()
    path = f"/schedules/{schedule.pk}"

    put = client.put(path, {"cronExpression": "0 * * * *", "uuid": str(schedule.pk)}, v="1")

    assert put.json() == {
        "uuid": str(schedule.pk),
        "lambdaUUID": str(schedule.function_id),
        "cronExpression": "0 * * * *",
        "isActive": True,
        "nextExecution": "2026-03-10T15:00:00.000Z",
        "lastExecution": None,
        "didLastExecutionFail": False,
        "createdBy": "kim",
    }
    assert client.get(path, v="1").json() == put.json()


def test_schedule_is_paused_and_resumed_as_often_as_one_likes(client):
    schedule = factories.ScheduleFactory()
    path = f"/schedules/{schedule.pk}"

    answers = [client.patch(path, {"isActive": active}) for active in (False, False, True, True)]

    assert [each.status_code for each in answers] == [200] * 4
    assert [each.json()["nextExecution"] for each in answers] == [
        None,
        None,
        "2026-03-10T14:35:00.000Z",
        "2026-03-10T14:35:00.000Z",
    ]
    assert sorted(AuditEntry.objects.values_list("action", flat=True)) == [
        "schedule.paused",
        "schedule.resumed",
    ]


@pytest.mark.parametrize("method", ["put", "patch"])
def test_change_of_what_others_have_changed_is_refused(client, method):
    schedule = factories.ScheduleFactory(version=2)
    change = getattr(client, method)
    body = {"cronExpression": "0 * * * *", "isActive": False}

    old = change(f"/schedules/{schedule.pk}", {**body, "version": 1})
    schedule.refresh_from_db()
    unchanged = schedule.version
    new = change(f"/schedules/{schedule.pk}", {**body, "version": 2})
    again = change(f"/schedules/{schedule.pk}", body)

    assert (old.status_code, old.json()["code"]) == (409, "com.liveperson.faas.db.error.revision")
    assert unchanged == 2
    assert (new.status_code, new.json()["version"]) == (200, 3)
    assert (again.status_code, again.json()["code"]) == (409, "unchanged")


def test_pausing_by_an_old_version_is_refused(client):
    schedule = factories.ScheduleFactory(version=2)

    response = client.patch(f"/schedules/{schedule.pk}", {"isActive": False, "version": 1})

    assert response.status_code == 409
    schedule.refresh_from_db()
    assert schedule.active


@pytest.mark.parametrize("version", [0, -1, "x", 2**40, None, [], 1.5])
def test_version_that_none_can_be_is_refused(client, version):
    schedule = factories.ScheduleFactory()

    response = client.patch(f"/schedules/{schedule.pk}", {"description": "x", "version": version})

    assert (response.status_code, response.json()["code"]) == (400, INVALID)


def test_schedule_keeps_its_function(client):
    schedule = factories.ScheduleFactory()
    path = f"/schedules/{schedule.pk}"
    same, other = str(schedule.function_id), str(uuid.uuid4())

    assert client.patch(path, {"description": "x", "lambdaUUID": same}).status_code == 200
    refused = client.patch(path, {"description": "y", "lambdaUUID": other})

    assert refused.status_code == 400
    assert "a schedule keeps its function" in refused.json()["message"]


def test_schedule_of_another_account_is_not_there(client):
    theirs = factories.ScheduleFactory(account_id="other1")
    path = f"/schedules/{theirs.pk}"

    answers = [
        client.get(path),
        client.put(path, {"cronExpression": "0 * * * *"}),
        client.patch(path, {"isActive": False}),
        client.delete(path),
    ]

    assert [each.status_code for each in answers] == [404] * 4
    assert {each.json()["code"] for each in answers} == {"com.liveperson.faas.db.not-found"}
    assert Schedule.objects.filter(pk=theirs.pk, version=1).exists()


def test_schedule_deleted_meanwhile_is_not_there(client, monkeypatch):
    schedule = factories.ScheduleFactory()
    change = schedules.change

    def late(*args, **options):
        Schedule.objects.all().delete()
        change(*args, **options)

    monkeypatch.setattr(schedules, "change", late)
    response = client.put(f"/schedules/{schedule.pk}", {"cronExpression": "0 * * * *"})

    assert (response.status_code, response.json()["code"]) == (
        404,
        "com.liveperson.faas.db.not-found",
    )


@pytest.mark.parametrize(
    ("scope", "v1", "v2", "change"),
    [
        (Scope.ADMIN, 200, 200, True),
        (Scope.DEVELOPER, 200, 200, True),
        (Scope.INVOCATION, 200, 403, False),
    ],
)
def test_machines_that_invoke_read_schedules_in_v1_alone(*, account, now, scope, v1, v2, change):
    function = factories.deployed(name="greet")
    path = f"/schedules/{factories.ScheduleFactory(function_id=function.pk).pk}"
    client = api.of_client(account, scope)

    for address in ("/schedules", path, "/schedules/preview"):
        query = {"cronExpression": "0 * * * *"}
        assert client.get(address, v="1", **query).status_code == v1
        assert client.get(address, **query).status_code == v2
    for query in ({"v": "1"}, {}):
        assert client.post("/schedules", sent(function), **query).status_code == (
            201 if change else 403
        )
    statuses = [
        client.put(path, {"cronExpression": "0 * * * *"}).status_code,
        client.patch(path, {"isActive": False}).status_code,
        client.delete(path, v="1").status_code,
    ]
    assert statuses == ([200, 200, 204] if change else [403, 403, 403])


def test_account_team_reads_schedules_and_changes_none(client, account, team):
    schedule = factories.ScheduleFactory()
    person = api.of_person(account, team)

    assert person.get(f"/schedules/{schedule.pk}").status_code == 200
    assert person.patch(f"/schedules/{schedule.pk}", {"isActive": False}).status_code == 403


def test_preview_says_when_it_would_be_due(client):
    response = client.get(
        "/schedules/preview", cronExpression="30  9 * * *", timeZone="Europe/Berlin"
    )

    assert response.status_code == 200
    assert response.json() == {
        "inWords": "At 09:30",
        "nextExecutions": [f"2026-03-{day}T08:30:00.000Z" for day in range(11, 16)],
    }


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, INVALID),
        ({"cronExpression": ""}, INVALID),
        ({"cronExpression": "x"}, "invalid-cron-expression"),
        ({"cronExpression": "0 0 31 6 *"}, "invalid-cron-expression"),
        ({"cronExpression": "0 * * * *", "timeZone": "Nowhere"}, "unknown-time-zone"),
    ],
)
def test_preview_of_what_cannot_be_is_refused(client, query, code):
    response = client.get("/schedules/preview", **query)

    assert (response.status_code, response.json()["code"]) == (400, code)


def test_preview_is_in_utc_when_nothing_is_said(client):
    response = client.get("/schedules/preview", cronExpression="0 15 * * *", timeZone="")

    assert response.json()["nextExecutions"][0] == "2026-03-10T15:00:00.000Z"
