"""The pages of office hours: who may change them, what they say, what is refused."""

import datetime as dt
import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from invoker import hours
from invoker.hours import changes
from invoker.models import Conversation, OfficeHours
from tests import factories

ACCOUNT_ID = factories.ACCOUNT_ID


def url(name, *rest):
    return reverse(name, args=[ACCOUNT_ID, *rest])


def text(response):
    return response.content.decode()


@pytest.fixture
def berlin(account):
    return changes.create(ACCOUNT_ID, name="Berlin office", time_zone="Europe/Berlin", by="ada")


def week(*rows):
    return {
        "day": [row[0] for row in rows],
        "start": [row[1] for row in rows],
        "end": [row[2] for row in rows],
    }


def test_account_without_hours_is_said_to_be_always_open(developer_client, account):
    assert "Always open" in text(developer_client.get(url("hours")))


def test_time_zones_are_a_menu_with_one_of_them_chosen(admin_client, account):
    page = text(admin_client.get(url("hours-new")))
    wrong = admin_client.post(url("hours-new"), {"name": "x", "time_zone": '"<Mars>'})

    assert '<select name="time_zone" id="id_time_zone">' in page
    assert re.findall(r'<option value="([^"]+)" selected>', page) == ["UTC"]
    assert '<option value="America/New_York">America/New York</option>' in page
    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in text(wrong)
    assert "<Mars>" not in text(wrong)


def test_admin_adds_hours_and_sets_their_week(admin_client, account):
    new = {"name": "Berlin office", "time_zone": "Europe/Berlin"}
    page = admin_client.post(url("hours-new"), new, follow=True)
    assert "Added Berlin office" in text(page)
    row = OfficeHours.objects.get()
    assert row.is_default

    rows = week(
        ("0", "09:00", "17:00"), ("5", "22:00", "02:00"), ("1", "", ""), ("6", "00:00", "24:00")
    )
    page = admin_client.post(url("hours-week", row.pk), rows, follow=True)

    assert "Saved the week of Berlin office" in text(page)
    row.refresh_from_db()
    windows = [
        (each.start.weekday(), each.end - each.start) for each in hours.read_workdays(row.workdays)
    ]
    assert windows == [
        (0, dt.timedelta(hours=8)), (5, dt.timedelta(hours=4)), (6, dt.timedelta(hours=24)),
    ]  # fmt: skip
    assert 'value="22:00"' in text(page)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("7", "09:00", "10:00"), "“7” is no day"),
        (("0", "25:00", "10:00"), "“25:00” is no time for Monday, from"),
        (("0", "09:00", ""), "“” is no time for Monday, to"),
        (("²", "09:00", "10:00"), "“²” is no day"),
        (("1" * 5000, "09:00", "10:00"), "is no day"),
    ],
    ids=["day", "from", "to", "digit", "huge"],
)
def test_week_that_cannot_be_read_is_shown_again_with_the_reason(
    admin_client, berlin, row, sentence
):
    before = berlin.workdays

    response = admin_client.post(url("hours-week", berlin.pk), week(("1", "08:00", "09:00"), row))

    assert response.status_code == 422
    assert sentence.replace("“", "&quot;").replace("”", "&quot;") in text(response)
    assert 'value="08:00"' in text(response)
    berlin.refresh_from_db()
    assert berlin.workdays == before


def test_occasion_is_added_and_deleted(admin_client, berlin):
    facts = {
        "name": "Christmas",
        "working": "no",
        "start": "2026-12-24T14:00",
        "end": "2026-12-27T00:00",
    }
    page = text(admin_client.post(url("occasion-add", berlin.pk), facts, follow=True))
    assert "Added Christmas" in page
    assert "Thu, 24 Dec 2026, 14:00" in page

    question = admin_client.get(url("occasion-delete", berlin.pk, 0))
    assert "Delete Christmas" in text(question)
    admin_client.post(url("occasion-delete", berlin.pk, 0))

    berlin.refresh_from_db()
    assert berlin.occasions == []
    assert admin_client.get(url("occasion-delete", berlin.pk, 0)).status_code == 404


def test_occasion_that_ends_before_it_starts_is_refused_beside_its_end(admin_client, berlin):
    facts = {"name": "x", "working": "no", "start": "2026-12-24T14:00", "end": "2026-12-24T13:00"}

    response = admin_client.post(url("occasion-add", berlin.pk), facts)

    assert response.status_code == 422
    assert "end must be later than the start" in text(response)


