"""Coming into the API: tokens of machines and of people, and how they end."""

import base64
import json
import uuid
from urllib.parse import urlencode

import jwt
import pytest
import time_machine
from django.test import Client

from houston import api_clients, auth
from houston.models import Membership, Role, Scope
from tests import api, factories

TOKEN_URL = f"/sentinel/api/account/{factories.ACCOUNT_ID}/app/token?v=2.0"
LOGIN_URL = f"/api/account/{factories.ACCOUNT_ID}/login?v=1.3"
REFRESH_URL = f"/api/account/{factories.ACCOUNT_ID}/refresh"
UNAUTHORIZED = "com.liveperson.faas.ui.api.unauthorized"


@pytest.fixture
def machine(account):
    client, secret = api_clients.create(account, name="CI", scopes=list(Scope), by="ada")
    return client, secret


def asked(client, secret, **more):
    return {
        "grant_type": "client_credentials",
        "scope": "",
        "client_id": str(client.pk),
        "client_secret": secret,
        **more,
    }


def as_form(parameters, url=TOKEN_URL, **headers):
    return Client().post(
        url,
        urlencode(parameters),
        content_type="application/x-www-form-urlencoded",
        headers=headers,
    )


def log_in(username, password=factories.PASSWORD, url=LOGIN_URL):
    return Client().post(
        url, {"username": username, "password": password}, content_type="application/json"
    )


def test_services_are_all_here_whatever_the_account(db, settings):
    settings.HOUSTON_URL = "https://functions.example.org"

    response = Client().get("/api/account/12345678/service/baseURI.json?version=1.0")

    assert response.status_code == 200
    assert response.json() == {
        "baseURIs": [
            {"service": name, "account": "12345678", "baseURI": "functions.example.org"}
            for name in ("faasGW", "faasUI", "sentinel", "agentVep")
        ]
    }


def test_token_of_a_machine_comes_for_a_form(machine):
    client, secret = machine

    response = as_form(asked(client, secret))

    assert response.status_code == 200
    answer = response.json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 28_800)
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["azp"]) == (client.account_id, str(client.pk))
    assert claims["scope"] == "faas.lambda.invoke faas.developer faas.admin"
    assert claims["exp"] - claims["iat"] == 28_800
    assert response["Cache-Control"] == "no-store"


def test_token_comes_for_parameters_in_the_address(machine):
    response = Client().post(f"{TOKEN_URL}&{urlencode(asked(*machine))}")

    assert response.status_code == 200
    assert response.json()["expires_in"] == 28_800


def test_token_of_the_second_version_is_all_strings(machine):
    url = f"/sentinel/api/v2/account/{factories.ACCOUNT_ID}/app/token?v=2.0"

    response = as_form(asked(*machine), url)

    assert response.status_code == 200
    assert {type(value) for value in response.json().values()} == {str}
    assert response.json()["expires_in"] == "28800"


def test_token_comes_for_basic_authorization(machine):
    client, secret = machine
    encoded = base64.b64encode(f"{client.pk}:{secret}".encode()).decode()

    response = as_form({"grant_type": "client_credentials"}, Authorization=f"Basic {encoded}")

    assert response.status_code == 200


def test_token_comes_for_a_client_id_in_capitals(machine):
    client, secret = machine

    response = as_form(asked(client, secret, client_id=str(client.pk).upper()))

    assert response.status_code == 200


def test_token_has_only_the_scopes_that_were_asked_for(account, machine):
    answer = as_form(asked(*machine, scope="faas.lambda.invoke")).json()

    assert answer["scope"] == "faas.lambda.invoke"
    assert auth.access(answer["access_token"]).privileges == {"invocation"}


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_id": "8f9a1d3e-4f63-4a5e-9a46-a41b7be90c4e"}, 401, "invalid_client"),
        ({"client_id": "\0"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"scope": "faas.everything"}, 400, "invalid_scope"),
    ],
)
def test_no_token_comes_for(machine, change, status, error):
    response = as_form(asked(*machine, **change))

    assert response.status_code == status
    answer = response.json()
    assert answer["error"] == error
    assert answer["message"].startswith("Cannot give out a token: ")
    assert answer["code"] == answer["errorCode"]


