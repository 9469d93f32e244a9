"""Finding LivePerson's services and calling them, signed with what a secret holds."""

import base64
import hashlib
import hmac
import json
import re
import time
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest

from tests.namespace import Answer, Request
from tests.toolbelt.account import (
    ACCOUNT_ID,
    CSDS,
    V1,
    V2,
    Account,
    as_json,
    one_after_another,
)

pytestmark = pytest.mark.runtime

PREFIX = "com.liveperson.faas"
TOKEN = as_json({"access_token": "abc", "token_type": "Bearer", "expires_in": "3600"})
KEY = {
    "consumerKey": "ck",
    "consumerSecret": "c&s",
    "token": "t k",
    "tokenSecret": "ts",
}
CLIENT = {"client_id": "me", "client_secret": "hush"}
V1_SECRET, V2_SECRET = "lp-faas-default-app-key", "LIVEPERSON_DEFAULT_APP_KEY"


@pytest.fixture
def lp(account: Account) -> Account:
    """An account whose credentials are good for a history that repeats what it is asked."""
    account.secrets = {V1_SECRET: KEY, V2_SECRET: json.dumps(CLIENT), "mine": json.dumps(KEY)}
    account.serve_services(
        msgHist=lambda request: as_json({"path": request.path}),
        sentinel={f"/sentinel/api/v2/account/{ACCOUNT_ID}/app/token": TOKEN},
    )
    return account


# --- service discovery ----------------------------------------------------------------------------


@pytest.mark.parametrize("toolbelt", [V1, V2])
def test_hosts_of_services_are_found_and_remembered(lp: Account, toolbelt: str) -> None:
    found = lp.run(
        """
        const csds = Toolbelt.CsdsClient();
        return [
          ...await Promise.all([csds.get("msgHist"), csds.get("sentinel")]),
          await Toolbelt.CsdsClient().getAll(),
        ];
        """,
        toolbelt=toolbelt,
    )

    hosts = ["msghist.liveperson.example", "sentinel.liveperson.example"]
    assert found == [*hosts, [{"msgHist": hosts[0]}, {"sentinel": hosts[1]}]]
    (request,) = lp.requests(CSDS)
    assert request.path == f"/api/account/{ACCOUNT_ID}/service/baseURI.json?version=1.0"


def test_hosts_are_found_again_after_ten_minutes(lp: Account) -> None:
    lp.run(
        """
        const csds = Toolbelt.CsdsClient(), now = Date.now;
        await csds.get("msgHist");
        Date.now = () => now() + 599000;
        await csds.get("msgHist");
        Date.now = () => now() + 601000;
        await csds.get("msgHist");
        """
    )

    assert len(lp.requests(CSDS)) == 2


def test_a_question_of_an_event_that_is_over_stands_in_nobodys_way(lp: Account) -> None:
    def slow(_: Request) -> Answer:
        time.sleep(0.2)
        return as_json({"baseURIs": [{"service": "smt", "baseURI": "smt.example"}]})

    lp.world.serve(CSDS, slow)
    source = """
      const { Toolbelt } = require("lp-faas-toolbelt");
      async function lambda(input) {
        const host = Toolbelt.CsdsClient().get("smt");
        return input ? await host : host.catch(() => 0) && "over";
      }
    """

    first = lp.run_source(source, False, key="warm")
    second = lp.run_source(source, True, key="warm")

    assert first.value == "over"
    assert not second.cold
    assert second.value == "smt.example"


