"""The allow-list: what may stand on it, who may change it, and what an account starts with."""

import pytest
from django.urls import reverse

from houston import services
from invoker import allow_list
from invoker.models import AllowedDomain, ControllerBot
from invoker.runtime.client import HOST
from tests import factories


def url(name, account, *arguments):
    return reverse(name, args=[account.pk, *arguments])


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("api.example.com", "api.example.com"),
        ("  API.Example.COM. ", "api.example.com"),
        ("*.example.com", "*.example.com"),
        ("3m.com", "3m.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.de", "xn--strae-oqa.de"),
        ("*.日本.jp", "*.xn--wgv71a.jp"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
        (".".join(["a" * 49] * 5), ".".join(["a" * 49] * 5)),
        ("10.0.0.1.example.com", "10.0.0.1.example.com"),
    ],
)
def test_host_is_kept_as_the_sandbox_compares_it(typed, domain):
    assert allow_list.normalize(typed) == domain
    assert HOST.fullmatch(domain)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("https://example.com", "a scheme or path"),
        ("example.com/path", "a scheme or path"),
        ("example.com:8080", "a port"),
        ("user@example.com", "a user name"),
        ("*", "one wildcard"),
        ("*.*.example.com", "one wildcard"),
        ("a.*.example.com", "one wildcard"),
        ("api*.example.com", "one wildcard"),
        ("*example.com", "one wildcard"),
        ("127.0.0.1", "IP addresses"),
        ("1.1", "IP addresses"),
        ("0x7f.0x1", "IP addresses"),
        ("2130706433", "IP addresses"),
        ("\uff11.\uff12.\uff13.\uff14", "IP addresses"),
        ("*.0.0.1", "IP addresses"),
        ("[::1]", "an IP address"),
        ("::ffff:127.0.0.1", "an IP address"),
        ("localhost", "no full host name"),
        ("*.com", "no full host name"),
        ("", "no full host name"),
        (".", "no full host name"),
        ("example..com", "no full host name"),
        ("-a.example.com", "no full host name"),
        ("a_b.example.com", "no full host name"),
        ("example.com,evil.com", "no full host name"),
        ("example.com evil.com", "no full host name"),
        ("example.com\nevil.com", "no full host name"),
        ("example.com\0", "no full host name"),
        ("a" * 64 + ".com", "no full host name"),
        ("\ud800.com", "no host name"),
        ("\u202e.com", "no host name"),
        ("ä..de", "no host name"),
        (".".join(["a" * 50] * 5), "longer than 253"),
        ("*." + ".".join(["a" * 63] * 3 + ["a" * 60]), "longer than 253"),
    ],
)
def test_what_is_no_host_is_refused_with_the_reason(typed, why):
    with pytest.raises(allow_list.InvalidError, match=why) as caught:
        allow_list.normalize(typed)

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("who", ["admin_client", "team_client"])
def test_domain_is_added_once(request, account, who):
    client = request.getfixturevalue(who)

    added = client.post(url("domain-add", account), {"domain": "API.example.com"})
    again = client.post(url("domain-add", account), {"domain": "api.example.com"})

    assert added.status_code == 302
    assert again.status_code == 422
    assert "it is on the list" in again.content.decode()
    assert allow_list.hosts(account.pk) == ("api.example.com",)


def test_domain_is_added_from_the_editor_which_stays_open(admin_client, account):
    asked = {"domain": "api.example.com"}

    added = admin_client.post(url("domain-add", account), asked, headers={"HX-Request": "true"})
    again = admin_client.post(url("domain-add", account), asked, headers={"HX-Request": "true"})

    assert (added.status_code, again.status_code) == (200, 422)
    assert "Allowed api.example.com" in added.content.decode()
    assert "it is on the list" in again.content.decode()
    assert "<html" not in again.content.decode()


@pytest.mark.parametrize("typed", ["", "127.0.0.1", "<script>alert(1)</script>", "a" * 600, "\0"])
def test_page_explains_what_it_does_not_take(admin_client, account, typed):
    response = admin_client.post(url("domain-add", account), {"domain": typed})

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"domain"}
    assert "<script>alert" not in response.content.decode()
    assert not AllowedDomain.objects.exists()


def test_domain_is_deleted_after_a_question_that_names_it(admin_client, account):
    domain = factories.AllowedDomainFactory(domain="api.example.com")
    factories.AllowedDomainFactory(domain="kept.example.com")

    question = admin_client.get(url("domain-delete", account, domain.pk))
    asked = allow_list.hosts(account.pk)
    admin_client.post(url("domain-delete", account, domain.pk))

    assert "Delete api.example.com" in question.content.decode()
    assert len(asked) == 2
    assert allow_list.hosts(account.pk) == ("kept.example.com",)


def test_developer_reads_the_list_and_changes_nothing(developer_client, account):
    domain = factories.AllowedDomainFactory(domain="api.example.com")

    page = developer_client.get(url("domains", account)).content.decode()
    changes = [
        developer_client.post(url("domain-add", account), {"domain": "a.example.com"}),
        developer_client.get(url("domain-delete", account, domain.pk)),
        developer_client.post(url("domain-delete", account, domain.pk)),
    ]

    assert "api.example.com" in page
    assert "Allow a domain" not in page
    assert "Delete" not in page
    assert [each.status_code for each in changes] == [403] * 3
    assert allow_list.hosts(account.pk) == ("api.example.com",)


def test_list_shows_the_own_domains_those_that_people_added_first(admin_client, account):
    allow_list.create_defaults(account.pk)
    factories.AllowedDomainFactory(domain="zoo.example.com")
    factories.AllowedDomainFactory(domain="theirs.example.com", account_id="other1")

    page = admin_client.get(url("domains", account)).content.decode()

    assert "theirs.example.com" not in page
    assert page.index("zoo.example.com") < page.index("*.acr.liveperson.net")


def test_empty_page_says_what_the_list_is_for(developer_client, account):
    page = developer_client.get(url("domains", account)).content.decode()

    assert "No domains yet" in page
    assert "An admin of the account can add one" in page


def test_list_has_an_end(account, monkeypatch):
    monkeypatch.setattr(allow_list, "MAX_DOMAINS", 2)
    for number in range(2):
        allow_list.add(account.pk, f"h{number}.example.com", by="ada")

    with pytest.raises(allow_list.LimitError, match="the list holds 2 domains"):
        allow_list.add(account.pk, "more.example.com", by="ada")


def test_account_starts_with_the_domains_of_liveperson(account):
    ControllerBot.objects.update(functions_enabled_at=None)
    factories.AllowedDomainFactory(domain="api.liveperson.net", created_by="ada")

    for _ in range(2):
        services.enable_functions(account, by="tina")

    hosts = allow_list.hosts(account.pk)
    assert len(hosts) == 14
    assert "*.msghist.liveperson.net" in hosts
    assert all(HOST.fullmatch(host) for host in hosts)
    assert AllowedDomain.objects.get(domain="api.liveperson.net").created_by == "ada"