def test_no_token_comes_for_a_client_of_another_account(machine):
    response = as_form(asked(*machine), TOKEN_URL.replace(factories.ACCOUNT_ID, "other1"))

    assert response.status_code == 401


def test_revoked_client_is_out_at_once(account, machine):
    client, secret = machine
    token = as_form(asked(client, secret)).json()["access_token"]
    assert auth.access(token).account_id == account.pk

    api_clients.revoke(client, by="ada")

    with pytest.raises(auth.AuthenticationFailed, match="revoked"):
        auth.access(token)
    assert as_form(asked(client, secret)).status_code == 401


def test_client_with_fewer_scopes_has_fewer_with_its_old_token_too(account, machine):
    client, secret = machine
    token = as_form(asked(client, secret)).json()["access_token"]
    client.scopes = [Scope.INVOCATION]
    client.save()

    assert auth.access(token).privileges == {"invocation"}


def test_token_ends_after_eight_hours(account):
    with time_machine.travel("2026-11-30 10:00", tick=False) as now:
        token = api.of_client(account).token
        now.shift(28_799)
        assert auth.access(token).account_id == account.pk
        now.shift(2)
        with pytest.raises(auth.AuthenticationFailed, match="expired"):
            auth.access(token)


def test_last_use_is_told_to_the_minute(account, machine):
    client, _ = machine
    with time_machine.travel("2026-11-30 10:00", tick=False) as now:
        token = auth.client_token(client, client.scopes)
        auth.access(token)
        now.shift(30)
        auth.access(token)
        client.refresh_from_db()
        assert client.last_used_at.isoformat() == "2026-11-30T10:00:00+00:00"
        now.shift(31)
        auth.access(token)
    client.refresh_from_db()
    assert client.last_used_at.isoformat() == "2026-11-30T10:01:01+00:00"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "a.b.c",
        "é",
        "x" * 5000,
        jwt.encode({"sub": "1", "aud": "acme1", "exp": 1}, "x" * 32, algorithm="HS256"),
        jwt.encode({"sub": "1", "aud": "acme1", "exp": 9999999999}, None, algorithm="none"),
    ],
    ids=["empty", "nonsense", "dots", "accent", "long", "forged", "unsigned"],
)
def test_token_of_somebody_else_is_refused(db, token):
    with pytest.raises(auth.AuthenticationFailed):
        auth.access(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "1", "sid": ["a"], "pwd": ""},
        {"sub": "1", "sid": 5, "pwd": ""},
        {"sub": "1", "sid": None, "pwd": ""},
        {"sub": "1", "sid": "nonsense", "pwd": ""},
        {"sub": "nonsense", "scope": ""},
        {"sub": str(uuid.uuid4())},
        {"sub": str(uuid.uuid4()), "scope": [], "aud": ["acme1"]},
    ],
    ids=["list", "number", "null", "text", "client", "no-scope", "audiences"],
)
def test_token_with_claims_of_another_version_is_refused(db, claims):
    given = {"aud": "acme1", "exp": 9999999999, **claims}
    token = jwt.encode(given, auth._key(), algorithm=auth.ALGORITHM)

    with pytest.raises(auth.AuthenticationFailed, match="no token of this Houston"):
        auth.access(token)


# People -------------------------------------------------------------------------------------------


def test_person_logs_in_and_refreshes(account, developer):
    answer = log_in("dana").json()

    assert answer["config"] == {"userId": str(developer.pk), "loginName": "dana"}
    who = auth.access(answer["bearer"])
    assert (who.account_id, who.name, who.privileges) == (account.pk, "dana", {"developer"})
    client = Client()
    client.cookies["session_id"] = answer["sessionId"]
    again = client.post(REFRESH_URL, {"csrf": answer["csrf"]}, content_type="application/json")
    assert again.status_code == 200


@pytest.mark.parametrize("part", ["session", "csrf"])
def test_refresh_without_its_parts_is_refused(account, developer, part):
    answer = log_in("dana").json()
    client = Client()
    client.cookies["session_id"] = "" if part == "session" else answer["sessionId"]
    csrf = "wrong" if part == "csrf" else answer["csrf"]

    response = client.post(REFRESH_URL, {"csrf": csrf}, content_type="application/json")

    assert response.status_code == 401
    assert response.json()["code"] == UNAUTHORIZED


