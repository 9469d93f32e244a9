"""The requests of the command line that comes next, 2.0.6-beta, which nobody has published.

Recorded, and sent again in its order. Source: `liveperson-contract.md` §3.2 and §11.
"""

from types import TracebackType
from typing import Any

import httpx

SOURCE = """async function lambda(input) {
  console.log("runs", input.payload);
  return "first";
}
"""
CHANGED = SOURCE.replace("first", "second")


class NextCli:
    def __init__(self, url: str, account_id: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=f"{url}/api/account/{account_id}",
            params={"userId": "987"},
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "user-agent": "faas-cli",
            },
            timeout=60,
        )

    def __enter__(self) -> "NextCli":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, **query: Any
    ) -> httpx.Response:
        sent = None if body is None else {"timestamp": 0, **body}
        return self._http.request(method, path, json=sent, params=query)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        answer = self.send(method, path, body, **query)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: dict[str, Any]) -> str:
        """The code of the error, which is all that it looks at."""
        answer = self.send(method, path, body)
        assert answer.is_error, answer.text
        code: str = answer.json()["code"]
        return code

    # What its commands do -------------------------------------------------------------------------

    def push_new(self, name: str, event: str = "") -> str:
        new = {"name": name, "description": "an example", **({"eventId": event} if event else {})}
        created = self.call("POST", "/functions", new)
        manifest = created["manifest"]
        written = {"version": manifest["version"], "id": manifest["id"], "code": SOURCE}
        self.call("PUT", f"/functions/{created['uuid']}/manifest", written)
        function: str = created["uuid"]
        return function

    def push(self, function: str, code: str, **environment: str) -> None:
        newest = self.newest(function)
        changed = {"version": newest["version"], "code": code, "environment": environment}
        self.call("PUT", f"/functions/{function}/manifest", changed)

    def deploy(self, function: str) -> None:
        """It takes an id in the answer for a failure, and asks for the state otherwise."""
        method = "PATCH" if self.state(function) == "Modified" else "POST"
        assert "uuid" not in (self.call(method, f"/deployments/{function}") or {})
        assert self.state(function) == "Productive"

    def undeploy(self, function: str) -> None:
        assert "uuid" not in (self.call("DELETE", f"/deployments/{function}") or {})

    def state(self, function: str) -> str:
        state: str = self.call("GET", f"/functions/{function}")["state"]
        return state

    def newest(self, function: str) -> dict[str, Any]:
        newest: dict[str, Any] = self.call("GET", f"/functions/{function}")["versions"][0]
        return newest
