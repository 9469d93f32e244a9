"""Single sign-on with a provider at a socket: who comes in, who is refused, and what says why."""

import html
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from houston import invitations
from houston.models import Invitation, User
from houston.settings import _issuer
from invoker.models import AuditEntry
from tests import factories
from tests.factories import PASSWORD
from tests.houston import identity_provider
from tests.houston.identity_provider import IdentityProvider

DANA = {"sub": "person-1", "email": "dana@example.com", "email_verified": True}
NORA = {
    "sub": "person-2",
    "email": "Nora@Example.com",
    "email_verified": True,
    "given_name": "Nora",
    "family_name": "Ng",
    "preferred_username": "nora",
}


@pytest.fixture
def provider(settings, db):
    found = IdentityProvider()
    for name, value in identity_provider.environment(found).items():
        setattr(settings, name.removeprefix("HOUSTON_"), value)
    yield found
    found.close()


@pytest.fixture
def dana(developer):
    """The developer has confirmed an address."""
    developer.email = DANA["email"]
    developer.save()
    EmailAddress.objects.create(user=developer, email=DANA["email"], verified=True, primary=True)
    return developer


def leave(client, address="/sign-in/single-sign-on/", **values):
    """Where the page leads that somebody gets who asks for single sign-on."""
    page = client.post(address, values).content.decode()
    return html.unescape(re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page)[1])


def come_back(client, provider, leads_to):
    back = urlsplit(provider.authorize(urlsplit(leads_to).query))
    return client.get(f"{back.path}?{back.query}")


def sign_in(client, provider, **values):
    return come_back(client, provider, leave(client, **values))


def who(client):
    page = client.get("/me/")
    return page.context["user"].username if page.status_code == 200 else None


def identities():
    return list(SocialAccount.objects.values_list("user__username", "provider", "uid"))


def actions():
    entries = AuditEntry.objects.order_by("at").values_list("action", flat=True)
    return [each for each in entries if each.startswith(("person.id", "invitation"))]


def test_person_with_the_same_verified_address_comes_in_and_is_linked(client, provider, dana):
    provider.person = DANA
    page = client.get("/sign-in/?next=/me/sessions/").content.decode()

    back = sign_in(client, provider, next="/me/sessions/")

    assert "Sign in with Harbour ID" in page
    assert back["Location"] == "/me/sessions/"
    assert who(client) == "dana"
    assert identities() == [("dana", provider.url, "person-1")]
    assert actions() == ["person.identity-linked"]
    dana.refresh_from_db()
    assert dana.check_password(PASSWORD)
    asked = provider.asked[0]
    assert asked["redirect_uri"] == "http://127.0.0.1:8000/sign-in/single-sign-on/back/"
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}


def test_linked_person_comes_in_whatever_the_address_is_now(client, provider, dana):
    SocialAccount.objects.create(user=dana, provider=provider.url, uid="person-1")
    provider.person = {"sub": "person-1", "email": "else@example.com"}

    sign_in(client, provider)

    assert who(client) == "dana"


def test_identities_belong_to_their_issuer(client, provider, dana):
    SocialAccount.objects.create(user=dana, provider="https://former.example", uid="person-1")
    provider.person = {"sub": "person-1"}

    assert sign_in(client, provider).status_code == 403
    assert who(client) is None


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"email_verified": False}, "has not verified your address"),
        ({"email_verified": None}, "has not verified your address"),
        ({"email_verified": "false"}, "has not verified your address"),
        ({"email": None, "email_verified": True}, "has not verified your address"),
        ({"email": "nobody@example.com"}, "Nobody here has your address"),
    ],
)
def test_person_who_is_not_known_gets_a_page_and_no_user(client, provider, dana, claims, words):
    provider.person = {name: each for name, each in {**DANA, **claims}.items() if each is not None}

    response = sign_in(client, provider)

    assert response.status_code == 403
    assert words in response.content.decode()
    assert who(client) is None
    assert User.objects.count() == 1
    assert identities() == []


def test_address_that_nobody_verified_here_is_not_enough(client, provider, developer):
    developer.email = DANA["email"]
    developer.save()
    EmailAddress.objects.create(user=developer, email=DANA["email"])
    provider.person = DANA

    assert "Nobody here has your address" in sign_in(client, provider).content.decode()
    assert who(client) is None