@pytest.mark.parametrize("toolbelt", [V1, V2])
def test_a_service_that_nobody_has_is_not_found(lp: Account, toolbelt: str) -> None:
    found = lp.run('await Toolbelt.CsdsClient().get("nothing");', toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.csds.domain.not-found"


@pytest.mark.parametrize(
    "answer",
    [Answer(500, {}, b"oops"), as_json({"baseURIs": 7}), as_json([]), Answer(200, {}, b"<html>")],
)
def test_an_answer_without_services_fails_and_is_not_remembered(
    account: Account, answer: Answer
) -> None:
    good = as_json({"baseURIs": [{"service": "smt", "baseURI": "smt.example"}]})
    account.serve(CSDS, one_after_another(answer, good))

    code, host = account.run(
        """
        const csds = Toolbelt.CsdsClient();
        const code = await csds.get("smt").catch((error) => error.code);
        return [code, await csds.get("smt")];
        """
    )

    assert code == f"{PREFIX}.csds.op-failed"
    assert host == "smt.example"


def test_a_discovery_that_may_not_be_asked_fails(account: Account) -> None:
    found = account.run('await Toolbelt.CsdsClient().get("smt");')

    assert found["thrown"]["code"] == f"{PREFIX}.csds.op-failed"
    assert "allow-list" in found["thrown"]["message"]


# --- first generation: signed by OAuth 1.0a -------------------------------------------------------


def is_signed(request: Request, key: dict[str, str]) -> bool:
    """Whether the signature is right. Source: RFC 5849 §3.4, for a form and for a query."""
    pairs = re.findall(r'(\w+)="([^"]*)"', request.headers["authorization"])
    header = {name: unquote(value) for name, value in pairs}
    signature = header.pop("oauth_signature")
    url = urlsplit(request.path)
    fields = [*header.items(), *parse_qsl(url.query, keep_blank_values=True)]
    if "form" in request.headers.get("content-type", ""):
        fields += parse_qsl(request.body.decode())
    encoded = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in fields)
    normal = "&".join(f"{name}={value}" for name, value in encoded)
    base = [request.method, f"http://{request.host}{url.path}", normal]
    text = "&".join(quote(part, safe="~") for part in base)
    secret = "&".join(quote(key[name], safe="~") for name in ("consumerSecret", "tokenSecret"))
    made = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(made).decode() == signature and header["oauth_token"] == key["token"]


@pytest.mark.parametrize(
    "options",
    [
        "",
        ", {}",
        ", { qs: { c: 'd e', 'ä': [1, 2] } }",
        ", { qs: { constructor: 'b', toString: ['b', 'a'] }, useQuerystring: true }",
        ", { method: 'POST', json: true, body: { a: 1 } }",
        ", { method: 'post', form: { b: \"it's 100% (ok)!*\" } }",
        ", { appKeySecretName: 'mine' }",
    ],
)
def test_a_call_of_a_service_is_signed(lp: Account, options: str) -> None:
    found = lp.run(
        "return await Toolbelt.LpClient()"
        f"(toolbelt.LpServices.MSG_HIST, '/search?v=2&a=b%20c&empty='{options});"
    )

    (request,) = lp.requests("msgHist")
    assert is_signed(request, KEY)
    if "json" in options:
        assert found == {"path": "/search?v=2&a=b%20c&empty="}
        assert request.body == b'{"a":1}'


def test_options_are_those_of_the_http_client(lp: Account) -> None:
    response = lp.run(
        """
        return await Toolbelt.LpClient()("msgHist", "/search", {
          headers: { "X-Own": "1" },
          resolveWithFullResponse: true,
        });
        """
    )

    (request,) = lp.requests("msgHist")
    assert response["statusCode"] == 200
    assert request.headers["x-own"] == "1"
    assert request.headers["lp-url"] == ACCOUNT_ID


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        (None, "get-credentials-failure"),
        ("no JSON", "get-credentials-failure"),
        ({"consumerKey": "ck"}, "credentials-wrong-format"),
        ('"text"', "credentials-wrong-format"),
    ],
)
def test_credentials_that_are_none_are_refused(lp: Account, secret: Any, code: str) -> None:
    lp.secrets = {} if secret is None else {V1_SECRET: secret}

    found = lp.run('await Toolbelt.LpClient()("msgHist", "/search");')

    assert found["thrown"]["code"] == f"{PREFIX}.lp-client.{code}"
    assert V1_SECRET in found["thrown"]["message"]
    assert lp.requests("msgHist") == []


# --- second generation: a bearer token of Sentinel ------------------------------------------------


