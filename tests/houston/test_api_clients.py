"""API clients as admins change them and others read, and the lines that use one."""

import os
import re
import subprocess
from html import unescape

import jwt
import pytest
from django.urls import reverse

from houston import account_errors, api_clients, auth
from houston.account_forms import SCOPES_ABOUT
from houston.models import ApiClient, Scope
from invoker.models import AuditEntry
from tests import factories

NEW = {"name": "Build server", "scopes": [Scope.INVOCATION, Scope.DEVELOPER]}


@pytest.fixture
def machine(account):
    client, _ = api_clients.create(account, name="CRM", scopes=[Scope.INVOCATION], by="kim")
    return client


def url(name="api-client", client=None):
    return reverse(name, args=["acme1", *([client.pk] if client else [])])


def secret_in(response):
    found = re.search(r'<code id="client-secret"[^>]*>([^<]+)</code>', response.content.decode())
    return found and found[1]


def lines(response, name):
    found = re.search(
        rf'<pre id="example-{name}"[^>]*>(.*?)</pre>', response.content.decode(), re.S
    )
    return unescape(found[1])


@pytest.mark.parametrize("count", [1, 3])
def test_list_query_count_does_not_grow(admin_client, account, count, django_assert_num_queries):
    factories.ApiClientFactory.create_batch(count, account=account)
    for _ in range(count):
        api_clients.revoke(factories.ApiClientFactory(account=account), by="kim")

    # Session, user, membership, clients, revoked ones, set-up, account switch.
    with django_assert_num_queries(7):
        response = admin_client.get(url("api-clients"))

    assert response.content.count(b'<tr id="client-') == count
    assert response.content.count(b'<tr id="revoked-') == count


def test_empty_list_says_what_will_be_here(admin_client, account):
    page = admin_client.get(url("api-clients")).content.decode()

    assert "No API clients yet" in page
    assert url("api-client-new") in page


def test_every_scope_is_explained():
    assert set(SCOPES_ABOUT) == set(Scope)


def test_new_client_may_invoke_unless_more_is_chosen(admin_client, account):
    form = admin_client.get(url("api-client-new")).context["form"]

    assert [each.data["value"] for each in form["scopes"] if each.data["selected"]] == [
        Scope.INVOCATION
    ]


def test_secret_of_a_new_client_is_shown_once_and_kept_nowhere(admin_client, account):
    shown = admin_client.post(url("api-client-new"), NEW)

    client = ApiClient.objects.get()
    secret = secret_in(shown)
    assert client.has_secret(secret)
    assert (client.name, client.scopes, client.created_by) == (
        "Build server",
        ["faas.lambda.invoke", "faas.developer"],
        "ada",
    )
    assert "no-store" in shown["Cache-Control"]
    for name, what in (("api-client", client), ("api-clients", None)):
        assert secret not in admin_client.get(url(name, what)).content.decode()
    assert secret not in str(dict(admin_client.session))
    assert secret not in str(list(AuditEntry.objects.values()))


def test_name_that_is_taken_is_refused_beside_the_field(admin_client, machine):
    refused = admin_client.post(url("api-client-new"), {**NEW, "name": "CRM"})

    assert refused.status_code == 422
    assert list(refused.context["form"].errors) == ["name"]
    assert ApiClient.objects.count() == 1


def test_name_of_a_revoked_client_is_free(admin_client, machine):
    api_clients.revoke(machine, by="kim")

    assert admin_client.post(url("api-client-new"), {**NEW, "name": "CRM"}).status_code == 200


@pytest.mark.parametrize("scopes", [[], ["faas.everything"]])
def test_client_without_a_known_scope_is_not_made(admin_client, account, scopes):
    refused = admin_client.post(url("api-client-new"), {**NEW, "scopes": scopes})

    assert refused.status_code == 422
    assert list(refused.context["form"].errors) == ["scopes"]
    assert not ApiClient.objects.exists()


@pytest.mark.parametrize("who", ["developer_client", "team_client"])
def test_developers_and_the_team_read_and_change_nothing(request, machine, who):
    reader = request.getfixturevalue(who)

    seen = [reader.get(url("api-clients")), reader.get(url(client=machine))]
    changes = [url("api-client-new")] + [
        url(name, machine) for name in ("api-client-renew", "api-client-revoke")
    ]
    answers = {reader.post(each, NEW).status_code for each in changes}
    answers |= {reader.get(each).status_code for each in changes}

    assert [each.status_code for each in seen] == [200, 200]
    assert [each for each in changes for page in seen if each in page.content.decode()] == []
    assert answers == {403}
    machine.refresh_from_db()
    assert machine.revoked_at is None