def test_user_who_is_switched_off_stays_out(client, provider, dana):
    dana.is_active = False
    dana.save()
    provider.person = DANA

    back = sign_in(client, provider)

    assert back["Location"] == "/sign-in/inactive/"
    assert "This user is switched off" in client.get(back["Location"]).content.decode()
    assert who(client) is None


def test_second_factor_of_here_is_asked_for_too(client, provider, dana):
    Authenticator.objects.create(user=dana, type=Authenticator.Type.TOTP, data={"secret": "x"})
    provider.person = DANA

    back = sign_in(client, provider)

    assert back["Location"].startswith("/sign-in/second-factor/")
    assert who(client) is None
    assert "access" not in str(client.session["account_login"].get("signal_kwargs"))


# What is not to be trusted ------------------------------------------------------------------------


def signs_with_another_key(provider):
    provider.key = identity_provider.THEIRS


def does_not_sign(provider):
    provider.algorithm = "none"


def signs_with_what_everybody_knows(provider):
    provider.algorithm, provider.key = "HS256", "the public key, or anything of this length"


def claims(**values):
    def change(provider):
        provider.claims = values

    return change


def tells_of_another_person(provider):
    provider.userinfo = {"sub": "person-9"}


def garbles(address):
    def change(provider):
        provider.garbled = {address}

    return change


UNTRUSTED = {
    "another key": signs_with_another_key,
    "no signature": does_not_sign,
    "a symmetric key": signs_with_what_everybody_knows,
    "another nonce": claims(nonce="another"),
    "no nonce": claims(nonce=None),
    "another issuer": claims(iss="https://other.example"),
    "another client": claims(aud="other"),
    "too old": claims(exp=1),
    "no subject": claims(sub=None),
    "a number as subject": claims(sub=7),
    "a subject that is too long": claims(sub="x" * 192),
    "another person": tells_of_another_person,
    "token garbled": garbles("/token"),
    "keys garbled": garbles("/keys"),
    "userinfo garbled": garbles("/userinfo"),
}


@pytest.mark.parametrize("change", UNTRUSTED.values(), ids=UNTRUSTED)
def test_answer_that_cannot_be_trusted_lets_nobody_in(client, provider, dana, change):
    provider.person = DANA
    change(provider)

    response = sign_in(client, provider)

    assert response.status_code == 403
    assert "Cannot trust the answer of Harbour ID" in response.content.decode()
    assert who(client) is None
    assert identities() == []


@pytest.mark.parametrize("address", ["/keys", "/userinfo"])
def test_provider_that_fails_on_the_way_back_is_said(client, provider, dana, address):
    provider.person, provider.broken = DANA, {address}

    response = sign_in(client, provider)

    assert response.status_code == 503
    assert "Harbour ID does not answer" in response.content.decode()


def test_provider_that_is_away_is_said(client, provider, settings):
    settings.OIDC_URL = "http://127.0.0.1:1"
    away = client.post("/sign-in/single-sign-on/")
    settings.OIDC_URL = provider.url
    provider.broken = {"/.well-known/openid-configuration"}
    failing = client.post("/sign-in/single-sign-on/")
    provider.broken, provider.garbled = set(), {"/.well-known/openid-configuration"}
    garbled = client.post("/sign-in/single-sign-on/")

    assert [each.status_code for each in (away, failing, garbled)] == [503, 503, 403]
    assert "Harbour ID does not answer" in away.content.decode()
    assert "Cannot trust the answer" in garbled.content.decode()


@pytest.mark.parametrize(
    ("error", "words"),
    [("access_denied", "You cancelled it at Harbour ID"), ("server_error", "did not sign you in")],
)
def test_provider_that_declines_is_said(client, provider, error, words):
    provider.error = error

    response = sign_in(client, provider)

    assert response.status_code == 403
    assert words in response.content.decode()


