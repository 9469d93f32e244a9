"""The HTTP client: in the shape of request-promise, under the allow-list and the limit."""

import base64
import json
import time
from typing import Any

import pytest

from tests.namespace import Answer
from tests.toolbelt.account import ACCOUNT_ID, FUNCTION_ID, Account, as_json

pytestmark = pytest.mark.runtime

HOST = "shop.example"
URL = f"http://{HOST}"
CLIENT = "const http = Toolbelt.HTTPClient();\n"
# What request-promise puts into its errors.
DESCRIBED = """
.catch((error) => ({
  name: error.name,
  message: error.message,
  isError: error instanceof Error,
  statusCode: error.statusCode,
  error: error.error instanceof Error ? error.error.code ?? error.error.message : error.error,
  uri: String(error.options.uri ?? error.options.url),
  response: error.response?.statusCode,
}))
"""


@pytest.fixture
def shop(account: Account) -> Account:
    account.serve(
        HOST,
        {
            "/order": as_json({"id": 7, "text": "größe"}),
            "/text": Answer(200, {"content-type": "text/plain"}, "größe".encode()),
            "/broken": Answer(200, {"content-type": "application/json"}, b"{no"),
            "/bytes": Answer(200, {}, b"\xff\x00\x7f"),
            "/missing": as_json({"why": "gone"}, 404),
            "/moved": Answer(302, {"location": "/order"}),
            "/kept": Answer(307, {"location": "/text"}),
            "/away": Answer(302, {"location": "http://elsewhere.example/order"}),
            "/forbidden": Answer(302, {"location": "http://unlisted.example/"}),
            "/round": Answer(302, {"location": "/round"}),
            "/cookies": Answer(200, {"set-cookie": "a=b"}),
        },
    )
    account.serve("elsewhere.example", {"/order": as_json("elsewhere")})
    return account


def ask(shop: Account, expression: str) -> Any:
    return shop.run(f"{CLIENT}return {expression};")


# --- what is sent ---------------------------------------------------------------------------------


def test_a_request_carries_the_vendors_headers(shop: Account) -> None:
    ask(shop, f"http('{URL}/order')")

    (request,) = shop.requests(HOST)
    assert request.method == "GET"
    assert request.headers["lp-url"] == ACCOUNT_ID
    assert request.headers["user-agent"] == f"LP-Lambda-{FUNCTION_ID}"


def test_headers_of_the_function_come_first(shop: Account) -> None:
    ask(shop, f"http('{URL}/order', {{ headers: {{ 'user-agent': 'mine', 'X-A': null }} }})")

    (request,) = shop.requests(HOST)
    assert request.headers["user-agent"] == "mine"
    assert "x-a" not in request.headers


@pytest.mark.parametrize(
    "call",
    [
        f"http('{URL}/order?a=1')",
        f"http({{ url: '{URL}/order?a=1' }})",
        f"http({{ uri: new URL('{URL}/order?a=1') }})",
        f"http(new URL('{URL}/order?a=1'))",
        f"http({{ baseUrl: '{URL}/', uri: '/order', qs: {{ a: 1 }} }})",
        f"http.get('{URL}/order', {{ qs: {{ a: '1' }} }})",
        f"http('{URL}/order?a=0', {{ qs: {{ a: 1 }} }})",
    ],
)
def test_an_address_is_given_in_any_of_the_ways(shop: Account, call: str) -> None:
    ask(shop, call)

    (request,) = shop.requests(HOST)
    assert request.path == "/order?a=1"


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ("qs: { a: [1, 2], b: { c: 'd e' } }", "a%5B0%5D=1&a%5B1%5D=2&b%5Bc%5D=d%20e"),
        ("qs: { a: [1, 2] }, useQuerystring: true", "a=1&a=2"),
        ("qs: { a: null, b: undefined, c: '!*' }", "a=&c=%21%2A"),
        ("qs: 'a=b'", "a=b"),
    ],
)
def test_a_query_is_written_as_request_writes_it(shop: Account, options: str, query: str) -> None:
    ask(shop, f"http('{URL}/order', {{ {options} }})")

    (request,) = shop.requests(HOST)
    assert request.path == f"/order?{query}"


def test_a_query_that_is_no_encoding_stays_as_it_is(shop: Account) -> None:
    ask(shop, f"http('{URL}/order?100%=1', {{ qs: {{ a: 1 }} }})")

    (request,) = shop.requests(HOST)
    assert request.path == "/order?100%=1&a=1"


