"""The audit log as people read it: who may, filters, pages, one entry, and as a file."""

import csv
import datetime as dt
import io
import json
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from functions import deploying, services
from houston.views import audit_log
from invoker.models import AuditEntry
from tests import factories


def page(client, query="", **options):
    return client.get(f"{reverse('audit-log', args=['acme1'])}{query}", **options)


def subjects(response):
    return [row.entry.subject for row in response.context["rows"]]


def one(client, entry):
    return client.get(reverse("audit-entry", args=["acme1", entry.pk]))


def exported(client, query=""):
    return client.get(f"{reverse('audit-export', args=['acme1'])}{query}")


def body(response):
    return b"".join(response.streaming_content).decode()


# Who may read -------------------------------------------------------------------------------------


@pytest.fixture
def entries(account):
    """What happened to a function, and to a member."""
    return [
        factories.AuditEntryFactory(action="function.deployed", subject="greet"),
        factories.AuditEntryFactory(action="member.added", subject="nina"),
    ]


@pytest.mark.parametrize("who", ["admin_client", "team_client"])
def test_admins_and_the_account_team_read_everything(entries, request, who):
    client = request.getfixturevalue(who)

    listed = page(client)

    assert set(subjects(listed)) == {"greet", "nina"}
    assert "192.0.2.1" in listed.content.decode()
    assert [one(client, entry).status_code for entry in entries] == [200, 200]


def test_developers_read_what_happened_to_functions_and_no_addresses(developer_client, entries):
    listed = page(developer_client, "?kind=member")
    everything = page(developer_client)
    lines = body(exported(developer_client, "?format=jsonl"))

    assert subjects(everything) == ["greet"]
    assert listed.status_code == 422
    assert "192.0.2.1" not in everything.content.decode() + lines
    assert [json.loads(line)["subject"] for line in lines.splitlines()] == ["greet"]
    assert [one(developer_client, entry).status_code for entry in entries] == [200, 404]


def test_entries_of_another_account_are_not_there(admin_client, account):
    theirs = factories.AuditEntryFactory(account_id="other1", subject="theirs")

    assert subjects(page(admin_client)) == []
    assert one(admin_client, theirs).status_code == 404
    assert body(exported(admin_client, "?format=jsonl")) == ""


# The list -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(admin_client, account, count, django_assert_num_queries):
    factories.AuditEntryFactory.create_batch(count)

    # Session, user, membership, set-up, accounts to switch to, people, entries.
    with django_assert_num_queries(7):
        response = page(admin_client)

    assert len(subjects(response)) == count


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?by=ADA", ["old"]),
        ("?kind=domain", ["new.example.com"]),
        ("?subject=EXAMPLE", ["new.example.com"]),
        ("?since=2026-01-02", ["new.example.com"]),
        ("?until=2026-01-01", ["old"]),
        ("?since=2026-01-01&until=2026-01-01&by=ada&kind=secret", ["old"]),
        ("?by=nobody", []),
    ],
)
def test_filters_narrow_the_list(admin_client, account, query, found):
    days = [dt.datetime(2026, 1, day, 23, 59, tzinfo=dt.UTC) for day in (1, 2)]
    factories.AuditEntryFactory(subject="old", by="ada", at=days[0])
    factories.AuditEntryFactory(subject="new.example.com", action="domain.added", at=days[1])

    assert subjects(page(admin_client, query)) == found


@pytest.mark.parametrize(
    "query",
    ["?since=yesterday", "?until=2026-02-31", "?kind=weather", "?by=%00", f"?subject={'x' * 201}"],
)
def test_filter_that_cannot_be_used_says_so(admin_client, account, query):
    factories.AuditEntryFactory(subject="kept")

    response = page(admin_client, query)

    assert response.status_code == 422
    assert subjects(response) == ["kept"]
    assert 'class="errorlist"' in response.content.decode()


def test_pages_follow_each_other_whatever_comes_meanwhile(admin_client, account, monkeypatch):
    monkeypatch.setattr(audit_log, "PAGE_SIZE", 2)
    # Three at the same moment: the key alone tells them apart.
    now = timezone.now()
    factories.AuditEntryFactory.create_batch(5, at=now, by="ada")

    first = page(admin_client, "?by=ada")
    factories.AuditEntryFactory(subject="meanwhile", by="ada")
    second = admin_client.get(first.context["older"])
    third = admin_client.get(second.context["older"])

    seen = [each for answer in (first, second, third) for each in subjects(answer)]
    assert sorted(seen) == sorted(
        AuditEntry.objects.exclude(subject="meanwhile").values_list("subject", flat=True)
    )
    assert third.context["older"] == ""
    assert subjects(admin_client.get(third.context["newest"]))[0] == "meanwhile"


@pytest.mark.parametrize("place", ["x", "20260101T000000.000000_1", "%00"])
def test_page_that_begins_nowhere_is_404(admin_client, account, place):
    assert page(admin_client, f"?before={place}").status_code == 404


# One entry ----------------------------------------------------------------------------------------