def test_way_back_counts_once_and_in_the_same_browser_alone(client, provider, dana):
    provider.person = DANA
    leads_to = leave(client)
    elsewhere = come_back(Client(), provider, leads_to)
    made_up = client.get("/sign-in/single-sign-on/back/?code=x&state=y")
    without = client.get("/sign-in/single-sign-on/back/")
    first = come_back(client, provider, leads_to)
    second = come_back(Client(), provider, leads_to)

    for response in (elsewhere, made_up, without, second):
        assert response.status_code == 403
        assert "This sign-in was not begun here" in response.content.decode()
    assert first["Location"] == "/"


def test_code_of_another_sign_in_is_worth_nothing(client, provider, dana, outsider):
    """Somebody plants the code of their own sign-in in another browser."""
    provider.person = DANA
    theirs = urlsplit(provider.authorize(urlsplit(leave(Client())).query)).query
    code = re.search(r"code=(\w+)", theirs)[1]
    state = re.search(r"state=(\w+)", leave(client))[1]

    response = client.get(f"/sign-in/single-sign-on/back/?code={code}&state={state}")

    assert response.status_code == 403
    assert who(client) is None


@pytest.mark.parametrize("elsewhere", ["https://example.com/", "//example.com/"])
def test_single_sign_on_stays_here_when_next_leads_elsewhere(client, provider, dana, elsewhere):
    provider.person = DANA

    assert sign_in(client, provider, next=elsewhere)["Location"] == "/"


# Invitations --------------------------------------------------------------------------------------


@pytest.fixture
def invited(account):
    return factories.InvitationFactory(account=account, email="nora@example.com")


def token_of(invitation):
    return invitations._send(invitation).link.split("/")[-2]


def test_invited_person_comes_in_by_their_verified_address_alone(client, provider, invited):
    provider.person = NORA

    back = sign_in(client, provider)

    nora = User.objects.get()
    assert back["Location"] == "/a/acme1/"
    assert client.get(back["Location"]).status_code == 200
    assert (nora.username, nora.get_full_name()) == ("nora", "Nora Ng")
    assert (nora.email, nora.has_usable_password()) == ("nora@example.com", False)
    assert EmailAddress.objects.get(user=nora).verified
    assert identities() == [("nora", provider.url, "person-2")]
    assert sorted(actions()) == ["invitation.accepted", "person.identity-linked"]


def test_name_that_is_taken_gets_another_one(client, provider, invited):
    factories.UserFactory(username="nora")
    provider.person = NORA

    sign_in(client, provider)

    assert who(client) != "nora"
    assert User.objects.count() == 2


def test_link_of_an_invitation_lets_in_who_has_no_verified_address(client, provider, invited):
    provider.person = {**NORA, "email": "n.ng@example.com", "email_verified": False}
    token = token_of(invited)
    page = client.get(f"/invitation/{token}/").content.decode()

    sign_in(client, provider, invitation=token)

    assert "Join with Harbour ID" in page
    assert who(client) == "nora"
    # Nobody vouches for the address of the invitation.
    assert not EmailAddress.objects.exists()


def test_link_of_an_invitation_is_not_for_another_verified_address(client, provider, invited):
    provider.person = {**NORA, "email": "other@example.com"}

    response = sign_in(client, provider, invitation=token_of(invited))

    assert response.status_code == 403
    assert "This is not your invitation" in response.content.decode()
    assert not User.objects.exists()


def test_link_that_is_over_says_so_on_the_way_back(client, provider, invited):
    provider.person = NORA
    leads_to = leave(client, invitation=token_of(invited))
    invitations.revoke(invited, by="ada")

    response = come_back(client, provider, leads_to)

    assert response.status_code == 410
    assert "This invitation was withdrawn" in response.content.decode()
    assert not User.objects.exists()


def test_person_who_is_known_comes_back_to_the_invitation(client, provider, dana):
    other = factories.AccountFactory()
    token = token_of(factories.InvitationFactory(account=other, email=dana.email))
    provider.person = DANA

    back = sign_in(client, provider, invitation=token, next=f"/invitation/{token}/")
    client.post(back["Location"])

    assert back["Location"] == f"/invitation/{token}/"
    assert other.memberships.get().user == dana
    assert Invitation.objects.get().accepted_by == dana


# Linking ------------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(client, developer):
    client.post("/sign-in/", {"username": "dana", "password": PASSWORD})
    return client


def confirm_identity(client):
    client.post("/me/confirm/password/", {"password": PASSWORD})


