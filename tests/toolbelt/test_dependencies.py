"""What functions may require, each put to its usual use in a real sandbox."""

import pytest

from invoker.runtime.dependencies import dependencies
from tests.invoker import sandboxes

pytestmark = pytest.mark.runtime

# By name: an expression of what require gives, and what it is.
USES = {
    "@jsforce/jsforce-node": (
        "new required.Connection({instanceUrl: 'https://example.com'})._baseUrl()",
        "https://example.com/services/data/v50.0",
    ),
    "core-functions-toolbelt": ("typeof required.Toolbelt.SecretClient().readSecret", "function"),
    "es-toolkit": ("required.chunk([1, 2, 3], 2)", [[1, 2], [3]]),
    "jsforce": (
        "new required.Connection({instanceUrl: 'https://example.com'})._baseUrl()",
        "https://example.com/services/data/v42.0",
    ),
    "jsonwebtoken": ("required.verify(required.sign({ sub: 'c-1' }, 'key'), 'key').sub", "c-1"),
    "lodash": (
        "[required.isTypedArray(new Uint8Array(1)), required.isDate(new Date()),"
        " required.isMap(new Map()), required.isBuffer(Buffer.from('a')),"
        " required.isEqual(Buffer.from('a'), Buffer.from('b')),"
        " required.cloneDeep({ at: new Date(0) }).at.getTime()]",
        [True, True, True, True, False, 0],
    ),
    "lp-faas-toolbelt": ("typeof required.Toolbelt.SecretClient().readSecret", "function"),
    "luxon": (
        "required.DateTime.fromISO('2024-07-01T12:00Z', { zone: 'Europe/Berlin', locale: 'de' })"
        ".toFormat('cccc HH:mm')",
        "Montag 14:00",
    ),
    "oauth-1.0a": (
        "required({ consumer: { key: 'k', secret: 's' } }).getParameterString("
        "{ url: 'https://example.com/?c=3', data: { b: 2, a: 'ä' } }, {})",
        "a=%C3%A4&b=2&c=3",
    ),
    "request": ("typeof required.defaults({ json: true }).get", "function"),
    "request-promise-native": ("typeof required.jar().setCookie", "function"),
    "undici": ("[typeof required.request, new required.Headers({ a: 'b' }).get('A')]",
               ["function", "b"]),
    "uuid": ("required.v5('a', required.v5.URL)", "e1407479-3136-56c0-9908-bb02fb0339e2"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(USES))
def test_a_dependency_does_what_it_is_for(name: str) -> None:
    expression, expected = USES[name]
    source = f'const required = require("{name}");\n{sandboxes.calls_back(expression)}'

    result = sandboxes.run(source)

    assert result.failure is None
    assert result.value == expected


def test_the_list_names_what_can_be_required_with_its_version() -> None:
    listed = {dependency.name: dependency.version for dependency in dependencies()}
    versions = "[require('lodash').VERSION, require('luxon').VERSION, require('jsforce').VERSION]"

    result = sandboxes.run(sandboxes.calls_back(versions))

    assert set(listed) == set(USES)
    assert result.value == [listed["lodash"], listed["luxon"], listed["jsforce"]]


def test_what_is_not_listed_cannot_be_required() -> None:
    result = sandboxes.run(sandboxes.calls_back('require("axios")'))

    assert sandboxes.code_of(result) == "custom-failure"
    assert result.failure is not None
    assert result.failure.message.startswith("Cannot find module 'axios'")