@pytest.mark.parametrize(
    ("options", "content_type", "body"),
    [
        ("json: true, body: { a: 'ä' }", "application/json", '{"a":"ä"}'),
        ("json: { a: 1 }", "application/json", '{"a":1}'),
        ("json: true, body: 'a'", "application/json", '"a"'),
        ("form: { a: 'b c', d: [1] }", "application/x-www-form-urlencoded", "a=b%20c&d%5B0%5D=1"),
        ("form: 'a=b'", "application/x-www-form-urlencoded", "a=b"),
        ("body: 'plain'", "text/plain;charset=UTF-8", "plain"),
        ("body: Buffer.from('bytes')", "", "bytes"),
        ("body: ['one', Buffer.from('two')]", "", "onetwo"),
        (
            "body: '<a/>', headers: { 'Content-Type': 'text/xml' }",
            "text/xml",
            "<a/>",
        ),
    ],
)
def test_a_body_is_sent_in_its_way(
    shop: Account, options: str, content_type: str, body: str
) -> None:
    ask(shop, f"http.post('{URL}/order', {{ {options} }})")

    (request,) = shop.requests(HOST)
    assert request.method == "POST"
    assert request.headers.get("content-type", "") == content_type
    assert request.body.decode() == body


def test_a_form_with_files_is_sent_in_parts(shop: Account) -> None:
    options = (
        "formData: { a: 'b', file: { value: Buffer.from('x'), "
        "options: { filename: 'a.txt', contentType: 'text/plain' } } }"
    )

    ask(shop, f"http.post('{URL}/order', {{ {options} }})")

    (request,) = shop.requests(HOST)
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="a"\r\n\r\nb\r\n' in request.body
    assert b'name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nx' in request.body


@pytest.mark.parametrize(
    ("url", "options", "header"),
    [
        (URL, "auth: { user: 'me', pass: 'wörd' }", b"me:w\xc3\xb6rd"),
        (f"http://me:p%40ss@{HOST}", "", b"me:p@ss"),
        (f"http://me:100%@{HOST}", "", b"me:100%"),
    ],
)
def test_a_password_is_sent_as_basic_authorization(
    shop: Account, url: str, options: str, header: bytes
) -> None:
    ask(shop, f"http('{url}/order', {{ {options} }})")

    (request,) = shop.requests(HOST)
    assert request.headers["authorization"] == f"Basic {base64.b64encode(header).decode()}"


def test_a_bearer_token_is_sent_as_such(shop: Account) -> None:
    ask(shop, f"http('{URL}/order', {{ auth: {{ bearer: () => 'token' }} }})")

    (request,) = shop.requests(HOST)
    assert request.headers["authorization"] == "Bearer token"


# --- what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"http('{URL}/order')", '{"id": 7, "text": "gr\\u00f6\\u00dfe"}'),
        (f"http('{URL}/order', {{ json: true }})", {"id": 7, "text": "größe"}),
        (f"http('{URL}/text')", "größe"),
        (f"http('{URL}/broken', {{ json: true }})", "{no"),
        (
            f"http('{URL}/bytes', {{ encoding: null }})",
            {"type": "Buffer", "data": [255, 0, 127]},
        ),
        (f"http('{URL}/bytes', {{ encoding: 'hex' }})", "ff007f"),
        (f"http.head('{URL}/text').then((headers) => headers['content-length'])", "7"),
        (
            f"http('{URL}/text', {{ transform: (body, response) => "
            "[body.length, response.statusCode] })",
            [5, 200],
        ),
    ],
)
def test_a_body_is_given_as_it_was_asked_for(shop: Account, expression: str, expected: Any) -> None:
    assert ask(shop, expression) == expected


def test_a_full_response_says_all_of_it(shop: Account) -> None:
    full = "{ resolveWithFullResponse: true, json: true }"

    response = ask(shop, f"http('{URL}/order', {full})")

    assert response["statusCode"] == 200
    assert response["statusMessage"] == "OK"
    assert response["headers"]["content-type"] == "application/json"
    assert response["body"] == {"id": 7, "text": "größe"}
    assert response["request"]["href"] == f"{URL}/order"


def test_cookies_of_a_full_response_are_a_list(shop: Account) -> None:
    response = ask(shop, f"http('{URL}/cookies', {{ resolveWithFullResponse: true }})")

    assert response["headers"]["set-cookie"] == ["a=b"]


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_failure_of_the_server_is_a_status_code_error(shop: Account) -> None:
    error = ask(shop, f"http('{URL}/missing', {{ json: true }}){DESCRIBED}")

    assert error == {
        "name": "StatusCodeError",
        "message": '404 - {"why":"gone"}',
        "isError": True,
        "statusCode": 404,
        "error": {"why": "gone"},
        "uri": f"{URL}/missing",
        "response": 404,
    }


def test_a_failure_of_the_server_is_a_response_when_it_is_not_simple(shop: Account) -> None:
    options = "{ simple: false, resolveWithFullResponse: true, json: true }"

    response = ask(shop, f"http('{URL}/missing', {options})")

    assert response["statusCode"] == 404
    assert response["body"] == {"why": "gone"}


def test_a_host_outside_of_the_allow_list_answers_403(shop: Account) -> None:
    error = ask(shop, f"http('http://unlisted.example/'){DESCRIBED}")

    assert error["name"] == "StatusCodeError"
    assert error["statusCode"] == error["response"] == 403
    assert "allow-list" in error["error"]


