"""How people are invited to an account and come in."""

import datetime as dt
import re

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings as django_settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from houston import invitations
from houston.models import Invitation, User
from invoker.models import AuditEntry
from tests import factories
from tests.factories import PASSWORD

EMAIL = "nora@example.com"
NEW = {"username": "nora", "password1": "another fine horse", "password2": "another fine horse"}


@pytest.fixture
def mails(settings):
    settings.EMAIL_CONFIGURED = True
    return mail.outbox


def url(name, account, *arguments):
    return reverse(name, args=[account.pk, *arguments])


def invite(client, account, email=EMAIL, roles=("developer",)):
    return client.post(url("invitation-add", account), {"email": email, "roles": roles})


def link_in(text):
    return re.search(rf"{django_settings.HOUSTON_URL}(/invitation/[^\s<]+)", text)[1]


@pytest.fixture
def link(admin_client, account):
    """The link of an invitation, as it is shown where there is no mail server."""
    return link_in(invite(admin_client, account).content.decode())


def signed_in(user):
    client = Client()
    client.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    return client


def roles_of(user, account):
    return sorted(account.memberships.filter(user=user).values_list("role", flat=True))


def actions(account):
    entries = AuditEntry.objects.filter(account_id=account.pk).order_by("at")
    return [(each.by, each.action, each.subject) for each in entries]


def test_new_person_comes_in_by_a_link_that_was_shown_once(client, admin_client, account):
    answer = invite(admin_client, account)
    link = link_in(answer.content.decode())
    later = admin_client.get(url("members", account)).content.decode()

    page = client.get(link)
    joined = client.post(link, NEW)

    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    assert EMAIL in later
    assert link not in later
    assert page.status_code == 200
    assert joined["Location"] == f"/a/{account.pk}/"
    assert client.get(joined["Location"]).status_code == 200
    nora = User.objects.get(username="nora")
    assert (roles_of(nora, account), nora.email, nora.is_staff) == (["developer"], EMAIL, False)
    # Whoever had the link may not be the one who has the address.
    assert not EmailAddress.objects.exists()
    assert actions(account) == [
        ("ada", "invitation.sent", EMAIL),
        ("nora", "invitation.accepted", "nora"),
    ]


def test_link_goes_by_e_mail_and_is_shown_to_nobody(client, admin_client, account, mails):
    answer = invite(admin_client, account, "Nora@Example.com", ["admin", "developer"])
    client.post(link_in(mails[0].body), NEW)

    assert answer["Location"] == url("members", account)
    assert (mails[0].to, mails[0].subject) == ([EMAIL], "Invitation to Acme at Houston")
    assert "ada invites you to Acme at Houston, as admin and developer" in mails[0].body
    nora = User.objects.get(username="nora")
    assert roles_of(nora, account) == ["admin", "developer"]
    assert EmailAddress.objects.get(user=nora).verified


def test_link_is_shown_when_the_mail_server_is_away(admin_client, account, settings):
    settings.EMAIL_CONFIGURED = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    page = invite(admin_client, account).content.decode()

    assert "the mail server did not take it. Give" in page
    assert link_in(page)
    assert not Invitation.objects.get().mailed


def test_somebody_who_is_known_signs_in_and_joins(client, link, account, outsider):
    page = client.get(link).content.decode()
    sign_in = re.search(r'href="(/sign-in/\?next=[^"]+)"', page)[1]
    after = client.post(sign_in, {"username": "otto", "password": PASSWORD, "next": link})
    asked = client.get(after["Location"]).content.decode()
    before = roles_of(outsider, account)
    joined = client.post(link)

    assert after["Location"] == link
    assert "You are signed in as <strong>otto</strong>" in asked
    assert before == []
    assert joined["Location"] == f"/a/{account.pk}/"
    assert roles_of(outsider, account) == ["developer"]


def test_member_keeps_the_roles_of_before(link, account, admin):
    signed_in(admin).post(link)

    assert roles_of(admin, account) == ["admin", "developer"]


def test_invitation_of_somebody_else_is_refused(link, account, outsider):
    outsider.email = "otto@example.com"
    outsider.save()
    client = signed_in(outsider)

    answers = [client.get(link), client.post(link)]

    assert [each.status_code for each in answers] == [403, 403]
    assert "This is not your invitation" in answers[0].content.decode()
    assert roles_of(outsider, account) == []


def use(link, account):
    Client().post(link, NEW)


def revoke(link, account):
    invitations.revoke(Invitation.objects.get(), by="ada")


def renew(link, account):
    invitations.renew(Invitation.objects.get(), by="ada")


def expire(link, account):
    Invitation.objects.update(expires_at=timezone.now())


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (use, "This invitation was used"),
        (revoke, "This invitation was withdrawn"),
        (renew, "This invitation was withdrawn"),
        (expire, "This invitation has expired"),
    ],
)
def test_link_that_is_over_says_why(link, account, outsider, happens, words):
    happens(link, account)
    people = User.objects.count()

    answers = [
        answer
        for client in (signed_in(outsider), Client())
        for answer in (client.get(link), client.post(link, {**NEW, "username": "other"}))
    ]

    assert [each.status_code for each in answers] == [410] * 4
    assert all(words in each.content.decode() for each in answers)
    assert User.objects.count() == people
    assert roles_of(outsider, account) == []


def test_link_that_was_changed_is_none(client, link):
    for changed in (link[:-3] + "/", "/invitation/a:b:c/", "/invitation/x/"):
        response = client.get(changed)

        assert response.status_code == 410
        assert "This is no invitation" in response.content.decode()


def test_links_end_after_a_week(client, link, time_machine):
    time_machine.move_to(timezone.now() + dt.timedelta(days=7, seconds=1))

    assert client.get(link).status_code == 410


