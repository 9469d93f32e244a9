"""Who may enter an account, and who decides that."""

import threading

import pytest
from django.db import connection
from django.urls import reverse

from houston import account_errors, services
from houston.models import Membership, User
from tests import factories


def url(name, account, *arguments):
    return reverse(name, args=[account.pk, *arguments])


def roles_in(account):
    found = {}
    for one in account.memberships.order_by("role"):
        found.setdefault(one.user.username, []).append(one.role)
    return found


def test_team_adds_a_person_who_is_known_and_keeps_the_password(team_client, account, outsider):
    before = outsider.password

    response = team_client.post(
        url("member-add", account), {"username": "otto", "roles": ["admin", "developer"]}
    )

    outsider.refresh_from_db()
    assert response.status_code == 302
    assert outsider.password == before
    assert roles_in(account)["otto"] == ["admin", "developer"]


def test_admins_add_nobody_by_user_name(admin_client, account, outsider):
    for username in ("otto", "nobody"):
        values = {"username": username, "roles": ["developer"]}
        assert admin_client.post(url("member-add", account), values).status_code == 403

    assert roles_in(account) == {"ada": ["admin"]}
    assert (
        "Add somebody who is here" not in admin_client.get(url("members", account)).content.decode()
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"username": "ada", "roles": ["developer"]}, "username"),
        ({"username": "nora", "roles": ["developer"]}, "username"),
        ({"username": "ada"}, "roles"),
        ({"username": "ada", "roles": ["owner"]}, "roles"),
        ({"username": "n" * 151, "roles": ["admin"]}, "username"),
        ({"username": "", "roles": ["admin"]}, "username"),
    ],
)
def test_adding_says_which_value_is_wrong(team_client, admin, account, values, field):
    response = team_client.post(url("member-add", account), values)

    assert response.status_code == 422
    assert set(response.context["member_form"].errors) == {field}
    assert roles_in(account) == {"ada": ["admin"]}
    assert not User.objects.exclude(username__in=["ada", "tina"]).exists()


def test_roles_are_replaced(admin_client, developer, account):
    admin_client.post(url("member-roles", account, developer.pk), {"roles": ["admin"]})

    assert roles_in(account) == {"ada": ["admin"], "dana": ["admin"]}


@pytest.mark.parametrize("roles", [[], ["owner"]])
def test_roles_that_are_none_are_refused(admin_client, developer, account, roles):
    response = admin_client.post(url("member-roles", account, developer.pk), {"roles": roles})

    assert response.status_code == 409
    assert "choose admin, developer or both" in response.content.decode()
    assert roles_in(account)["dana"] == ["developer"]


def test_last_admin_can_neither_be_removed_nor_lose_the_role(admin_client, admin, account):
    removed = admin_client.post(url("member-remove", account, admin.pk))
    demoted = admin_client.post(url("member-roles", account, admin.pk), {"roles": ["developer"]})

    for response in (removed, demoted):
        assert response.status_code == 409
        assert "nobody else has it, make another member admin first" in response.content.decode()
    assert roles_in(account) == {"ada": ["admin"]}


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_remove_each_other_at_once_leave_one(account):
    people = [factories.UserFactory() for _ in range(2)]
    for user in people:
        factories.MembershipFactory(user=user, account=account, role="admin")
    start = threading.Barrier(2)
    refused = []

    def remove(user):
        start.wait()
        try:
            services.remove_member(account, user, by="ada")
        except account_errors.LastAdminError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=[user]) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1
    assert account.memberships.count() == 1


def test_developers_can_be_removed_where_there_is_no_admin(team_client, developer, account):
    response = team_client.post(url("member-remove", account, developer.pk))

    assert response.status_code == 302
    assert roles_in(account) == {}


def test_one_of_two_admins_can_leave_and_is_led_home(admin_client, admin, account):
    factories.MembershipFactory(account=account, role="admin")

    response = admin_client.post(url("member-remove", account, admin.pk))

    assert response["Location"] == "/"
    assert admin_client.get(url("members", account)).status_code == 404


def test_removed_member_finds_nothing_any_more(admin_client, developer_client, developer, account):
    admin_client.post(url("member-remove", account, developer.pk))

    assert developer_client.get(url("account-setup", account)).status_code == 404


def test_removal_leaves_other_accounts_alone(admin_client, account, outsider):
    services.add_member(account, username="otto", roles={"developer"}, by="ada")

    admin_client.post(url("member-remove", account, outsider.pk))

    assert Membership.objects.filter(user=outsider, account="other1").count() == 2


def test_developers_learn_which_role_they_need(developer_client, account):
    response = developer_client.get(url("members", account))

    assert response.status_code == 403
    assert "You need the role admin in account acme1 here" in response.content.decode()


def test_members_page_shows_nobody_else(admin_client, account, outsider, team):
    page = admin_client.get(url("members", account)).content.decode()

    assert "otto" not in page
    assert "tina" not in page


@pytest.mark.parametrize("user_id", [0, 10**30])
def test_user_ids_that_are_none_are_404(admin_client, account, user_id):
    assert admin_client.post(url("member-remove", account, user_id)).status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_members_query_count_does_not_grow(admin_client, account, django_assert_num_queries, count):
    for _ in range(count):
        factories.MembershipFactory(account=account)

    # Session, user, membership, members, invitations, controller bot, account switch.
    with django_assert_num_queries(7):
        response = admin_client.get(url("members", account))

    assert response.content.count(b'<tr id="member-') == count + 1
