"""The pages that export functions as files and import them."""

import html
import io
import re
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from functions import exchange, services
from functions.models import Function
from functions.views import exchanging
from houston.models import Role
from invoker import events
from tests import factories
from tests.functions.test_exchange import SOURCE, config, packed

# Code that is imported is looked at in the engine that would run it.
pytestmark = pytest.mark.runtime

ACCOUNT = factories.ACCOUNT_ID
EXPORT = reverse("functions:export", args=[ACCOUNT])
IMPORT = reverse("functions:import", args=[ACCOUNT])
LIST = reverse("functions:list", args=[ACCOUNT])


def text(response):
    return html.unescape(response.content.decode())


def exported(client, **query):
    response = client.get(EXPORT, query)
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    return sorted({name.split("/")[1] for name in archive.namelist()})


def upload(client, files, **options):
    data = files if isinstance(files, bytes) else packed(files)
    return client.post(IMPORT, {"archive": SimpleUploadedFile("functions.zip", data)}, **options)


def function_files(name, code=SOURCE, **values):
    return {
        f"functions/{name}/index.js": code,
        f"functions/{name}/config.json": config(name=name, **values),
    }


def carried(response):
    return re.search(r'name="carried" value="([^"]*)"', text(response))[1]


def ticked(response):
    return re.findall(r'name="chosen" value="([^"]*)"[^>]*? checked', text(response))


# Export -------------------------------------------------------------------------------------------


@pytest.fixture
def three(account):
    factories.deployed(name="greet", event_type=events.NEW_CONVERSATION.id)
    factories.FunctionFactory(name="other")
    factories.FunctionFactory(name="third")
    factories.FunctionFactory(name="foreign", account_id="else1")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["greet", "other", "third"]),
        ({"name": ["other"]}, ["other"]),
        ({"name": ["other", "greet"]}, ["greet", "other"]),
        ({"name": ["foreign", "other"]}, ["other"]),
        ({"state": "Productive"}, ["greet"]),
        ({"event": "none", "q": "thi"}, ["third"]),
        ({"name": ["other"], "state": "Productive"}, ["other"]),
    ],
)
def test_export_holds_what_is_named_or_what_the_filter_shows(query, names, developer_client, three):
    assert exported(developer_client, **query) == names


def test_export_is_a_file_with_a_name(developer_client, three):
    one = developer_client.get(EXPORT, {"name": "greet"})
    many = developer_client.get(EXPORT)

    assert one.headers["Content-Type"] == "application/zip"
    assert re.fullmatch(
        r'attachment; filename="greet-\d{4}-\d\d-\d\d.zip"', one.headers["Content-Disposition"]
    )
    assert 'filename="functions-acme1-' in many.headers["Content-Disposition"]
    assert one.headers["Cache-Control"] == "private, no-store"


def test_export_of_nothing_says_so_on_the_list(developer_client, three):
    response = developer_client.get(EXPORT, {"name": "foreign"}, follow=True)

    assert response.redirect_chain == [(LIST, 302)]
    assert "Cannot export nothing" in text(response)


def test_everybody_who_may_read_may_export(admin_client, team_client, outsider_client, three):
    assert exported(admin_client) == exported(team_client) == ["greet", "other", "third"]
    assert outsider_client.get(EXPORT).status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_export_query_count_does_not_grow(
    count, developer_client, account, django_assert_num_queries
):
    for _ in range(count):
        factories.deployed()

    # Session, person, membership, functions.
    with django_assert_num_queries(4):
        assert len(exported(developer_client)) == count


# Import -------------------------------------------------------------------------------------------


def test_only_developers_import(admin_client, team_client, outsider_client, account):
    statuses = [
        (client.get(IMPORT).status_code, upload(client, function_files("greet")).status_code)
        for client in (admin_client, team_client, outsider_client)
    ]

    assert statuses == [(403, 403), (403, 403), (404, 404)]


def test_preview_shows_each_folder_and_what_would_change(developer_client, account):
    factories.FunctionFactory(name="greet", code="// <one>\n", environment={"GREETING": "Hi"})
    factories.FunctionFactory(name="same", code=SOURCE, description="Says")

    response = upload(
        developer_client,
        {
            **function_files("fresh"),
            **function_files(
                "greet", "// <two>\n", environmentVariables=[{"key": "GREETING", "value": "Ahoy"}]
            ),
            **function_files("same"),
            **function_files("bad-name"),
        },
    )

    page = text(response)
    assert response.status_code == 200
    assert "The archive holds 1 new, 1 changed, 1 unchanged, 1 refused" in page
    assert ticked(response) == ["fresh:0", "greet:1"]
    assert "<del>// <one>\n</del><ins>// <two>\n</ins>" in page
    assert "<del>Hi</del> <ins>Ahoy</ins>" in page
    assert "<del>Says hello</del> <ins>Says</ins>" in page
    assert 'Cannot use the name "bad-name"' in page
    assert b"&lt;two&gt;" in response.content
    assert Function.objects.count() == 2


def test_decision_imports_what_is_ticked(developer_client, account):
    preview = upload(developer_client, {**function_files("fresh"), **function_files("other")})

    response = developer_client.post(
        IMPORT, {"carried": carried(preview), "chosen": ["fresh:0"]}, follow=True
    )

    assert response.redirect_chain == [(LIST, 302)]
    assert '"fresh" is imported as a draft: nothing is deployed' in text(response)
    assert [each.name for each in Function.objects.all()] == ["fresh"]