@pytest.mark.parametrize("sent", [{"csrf": None}, {"csrf": ""}, {}], ids=str)
def test_refresh_of_who_never_logged_in_is_refused(account, sent):
    response = Client().post(REFRESH_URL, sent, content_type="application/json")

    assert response.status_code == 401
    assert response.json()["code"] == UNAUTHORIZED


@pytest.mark.parametrize(
    ("username", "password"), [("dana", "wrong"), ("nobody", "wrong"), ("otto", factories.PASSWORD)]
)
def test_stranger_does_not_log_in(account, developer, outsider, username, password):
    response = log_in(username, password)

    assert response.status_code == 401
    assert response.json()["message"] == (
        'Cannot sign in to account "acme1": no member has this name and this password'
    )
    assert response["WWW-Authenticate"]


def test_account_that_does_not_exist_looks_like_a_wrong_password(developer):
    response = log_in("dana", url=LOGIN_URL.replace(factories.ACCOUNT_ID, "nowhere"))

    assert response.status_code == 401
    assert response.json()["code"] == UNAUTHORIZED


def test_id_of_an_account_with_a_nul_character_reaches_no_database(machine):
    """PostgreSQL refuses the character with an error, also where an attempt is written down."""
    for url in (LOGIN_URL, TOKEN_URL):
        nowhere = url.replace(factories.ACCOUNT_ID, f"{factories.ACCOUNT_ID}%00")

        response = as_form(asked(*machine), nowhere)

        assert response.status_code == 400
        assert response.json()["message"] == (
            "Cannot use the id of the account: it contains a NUL character"
        )


def test_many_wrong_passwords_lock_the_login(account, developer):
    for _ in range(4):
        assert log_in("dana", "wrong").status_code == 401

    assert log_in("dana", "wrong").status_code == 429
    response = log_in("dana")

    assert response.status_code == 429
    assert response["Retry-After"] == "900"
    assert response.json()["code"] == "locked-out"


def test_wrong_passwords_before_the_right_one_do_not_count(account, developer):
    for _ in range(2):
        for _ in range(4):
            assert log_in("dana", "wrong").status_code == 401
        assert log_in("dana").status_code == 200


def test_token_of_a_person_ends_with_the_password(account, developer):
    token = log_in("dana").json()["bearer"]
    developer.set_password("another one entirely")
    developer.save()

    with pytest.raises(auth.AuthenticationFailed):
        auth.access(token)


def test_token_of_a_person_ends_with_the_membership(account, developer):
    token = log_in("dana").json()["bearer"]
    Membership.objects.all().delete()

    with pytest.raises(auth.AuthenticationFailed):
        auth.access(token)


def test_token_of_a_person_follows_the_roles(account, developer):
    token = log_in("dana").json()["bearer"]
    factories.MembershipFactory(user=developer, account=account, role=Role.ADMIN)

    assert auth.access(token).privileges == {"developer", "admin"}


def test_token_of_a_person_who_is_switched_off_is_refused(account, developer):
    token = log_in("dana").json()["bearer"]
    developer.is_active = False
    developer.save()

    with pytest.raises(auth.AuthenticationFailed):
        auth.access(token)


def test_team_reads_without_a_role(account, team):
    who = auth.access(api.of_person(account, team).token)

    assert (who.is_team, who.privileges) == (True, frozenset())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ("", 400),
        (json.dumps({"username": "dana"}), 400),
        (json.dumps({"username": ["dana"], "password": {}}), 400),
        (json.dumps({"username": "da\0na", "password": "x"}), 400),
        ("x" * (1024 * 1024 + 1), 413),
    ],
    ids=["broken", "list", "nothing", "half", "types", "nul", "large"],
)
def test_login_that_cannot_be_read_says_why(account, body, status):
    response = Client().post(LOGIN_URL, body, content_type="application/json")

    assert response.status_code == status
    assert set(response.json()) == {"code", "message", "errorCode", "errorMsg"}
    assert response.json()["message"].startswith("Cannot ")
