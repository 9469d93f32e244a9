"""The account that functions of the toolbelt's tests run in, and what stands in for LivePerson."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from invoker.runtime import CallError, Result
from tests.namespace import Answer, Request, Table, World

V1, V2 = "lp-faas-toolbelt", "core-functions-toolbelt"
ACCOUNT_ID, FUNCTION_ID = "acc-1", "11111111-2222-3333-4444-555555555555"
CSDS = "api.liveperson.example"
# What throws gives its error's properties instead, because some tests are about those.
SOURCE = """
const toolbelt = require("{toolbelt}");
const {{ Toolbelt }} = toolbelt;

async function lambda(input) {{
  try {{
    return await (async () => {{
{body}
    }})();
  }} catch (error) {{
    const {{ name, message, code, component, statusCode, headers, originalBody }} = error;
    return {{
      thrown: {{ name, message, code, component, statusCode, headers, originalBody }},
    }};
  }}
}}
"""


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"content-type": "application/json", **named}, json.dumps(value).encode())


class Account:
    """Answers what functions ask of the platform, and runs them.

    `secrets` are the account's; `answers` are of other calls: a value, an error, or a function of
    the arguments. `asked` are all calls but the permissions to send requests.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.secrets: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.may_send = True
        self.permissions = 0
        self.asked: list[tuple[str, Any]] = []
        self.hosts: list[str] = []

    def answer(self, op: str, arguments: Any) -> Any:
        if op == "http.permit":
            self.permissions += 1
            return self.may_send
        self.asked.append((op, arguments))
        if op in self.answers:
            given = self.answers[op]
            if isinstance(given, Exception):
                raise given
            return given(arguments) if callable(given) else given
        key = arguments.get("key")
        if op == "secret.read" and key in self.secrets:
            return {"key": key, "value": self.secrets[key]}
        if op == "secret.update" and key in self.secrets:
            self.secrets[key] = arguments["value"]
            return {"key": key, "value": arguments["value"]}
        raise CallError("com.liveperson.faas.secret.not-found", f'There is no secret "{key}"')

    def serve(self, host: str, answers: Table) -> None:
        """Stand in for a host that the account may reach."""
        self.world.serve(host, answers)
        self.hosts.append(host)

    def serve_services(self, **services: Table) -> None:
        """Stand in for services of LivePerson and for what finds them."""
        hosts = {service: f"{service.lower()}.liveperson.example" for service in services}
        found = [{"service": service, "baseURI": host} for service, host in hosts.items()]
        path = f"/api/account/{ACCOUNT_ID}/service/baseURI.json"
        self.serve(CSDS, {path: as_json({"baseURIs": found})})
        for service, answers in services.items():
            self.serve(hosts[service], answers)

    def requests(self, service: str) -> list[Request]:
        """What came to a host, or to a service."""
        names = {service, f"{service.lower()}.liveperson.example"}
        return [one for one in self.world.requests() if one.host in names]

    def run(self, body: str, event: Any = None, *, toolbelt: str = V1) -> Any:
        """What the body of a function gives, or `{"thrown": …}`."""
        result = self.run_source(SOURCE.format(toolbelt=toolbelt, body=body), event)
        assert result.failure is None, result.failure
        return result.value

    def run_source(self, source: str, event: Any = None, **program: Any) -> Result:
        return self.world.run(
            source,
            event,
            hosts=tuple(self.hosts),
            facts={
                "accountId": ACCOUNT_ID,
                "functionId": FUNCTION_ID,
                "liveperson": {"csds": f"http://{CSDS}"},
            },
            environment={"BRAND_ID": ACCOUNT_ID, "X_LIVEPERSON_BRAND_ID": ACCOUNT_ID},
            platform=self,
            **program,
        )


def one_after_another(*answers: Answer) -> Callable[[Request], Answer]:
    """A server that gives its answers in turn, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def one_header(request: Request, name: str) -> str:
    return request.headers.get(name, "")


def read(request: Request) -> Mapping[str, Any]:
    """The JSON of a request's body."""
    found: Mapping[str, Any] = json.loads(request.body)
    return found
