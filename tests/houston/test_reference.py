"""The reference of the API: what is in the document is on its pages."""

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from houston import openapi, reference

GROUPS = reference.groups()


def text(response):
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_overview_leads_to_every_operation(developer_client):
    page = text(developer_client.get("/api-reference/"))

    for path, _, operation in openapi.operations(openapi.document()):
        slug = next(g.slug for g in GROUPS if g.name == operation["tags"][0])
        assert f'href="/api-reference/{slug}/#{operation["operationId"]}"' in page
        assert path in page
    assert [status for status in ("400", "500", "503") if f">{status}<" not in page] == []


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.slug)
def test_group_shows_all_that_the_document_says(group, developer_client, account):
    page = text(developer_client.get(reverse("reference-group", args=[group.slug])))

    shown = re.findall(r'<article class="operation" aria-labelledby="([^"]+)"', page)
    names = re.findall(r'<th scope="row"><code[^>]*><span[^>]*>(.*?)</span>(.*?)</code>', page)
    assert shown == [each.id for each in group.operations] + [f"object-{n}" for n in group.shapes]
    for each in group.operations:
        fields = [field for content in each.contents for field in content.fields]
        assert {(f.around, f.name) for f in (*each.parameters, *fields)} <= set(names)
        for answer in each.answers:
            assert answer.status in page


def test_lines_to_copy_name_the_account_one_comes_from(developer_client, account):
    before = text(developer_client.get("/api-reference/coming-in/"))
    developer_client.get(f"/a/{account.pk}/functions/")
    after = text(developer_client.get("/api-reference/coming-in/"))

    assert "curl http://127.0.0.1:8000/api/account/ACCOUNT/service/baseURI.json" in before
    assert "curl http://127.0.0.1:8000/api/account/acme1/service/baseURI.json" in after


def test_reference_is_for_those_who_signed_in(account):
    response = Client().get("/api-reference/")

    assert response.status_code == 302
    assert response["Location"] == "/sign-in/?next=/api-reference/"


def test_group_that_does_not_exist_is_404(developer_client):
    assert developer_client.get("/api-reference/nothing/").status_code == 404


def test_search_finds_operations_with_every_word(developer_client):
    page = text(developer_client.get("/api-reference/?q=CLIENT_secret post"))
    nothing = text(developer_client.get("/api-reference/?q=client_secret zebra"))

    assert re.findall(r'href="/api-reference/coming-in/#(\w+)"', page) == [
        "token",
        "token_in_words",
    ]
    assert "No operation has all of “client_secret zebra”" in nothing


def test_page_needs_no_script_and_no_style_of_its_own(developer_client):
    page = text(developer_client.get("/api-reference/coming-in/"))

    assert re.findall(r"<style|<script(?! (?:type=\"module\" )?(?:src|defer))| style=", page) == []


# Reading schemas ----------------------------------------------------------------------------------


def test_fields_of_objects_in_lists_are_named_by_their_way():
    schema = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {
                "type": "array",
                "maxItems": 3,
                "items": {"type": "object", "properties": {"id": {"type": ["string", "null"]}}},
            }
        },
    }

    found = list(reference._fields(schema))

    assert [(f.around, f.name, f.type, f.bounds, f.required) for f in found] == [
        ("", "items", "list of object", "at most 3 of them", True),
        ("items[].", "id", "text or null", "", False),
    ]
    assert reference._example(schema) == {"items": [{"id": "…"}]}


def test_schema_that_holds_itself_ends():
    node = {"type": "object", "properties": {"name": {"type": "string"}}}
    node["properties"]["children"] = {"type": "array", "items": node}

    assert [each.name for each in reference._fields(node)] == ["name", "children"]
    assert reference._example(node) == {"name": "…", "children": [{}]}


def test_example_of_what_is_sent_has_no_more_than_is_needed():
    schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "note": {"type": "string"}},
    }

    assert reference._example(schema, only_needed=True) == {"name": "…"}
    assert reference._example(schema) == {"name": "…", "note": "…"}