def test_decision_tells_new_from_changed(developer_client, account):
    factories.FunctionFactory(name="greet")
    preview = upload(developer_client, {**function_files("fresh"), **function_files("greet")})

    response = developer_client.post(
        IMPORT, {"carried": carried(preview), "chosen": ["fresh:0", "greet:1"]}, follow=True
    )

    told = "2 functions are imported as drafts, 1 new and 1 changed: nothing is deployed"
    assert told in text(response)


def test_decision_is_refused_where_somebody_saved_meanwhile(developer_client, account):
    function = factories.FunctionFactory(name="greet")
    preview = upload(developer_client, {**function_files("fresh"), **function_files("greet")})
    services.save_draft(
        function, version=1, code="// kim", description="Says", environment={}, by="kim"
    )

    response = developer_client.post(
        IMPORT, {"carried": carried(preview), "chosen": ["fresh:0", "greet:1"]}
    )

    function.refresh_from_db()
    assert response.status_code == 409
    assert 'Cannot save "greet": kim saved version 2 after version 1' in text(response)
    assert '"fresh" is imported as a draft' in text(response)
    assert "The archive holds 1 changed, 1 unchanged" in text(response)
    assert 'value="greet:2"' in text(response)
    assert ticked(response) == []
    assert (function.code, function.version) == ("// kim", 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Cannot import nothing: choose at least one function"),
        ({"chosen": ["fresh"]}, "what was chosen is damaged"),
        ({"chosen": ["fresh:-1"]}, "what was chosen is damaged"),
        ({"chosen": ["fresh:٣"]}, "what was chosen is damaged"),
        ({"chosen": ["fresh:99999999999999"]}, "what was chosen is damaged"),
        ({"carried": "", "chosen": ["fresh:0"]}, "This field is required"),
        ({"carried": "damaged", "chosen": ["fresh:0"]}, "Cannot import"),
        ({"carried": "a\0b", "chosen": ["fresh:0"]}, "Null characters are not allowed"),
    ],
)
def test_decision_that_cannot_be_read_changes_nothing(values, message, developer_client, account):
    preview = upload(developer_client, function_files("fresh"))

    response = developer_client.post(IMPORT, {"carried": carried(preview), **values})

    assert response.status_code == 422
    assert message in text(response)
    assert not Function.objects.exists()


def test_decision_of_another_archive_imports_what_is_in_it(developer_client, account):
    """Who changes what the page carries may import no more than who uploads it."""
    made = exchange.to_form(
        [
            exchange.Finding(
                path="x", standing=exchange.Standing.NEW,
                folder=exchange.Folder(path="x", name="bad-name", code="", description="Says"),
            )
        ]
    )  # fmt: skip

    response = developer_client.post(IMPORT, {"carried": made, "chosen": ["bad-name:0"]})

    assert response.status_code == 409
    assert 'Cannot use the name "bad-name"' in text(response)
    assert not Function.objects.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"no zip", "not-an-archive"),
        (b"", "not-an-archive"),
        (packed({"../evil": ""}), "archive-unsafe-path"),
        (b"x" * (exchange.MAX_ARCHIVE + 1), "archive-too-large"),
    ],
)
def test_archive_that_is_refused_says_why_with_its_code(data, code, developer_client, account):
    response = upload(developer_client, data)

    assert response.status_code == 422
    assert "Cannot import the" in text(response)
    assert f'<span class="tag">{code}</span>' in text(response)


def test_upload_that_is_far_too_large_is_refused_before_it_is_kept(developer_client, account):
    response = upload(developer_client, b"x" * 9 * 1024 * 1024)

    assert response.status_code == 413
    assert "Cannot take the request: it is too large" in text(response)


def test_upload_of_no_file_is_refused(developer_client, account):
    response = developer_client.post(IMPORT, {})

    assert response.status_code == 422
    assert "Cannot import nothing: choose a zip file" in text(response)


def test_preview_says_how_many_fit(developer_client, account, monkeypatch):
    for module in (services, exchanging.services):
        monkeypatch.setattr(module, "MAX_FUNCTIONS", 2)
    factories.FunctionFactory(name="first")

    response = upload(developer_client, {**function_files("two"), **function_files("three")})

    assert "1 more function fits of 2 that the account may have" in text(response)


def test_import_from_one_account_into_another(developer, account):
    factories.AccountFactory(id="second1")
    factories.ControllerBotFactory(account_id="second1")
    factories.MembershipFactory(user=developer, account_id="second1", role=Role.DEVELOPER)
    factories.deployed(name="greet", event_type=events.NEW_CONVERSATION.id, skills=["a"])
    client = Client()
    client.force_login(developer)
    there = reverse("functions:import", args=["second1"])

    data = client.get(EXPORT).content
    preview = client.post(there, {"archive": SimpleUploadedFile("f.zip", data)})
    client.post(there, {"carried": carried(preview), "chosen": ticked(preview)})
    again = client.post(there, {"archive": SimpleUploadedFile("f.zip", data)})

    made = Function.objects.get(account_id="second1")
    assert (made.name, made.skills, made.deployment) == ("greet", ["a"], None)
    assert "The archive holds 1 unchanged" in text(again)