def test_client_of_another_account_is_not_there(outsider_client, machine):
    names = ("api-client", "api-client-renew", "api-client-revoke")
    addresses = [reverse(name, args=["other1", machine.pk]) for name in names]

    assert {outsider_client.get(each).status_code for each in addresses} == {404}
    assert {outsider_client.post(each).status_code for each in addresses[1:]} == {404}


def test_new_secret_asks_first_and_then_ends_the_old_one(admin_client, account):
    machine, old = api_clients.create(account, name="CRM", scopes=[Scope.INVOCATION], by="kim")

    asked = admin_client.get(url("api-client-renew", machine), headers={"HX-Request": "true"})
    shown = admin_client.post(url("api-client-renew", machine))

    assert "gets no token any more" in asked.context["effect"]
    machine.refresh_from_db()
    assert machine.has_secret(secret_in(shown))
    assert not machine.has_secret(old)
    assert AuditEntry.objects.filter(action="api-client.secret-issued", by="ada").count() == 1


def test_secret_is_not_renewed_for_whoever_was_revoked_meanwhile(admin_client, machine):
    stale = ApiClient.objects.get(pk=machine.pk)
    api_clients.revoke(machine, by="kim")
    before = ApiClient.objects.values().get()

    with pytest.raises(account_errors.ClientRevokedError, match="create another client"):
        api_clients.renew_secret(stale, by="ada")
    page = admin_client.post(url("api-client-renew", machine), follow=True)

    assert secret_in(page) is None
    assert "it was revoked, create another client" in page.content.decode()
    assert ApiClient.objects.values().get() == before
    assert not AuditEntry.objects.filter(action="api-client.secret-issued").exists()


def test_client_is_revoked_once_whoever_else_does_it_too(machine):
    stale = ApiClient.objects.get(pk=machine.pk)

    api_clients.revoke(machine, by="kim")
    api_clients.revoke(stale, by="ada")

    machine.refresh_from_db()
    assert machine.revoked_by == "kim"
    assert AuditEntry.objects.filter(action="api-client.revoked").count() == 1


def test_revoked_client_is_out_and_shown_as_such(admin_client, machine):
    token = auth.client_token(machine, machine.scopes)

    admin_client.post(url("api-client-revoke", machine))

    with pytest.raises(auth.AuthenticationFailed, match="revoked"):
        auth.access(token)
    listed = admin_client.get(url("api-clients")).content.decode()
    page = admin_client.get(url(client=machine)).content.decode()
    assert f'<tr id="revoked-{machine.pk}">' in listed
    assert f'<tr id="client-{machine.pk}">' not in listed
    assert "revoked" in page
    assert "example-curl" not in page


def test_lines_name_a_function_that_is_deployed_and_no_event_needs(admin_client, account):
    factories.deployed(name="greet", event_type="controllerbot_messaging_new_conversation")
    plain = factories.deployed(name="look_up", event_type="")
    factories.FunctionFactory(name="another_draft")

    page = admin_client.post(url("api-client-new"), NEW)

    curl, npm = lines(page, "curl"), lines(page, "npm")
    assert f"/api/account/acme1/lambdas/{plain.pk}/invoke?v=1" in curl
    assert f'lambdaUuid: "{plain.pk}"' in npm
    assert secret_in(page) in curl
    assert secret_in(page) in npm


def test_lines_of_one_that_may_run_nothing_run_nothing(admin_client, account):
    factories.deployed(name="greet", event_type="")

    page = admin_client.post(url("api-client-new"), {**NEW, "scopes": [Scope.ADMIN]})

    assert "/invoke" not in lines(page, "curl")
    assert "client.invoke" not in lines(page, "npm")
    assert "example-lpf" not in page.content.decode()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://houston.example.org", 'getCsdsEntry: async () => "houston.example.org"'),
        ("https://houston.example.org:8443", 'const base = "houston.example.org:8443/api'),
        ("http://127.0.0.1:8000", 'const base = "127.0.0.1:8000/api'),
    ],
)
def test_lines_for_npm_fit_the_address(admin_client, machine, settings, address, told):
    settings.HOUSTON_URL = address

    npm = lines(admin_client.get(url(client=machine)), "npm")

    assert told in npm
    assert ("protocol:" in npm) == (address != "https://houston.example.org")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_lines_for_curl_get_a_token(admin_client, account, settings, live_server):
    settings.HOUSTON_URL = live_server.url
    page = admin_client.post(url("api-client-new"), NEW)
    script = lines(page, "curl").partition("\n# ")[0]

    ran = subprocess.run(
        ["/bin/sh", "-c", f'{script}\necho "$token"'],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )

    assert ran.stderr == ""
    claims = jwt.decode(ran.stdout.strip(), options={"verify_signature": False})
    assert (claims["aud"], claims["azp"]) == ("acme1", str(ApiClient.objects.get().pk))