def test_a_call_of_a_service_carries_a_token(lp: Account) -> None:
    found = lp.run(
        """
        const lpClient = Toolbelt.LpClient();
        const options = { method: "POST", body: "{}", headers: { "X-Own": "1" } };
        const response = await lpClient(toolbelt.LpServices.MSG_HIST, "/search?v=2", options);
        await Toolbelt.LpClient()("msgHist", "/again");
        return [response instanceof Response, response.status, await response.json()];
        """,
        toolbelt=V2,
    )

    assert found == [True, 200, {"path": "/search?v=2"}]
    first, second = lp.requests("msgHist")
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer abc"
    assert (first.method, first.body, first.headers["x-own"]) == ("POST", b"{}", "1")
    (sentinel,) = lp.requests("sentinel")
    assert sentinel.path == f"/sentinel/api/v2/account/{ACCOUNT_ID}/app/token?v=2.0"
    assert dict(parse_qsl(sentinel.body.decode())) == {
        **CLIENT,
        "grant_type": "client_credentials",
    }


def test_a_token_that_has_ended_is_changed_once_with_the_secret(lp: Account) -> None:
    lp.world.serve("msghist.liveperson.example", one_after_another(Answer(401), as_json("in")))
    lp.world.serve(
        "sentinel.liveperson.example",
        one_after_another(
            TOKEN,
            as_json({"access_token": "new", "token_type": "Bearer", "expires_in": "3600"}),
        ),
    )

    found = lp.run(
        'return await (await Toolbelt.LpClient()("msgHist", "/search")).json();', toolbelt=V2
    )

    assert found == "in"
    tokens = [request.headers["authorization"] for request in lp.requests("msgHist")]
    assert tokens == ["Bearer abc", "Bearer new"]
    assert [op for op, _ in lp.asked] == ["secret.read", "secret.read"]


def test_who_is_refused_twice_is_told(lp: Account) -> None:
    lp.world.serve("msghist.liveperson.example", lambda _: Answer(401))

    status = lp.run('return (await Toolbelt.LpClient()("msgHist", "/")).status;', toolbelt=V2)

    assert status == 401
    assert len(lp.requests("msgHist")) == 2


def test_a_token_is_changed_before_it_ends(lp: Account) -> None:
    lp.run(
        """
        const now = Date.now, lpClient = Toolbelt.LpClient();
        await lpClient("msgHist", "/");
        Date.now = () => now() + 3550 * 1000;
        await lpClient("msgHist", "/");
        """,
        toolbelt=V2,
    )

    assert len(lp.requests("sentinel")) == 2


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        (None, "get-credentials-failure"),
        ("no JSON", "credentials-wrong-format"),
        ('{"client_id": "me"}', "credentials-wrong-format"),
        ("null", "credentials-wrong-format"),
    ],
)
def test_credentials_that_are_none_are_refused_in_the_second_generation(
    lp: Account, secret: str | None, code: str
) -> None:
    lp.secrets = {} if secret is None else {V2_SECRET: secret}

    found = lp.run('await Toolbelt.LpClient()("msgHist", "/search");', toolbelt=V2)

    assert found["thrown"]["code"] == f"{PREFIX}.lp-client.{code}"
    assert found["thrown"]["component"] == "LpClient"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, {}, b"no"),
        as_json({"access_token": "abc", "token_type": "Bearer", "expires_in": 3600}),
        as_json([]),
    ],
)
def test_an_answer_without_a_token_is_unexpected(lp: Account, answer: Answer) -> None:
    lp.world.serve("sentinel.liveperson.example", lambda _: answer)

    found = lp.run('await Toolbelt.LpClient()("msgHist", "/search");', toolbelt=V2)

    assert found["thrown"]["code"] == f"{PREFIX}.oauth2.unexpected-response"
    assert found["thrown"]["statusCode"] == answer.status


def test_a_sentinel_that_cannot_be_reached_is_a_general_issue(lp: Account) -> None:
    lp.hosts.remove("sentinel.liveperson.example")

    found = lp.run('await Toolbelt.LpClient()("msgHist", "/search");', toolbelt=V2)

    assert found["thrown"]["code"] == f"{PREFIX}.oauth2.general-issue"


@pytest.mark.parametrize("toolbelt", [V1, V2])
def test_a_path_that_another_host_would_get_stays_at_the_service(
    lp: Account, toolbelt: str
) -> None:
    lp.serve("evil.example", lambda _: as_json("in"))

    lp.run('await Toolbelt.LpClient()("msgHist", "@evil.example/");', toolbelt=toolbelt)

    assert lp.requests("evil.example") == []