def test_office_is_switched_off_until_a_time_of_its_own_clock_and_on_again(admin_client, berlin):
    until = (timezone.now() + dt.timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M")

    page = text(admin_client.post(url("hours-off", berlin.pk), {"until": until}, follow=True))

    assert "Switched off" in page
    berlin.refresh_from_db()
    left = berlin.off_until - timezone.now()
    assert dt.timedelta(hours=2, minutes=50) < left < dt.timedelta(hours=4, minutes=5)
    assert not hours.load(ACCOUNT_ID).shift("1", int(timezone.now().timestamp() * 1000)).open
    page = text(admin_client.post(url("hours-on", berlin.pk), follow=True))
    assert "follows its week again" in page
    assert hours.load(ACCOUNT_ID).shift("1", int(timezone.now().timestamp() * 1000)).open


def test_hours_are_renamed_moved_and_given_to_skills(admin_client, berlin):
    facts = {"name": "Paris", "description": "d", "time_zone": "Europe/Paris", "skills": "7, 42  9"}

    page = text(admin_client.post(url("hours-profile", berlin.pk), facts, follow=True))

    assert "Saved Paris" in page
    berlin.refresh_from_db()
    assert (berlin.time_zone, berlin.is_default) == ("Europe/Paris", False)
    assert sorted(berlin.skills.values_list("skill_id", flat=True)) == ["42", "7", "9"]
    assert "7, 9" in page


def test_skill_of_other_hours_is_refused_and_named(admin_client, berlin):
    facts = {"name": "Night", "description": "", "time_zone": "UTC", "skills": "7"}
    night = changes.create(ACCOUNT_ID, name="Night", time_zone="UTC", by="ada")
    admin_client.post(url("hours-profile", night.pk), facts)

    facts |= {"name": "Berlin office"}
    response = admin_client.post(url("hours-profile", berlin.pk), facts)

    assert response.status_code == 422
    assert "&quot;7&quot; has the hours of &quot;Night&quot;" in text(response)


def test_hours_are_deleted_after_a_question(admin_client, berlin):
    assert "every skill is always open" in text(admin_client.get(url("hours-delete", berlin.pk)))

    admin_client.post(url("hours-delete", berlin.pk))

    assert not OfficeHours.objects.exists()


def test_export_and_import_are_the_vendors_lists(admin_client, developer_client, berlin):
    exported = developer_client.get(url("hours-export-days"))
    assert exported["Content-Disposition"] == 'attachment; filename="acme1-working-hours.json"'
    document = json.loads(exported.content)
    assert [each["name"] for each in document] == ["Berlin office"]
    document[0]["events"] = document[0]["events"][:1]
    upload = SimpleUploadedFile("hours.json", json.dumps(document).encode())

    looked = admin_client.post(url("hours-import"), {"kind": "workdays", "file": upload})

    assert "Berlin office has 1 windows instead of 7" in text(looked)
    assert len(OfficeHours.objects.get().workdays) == 7
    decided = {"kind": "workdays", "document": json.dumps(document), "decided": "yes"}
    admin_client.post(url("hours-import"), decided)
    assert len(OfficeHours.objects.get().workdays) == 1


def far_away(day):
    moment = {"dateTime": day, "timeZone": "America/Los_Angeles"}
    event = {"start": moment, "end": moment, "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO"]}
    return json.dumps([{"name": "x", "events": [event]}])


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("", "choose a file or paste a list"),
        ("{", "this is no JSON"),
        ("[" * 100_000, "Cannot import"),
        ('[{"name": "x", "events": 5}]', "[0].events must be a list, not 5"),
        ('[{"name": "\\ud800", "events": []}]', "Cannot use the office hours"),
        (far_away("9999-12-31"), "must lie between the years 1970 and 2999, not 9999"),
        (far_away("0001-01-01"), "must lie between the years 1970 and 2999, not 1"),
    ],
)
def test_import_that_cannot_be_read_says_why(admin_client, account, document, sentence):
    response = admin_client.post(url("hours-import"), {"kind": "workdays", "document": document})

    assert response.status_code == 422
    assert sentence in text(response)
    assert not OfficeHours.objects.exists()


@pytest.mark.parametrize("until", ["9999-12-31T23:59", "0001-01-01T00:00", "2020-01-01T00:00"])
def test_office_is_not_switched_off_until_a_time_nobody_can_mean(admin_client, berlin, until):
    response = admin_client.post(url("hours-off", berlin.pk), {"until": until})

    assert response.status_code == 422
    berlin.refresh_from_db()
    assert berlin.off_until is None


def test_change_has_open_conversations_looked_at(admin_client, berlin):
    conversation = factories.ConversationFactory(state={"conv_id": "c-1", "state": "OPEN"})
    Conversation.objects.update(due_at=None)

    admin_client.post(url("hours-week", berlin.pk), week(("0", "09:00", "17:00")))

    conversation.refresh_from_db()
    assert conversation.due_at is not None


CHANGES = [
    ("hours-new", ()), ("hours-import", ()), ("hours-profile", (1,)), ("hours-week", (1,)),
    ("hours-off", (1,)), ("hours-on", (1,)), ("hours-delete", (1,)), ("occasion-add", (1,)),
    ("occasion-delete", (1, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rest"), CHANGES)
def test_developers_read_and_do_not_change(developer_client, berlin, name, rest):
    rest = [berlin.pk, *rest[1:]] if rest else []
    before = OfficeHours.objects.values().get()

    assert developer_client.post(url(name, *rest)).status_code == 403

    assert OfficeHours.objects.values().get() == before
    assert developer_client.get(url("hours-profile", berlin.pk)).status_code == 200


@pytest.mark.parametrize(("name", "rest"), [*CHANGES, ("hours", ()), ("hours-export-days", ())])
def test_hours_of_another_account_are_not_there(client, outsider, berlin, name, rest):
    client.force_login(outsider)
    rest = [berlin.pk, *rest[1:]] if rest else []

    assert client.post(url(name, *rest)).status_code == 404
    if rest:
        assert client.post(reverse(name, args=["other1", *rest])).status_code == 404