def test_a_host_outside_of_the_allow_list_answers_403_as_a_full_response(shop: Account) -> None:
    options = "{ simple: false, resolveWithFullResponse: true }"

    response = ask(shop, f"http('http://unlisted.example/', {options})")

    assert response["statusCode"] == 403
    assert response["statusMessage"] == "Forbidden"


def test_who_sends_too_much_gets_429_and_nothing_is_sent(shop: Account) -> None:
    shop.may_send = False

    error = ask(shop, f"http('{URL}/order'){DESCRIBED}")
    response = ask(shop, f"http('{URL}/order', {{ simple: false, resolveWithFullResponse: true }})")

    assert error["name"] == "StatusCodeError"
    assert error["statusCode"] == 429
    assert response["statusCode"] == 429
    assert shop.permissions == 2
    assert shop.requests(HOST) == []


def test_a_name_that_nobody_knows_is_not_found(shop: Account) -> None:
    shop.hosts.append("*.shop.example")

    error = ask(shop, f"http('http://nobody.shop.example/'){DESCRIBED}")

    assert error["name"] == "RequestError"
    assert error["error"] == "ENOTFOUND"
    assert error["message"] == "Error: getaddrinfo ENOTFOUND nobody.shop.example"


def test_a_server_that_takes_too_long_times_out(account: Account) -> None:
    def hang(_: Any) -> Answer:
        time.sleep(1)
        return Answer()

    account.serve(HOST, hang)

    error = ask(account, f"http('{URL}/', {{ timeout: 50 }}){DESCRIBED}")

    assert error["name"] == "RequestError"
    assert error["error"] == "ESOCKETTIMEDOUT"


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("http({})", "options.uri is a required argument"),
        ("http('nowhere')", 'Invalid URI "nowhere"'),
        (f"http.post('{URL}/order', {{ body: {{}} }})", "Argument error, options.body."),
    ],
)
def test_options_that_make_no_request_are_a_request_error(
    shop: Account, call: str, why: str
) -> None:
    error = ask(shop, f"{call}{DESCRIBED}")

    assert error["name"] == "RequestError"
    assert error["message"] == f"Error: {why}"
    assert shop.requests(HOST) == []


def test_what_a_transform_throws_is_a_transform_error(shop: Account) -> None:
    transform = "{ transform() { throw new Error('no'); } }"

    error = ask(shop, f"http('{URL}/order', {transform}){DESCRIBED}")

    assert error["name"] == "TransformError"
    assert error["message"] == "Error: no"


# --- redirects ------------------------------------------------------------------------------------


def test_a_redirect_is_followed(shop: Account) -> None:
    assert ask(shop, f"http('{URL}/moved', {{ json: true }})")["id"] == 7
    assert shop.permissions == 2


@pytest.mark.parametrize("options", ["followRedirect: false", "method: 'POST', body: 'a'"])
def test_a_redirect_is_an_answer_when_it_is_not_to_be_followed(shop: Account, options: str) -> None:
    error = ask(shop, f"http('{URL}/moved', {{ {options} }}){DESCRIBED}")

    assert error["statusCode"] == 302


def test_a_redirect_of_a_post_is_followed_when_all_are(shop: Account) -> None:
    found = ask(shop, f"http.post('{URL}/moved', {{ body: 'a', followAllRedirects: true }})")

    first, second = shop.requests(HOST)
    assert json.loads(found)["id"] == 7
    assert (first.method, second.method) == ("POST", "GET")
    assert second.body == b""


def test_a_redirect_that_keeps_the_body_keeps_it(shop: Account) -> None:
    ask(shop, f"http.post('{URL}/kept', {{ body: 'a', followAllRedirects: true }})")

    _, second = shop.requests(HOST)
    assert (second.method, second.body) == ("POST", b"a")


def test_another_host_is_not_told_the_password(shop: Account) -> None:
    found = ask(shop, f"http('{URL}/away', {{ auth: {{ bearer: 'token' }} }})")

    assert found == '"elsewhere"'
    (request,) = shop.requests("elsewhere.example")
    assert "authorization" not in request.headers


def test_a_redirect_out_of_the_allow_list_answers_403(shop: Account) -> None:
    assert ask(shop, f"http('{URL}/forbidden'){DESCRIBED}")["statusCode"] == 403


def test_a_circle_of_redirects_comes_to_an_end(shop: Account) -> None:
    error = ask(shop, f"http('{URL}/round', {{ maxRedirects: 3 }}){DESCRIBED}")

    assert error["name"] == "RequestError"
    assert error["message"].startswith("Error: Exceeded maxRedirects.")
    assert len(shop.requests(HOST)) == 4


def test_the_second_generation_has_none(account: Account) -> None:
    assert account.run("return typeof Toolbelt.HTTPClient", toolbelt="core-functions-toolbelt") == (
        "undefined"
    )