def test_entry_shows_each_value_before_and_after(admin_client, account):
    entry = factories.AuditEntryFactory(
        action="bot.saved",
        subject="the controller bot",
        before={"Retries": 0, "Welcome": False, "Gone": "x"},
        after={"Retries": 2, "Welcome": True, "New": ["a"]},
        detail="by hand",
    )

    response = one(admin_client, entry)

    shown = [(each.name, each.before, each.after) for each in response.context["differences"]]
    assert shown == [
        ("Retries", "0", "2"),
        ("Welcome", "no", "yes"),
        ("Gone", "x", ""),
        ("New", "", '["a"]'),
    ]
    assert "Changed the controller bot" in response.content.decode()
    assert "by hand" in response.content.decode()


@pytest.fixture
def function(account):
    """Saved twice and deployed twice."""
    made = services.create(
        account.pk, name="greet", description="Says", event_type="", by="dana", code=ONE
    )
    for code, environment in ((TWO, {"KEY": "a"}), (ONE, {})):
        services.save_draft(
            made,
            version=made.version,
            code=code,
            description="Says",
            environment=environment,
            by="dana",
        )
    return made


ONE = "function lambda(input, callback) { callback(null, 1); }"
TWO = "function lambda(input, callback) { callback(null, 2); }"


def codes(client, action):
    entry = AuditEntry.objects.filter(action=action).order_by("-at").first()
    found = one(client, entry).context["codes"]
    return found and (found.before_name, found.before, found.after_name, found.after)


def test_entry_of_a_saved_function_compares_its_versions(developer_client, function):
    assert codes(developer_client, "function.saved") == ("Version 2", TWO, "Version 3", ONE)
    assert codes(developer_client, "function.created") == ("no version", "", "Version 1", ONE)


def test_entry_of_a_deployment_compares_what_was_live_also_when_all_is_deleted(
    developer_client, function
):
    factories.DeploymentFactory(function_id=function.pk, account_id="acme1", version=2, code=TWO)
    deploying.deploy(function, version=3, by="dana")
    live = codes(developer_client, "function.deployed")
    deploying.undeploy(function, by="dana")
    services.delete(function, by="dana")

    assert live == ("Version 2", TWO, "Version 3", ONE)
    assert codes(developer_client, "function.deployed") == live
    assert codes(developer_client, "function.saved") is None


def test_entry_of_a_version_that_was_not_deployed_has_no_comparison(developer_client, function):
    factories.AuditEntryFactory(
        action="function.deploy-failed",
        subject_id=str(function.pk),
        after={"Version": 3, "Problem": "no lambda"},
    )

    assert codes(developer_client, "function.deploy-failed") is None


# As a file ----------------------------------------------------------------------------------------


def test_csv_holds_what_the_filters_find(admin_client, account):
    kept = factories.AuditEntryFactory(by="ada", subject="a,b\n“c”", after={"Type": "Text"})
    factories.AuditEntryFactory(by="kim")

    response = exported(admin_client, "?by=ada&format=csv")

    rows = list(csv.DictReader(io.StringIO(body(response))))
    assert response["Content-Disposition"] == 'attachment; filename="audit-log-acme1.csv"'
    assert [
        {name: row[name] for name in ("by", "address", "subject", "before", "after", "id")}
        for row in rows
    ] == [
        {
            "by": "ada",
            "address": "192.0.2.1",
            "subject": "a,b\n“c”",
            "before": "",
            "after": '{"Type": "Text"}',
            "id": str(kept.pk),
        }
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_formula(admin_client, account, start):
    factories.AuditEntryFactory(subject=f"{start}HYPERLINK()")

    rows = list(csv.DictReader(io.StringIO(body(exported(admin_client)), newline="")))

    assert rows[0]["subject"] == f"'{start}HYPERLINK()"


def test_json_lines_hold_whole_values(admin_client, account):
    factories.AuditEntryFactory(before={"a": 1}, after={"a": [2]}, subject="=1")

    line = json.loads(body(exported(admin_client, "?format=jsonl")))

    assert (line["before"], line["after"], line["subject"]) == ({"a": 1}, {"a": [2]}, "=1")


def test_export_of_too_much_says_what_to_do(admin_client, account, monkeypatch):
    monkeypatch.setattr(audit_log, "MAX_EXPORT", 1)
    factories.AuditEntryFactory.create_batch(2)

    response = exported(admin_client)

    assert response.status_code == 422
    assert "narrow them down by days" in response.content.decode()


def test_export_streams_with_as_many_queries_however_much(
    admin_client, account, django_assert_num_queries
):
    factories.AuditEntryFactory.create_batch(3)

    # Session, user, membership, count, entries.
    with django_assert_num_queries(5):
        lines = body(exported(admin_client)).splitlines()

    assert len(lines) == 4


def test_entry_nobody_wrote_is_404(admin_client, account):
    assert admin_client.get(
        reverse("audit-entry", args=["acme1", uuid.uuid4()])
    ).status_code == 404  # fmt: skip