def test_sending_again_gives_a_new_link(client, admin_client, link, account):
    invitation = Invitation.objects.get()

    again = admin_client.post(url("invitation-renew", account, invitation.pk))
    newer = link_in(again.content.decode())

    assert client.get(link).status_code == 410
    assert client.get(newer).status_code == 200
    assert ("ada", "invitation.renewed", EMAIL) in actions(account)


def test_two_who_use_a_link_at_once_are_not_both_let_in(link, account, outsider):
    first = invitations.waiting_for(EMAIL)[0]
    second = invitations.waiting_for(EMAIL)[0]
    invitations.accept(first, outsider)

    with pytest.raises(invitations.InvitationError):
        invitations.join([second], username="nora", password="x")

    assert not User.objects.filter(username="nora").exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"username": "otto"}, "username"),
        ({"username": "no ra"}, "username"),
        ({"username": "n\0ra"}, "username"),
        ({"password2": "another"}, "password2"),
        ({"password1": "12345", "password2": "12345"}, "password1"),
    ],
)
def test_new_person_learns_which_value_is_wrong(client, link, outsider, values, field):
    response = client.post(link, {**NEW, **values})

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {field}
    assert client.get(link).status_code == 200


def test_name_of_somebody_else_in_another_case_is_taken(client, link, outsider):
    """Who signs in may write a name in any case: both of two such people would be kept out."""
    response = client.post(link, NEW | {"username": outsider.username.upper()})

    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["username"]
    assert signed_in(outsider).get("/me/").status_code == 200


def test_names_cannot_be_tried_out(client, link):
    statuses = [client.post(link, {**NEW, "username": "ada"}).status_code for _ in range(21)]

    assert statuses == [422] * 20 + [429]


def test_admins_learn_nothing_about_who_exists(admin_client, account, outsider, mails):
    outsider.email = "otto@example.com"
    outsider.save()
    EmailAddress.objects.create(user=outsider, email=outsider.email, verified=True, primary=True)

    answers = [invite(admin_client, account, each) for each in ("otto@example.com", EMAIL)]

    assert {(each.status_code, each["Location"]) for each in answers} == {
        (302, url("members", account))
    }
    page = admin_client.get(url("members", account)).content.decode()
    assert "otto@example.com" in page
    assert "otto<" not in page


def test_who_reads_the_mailbox_of_a_user_makes_no_second_one(client, admin_client, account, mails):
    owner = factories.UserFactory(email=EMAIL)
    EmailAddress.objects.create(user=owner, email=EMAIL, verified=True, primary=True)
    invite(admin_client, account)

    response = client.post(link_in(mails[0].body), NEW)

    assert response.status_code == 422
    assert "sign in with the one you have" in response.content.decode()


@pytest.mark.parametrize(
    ("email", "roles", "field"),
    [
        ("nowhere", ["admin"], "email"),
        # PostgreSQL keeps no more than 254 characters of it.
        (f"{'n' * 60}@{'.'.join(['mail' * 15] * 4)}.com", ["admin"], "email"),
        (EMAIL, [], "roles"),
        (EMAIL, ["owner"], "roles"),
    ],
)
def test_inviting_says_which_value_is_wrong(admin_client, account, email, roles, field):
    response = invite(admin_client, account, email, roles)

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {field}
    assert not Invitation.objects.exists()


def test_nobody_is_invited_twice(admin_client, link, account):
    response = invite(admin_client, account, EMAIL.upper())

    assert response.status_code == 422
    assert "send that invitation again" in response.content.decode()
    assert Invitation.objects.count() == 1


def test_inviting_is_limited(admin_client, account):
    for n in range(60):
        invite(admin_client, account, f"n{n}@example.com")

    assert invite(admin_client, account).status_code == 429


def test_developers_invite_nobody(developer_client, account):
    invitation = factories.InvitationFactory(account=account)

    answers = [
        invite(developer_client, account),
        developer_client.post(url("invitation-renew", account, invitation.pk)),
        developer_client.post(url("invitation-revoke", account, invitation.pk)),
    ]

    assert [each.status_code for each in answers] == [403, 403, 403]


def test_invitations_of_another_account_are_404(outsider_client, account):
    invitation = factories.InvitationFactory(account=account)
    other = outsider_client.get("/accounts/").wsgi_request.user.memberships.first().account

    for name in ("invitation-renew", "invitation-revoke"):
        assert outsider_client.post(url(name, other, invitation.pk)).status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_invitations_query_count_does_not_grow(
    admin_client, account, django_assert_num_queries, count
):
    factories.InvitationFactory.create_batch(count, account=account)

    # Session, user, membership, members, invitations, controller bot, account switch.
    with django_assert_num_queries(7):
        response = admin_client.get(url("members", account))

    assert response.content.count(b'<tr id="invitation-') == count


def test_account_team_invites_the_first_admin_while_setting_up(client, team_client, db):
    account = factories.AccountFactory(id="fresh1", name="Fresh")
    setup = url("account-setup", account)

    before = team_client.get(setup).content.decode()
    wrong = team_client.post(url("setup-admin", account), {"email": "nowhere"})
    shown = team_client.post(url("setup-admin", account), {"email": EMAIL}).content.decode()
    invited = team_client.get(setup).content.decode()
    client.post(link_in(shown), NEW)
    done = team_client.get(setup).content.decode()

    assert "Invite the first admin" in before
    assert wrong.status_code == 422
    assert "tina invited nora@example.com" in invited
    assert link_in(shown) not in invited
    assert roles_of(User.objects.get(username="nora"), account) == ["admin"]
    assert "1 admin, who can invite others" in done