LINK = "/me/single-sign-on/link/"


def test_person_links_and_unlinks_after_confirming_it(signed_in, provider, developer):
    provider.person = {"sub": "person-1", "email": "work@example.com"}
    asks_first = signed_in.get(LINK)
    confirm_identity(signed_in)
    question = signed_in.get(LINK)
    back = come_back(signed_in, provider, leave(signed_in, LINK))
    page = signed_in.get(back["Location"]).content.decode()
    unlink = reverse("single-sign-on-unlink", args=[SocialAccount.objects.get().pk])
    other_way = Client()
    sign_in(other_way, provider)
    asked = signed_in.get(unlink)
    signed_in.post(unlink)

    assert asks_first["Location"].startswith("/me/confirm/password/")
    assert [question.status_code, asked.status_code] == [200, 200]
    assert back["Location"] == "/me/single-sign-on/"
    assert "work@example.com" in page
    assert who(other_way) == "dana"
    assert identities() == []
    assert actions() == ["person.identity-linked", "person.identity-unlinked"]
    developer.refresh_from_db()
    assert developer.email == ""


def test_identity_of_another_user_is_not_linked(signed_in, provider, outsider):
    SocialAccount.objects.create(user=outsider, provider=provider.url, uid="person-1")
    confirm_identity(signed_in)

    response = come_back(signed_in, provider, leave(signed_in, LINK))

    assert response.status_code == 409
    assert "Linked with another user" in response.content.decode()
    assert [each[0] for each in identities()] == ["otto"]
    assert who(signed_in) == "dana"


def test_identities_of_others_do_not_exist(signed_in, provider, outsider):
    theirs = SocialAccount.objects.create(user=outsider, provider=provider.url, uid="person-1")
    confirm_identity(signed_in)

    assert signed_in.post(reverse("single-sign-on-unlink", args=[theirs.pk])).status_code == 404
    assert len(identities()) == 1


def test_only_way_in_stays_and_there_is_no_password_to_change(client, provider, invited):
    provider.person = NORA
    sign_in(client, provider)
    unlink = reverse("single-sign-on-unlink", args=[SocialAccount.objects.get().pk])

    refused = client.post(unlink, follow=True).content.decode()
    password = client.get("/password/").content.decode()

    assert "Cannot unlink it: you have no password" in refused
    assert "have no password here" in password
    assert len(identities()) == 1


# Without it, and with a part of it ----------------------------------------------------------------


def test_without_a_provider_there_is_none_of_it(signed_in):
    sign_in_page = Client().get("/sign-in/").content.decode()

    assert "single-sign-on" not in sign_in_page
    assert "Single sign-on" not in signed_in.get("/me/").content.decode()
    for address in ("/me/single-sign-on/", "/sign-in/single-sign-on/back/"):
        assert signed_in.get(address).status_code == 404
    assert signed_in.post("/sign-in/single-sign-on/").status_code == 404


COMPLETE = {
    "HOUSTON_OIDC_URL": "https://login.example.com/realms/main/",
    "HOUSTON_OIDC_CLIENT_ID": "houston",
    "HOUSTON_OIDC_CLIENT_SECRET": "x",
}


def start(**changes):
    return subprocess.run(
        [sys.executable, "-c", "import houston.settings as s; print(s.OIDC_URL)"],
        env={**os.environ, **COMPLETE, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_value_that_cannot_be_used_stops_the_start():
    assert start().stdout.strip() == "https://login.example.com/realms/main"
    for name, value in (
        ("HOUSTON_OIDC_URL", "http://x.example"),
        ("HOUSTON_OIDC_URL", ""),
        ("HOUSTON_OIDC_CLIENT_SECRET", ""),
        ("HOUSTON_OIDC_NAME", "x" * 41),
    ):
        stopped = start(**{name: value})
        assert (stopped.returncode, name in stopped.stderr) == (1, True), (name, value)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com",
        "login.example.com",
        "https://",
        "https://user@login.example.com",
        "https://login.example.com/?a=b",
        "javascript:alert(1)",
    ],
)
def test_issuer_is_named_by_a_safe_address(url):
    with pytest.raises(ImproperlyConfigured, match="HOUSTON_OIDC_URL"):
        _issuer(url)
