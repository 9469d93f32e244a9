"""LivePerson's command line in a folder of its own, and how to read what it prints."""

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.conftest import HERE, Account, Way
from tests.contract.prepared import ACCOUNT_ID, PASSWORD, PERSON

COMMAND = HERE / "node_modules" / ".bin" / "lpf"
# With this it runs functions on its own machine.
LOCAL = HERE / "node_modules" / "liveperson-functions-cli" / "bin" / "example" / "bin"


@dataclass(frozen=True)
class Printed:
    code: int
    text: str
    took_s: float

    def json(self) -> Any:
        """The one JSON value, whatever was said before it."""
        return json.loads(self.text[re.search(r"^[\[{]", self.text, re.MULTILINE).start() :])  # type: ignore[union-attr]

    def tables(self) -> list[list[dict[str, str]]]:
        """Tables by their rules: a line of dashes below each header says where columns are."""
        found: list[list[dict[str, str]]] = []
        lines = self.text.splitlines()
        for number, line in enumerate(lines):
            if not re.fullmatch(r"\s*─[─ ]*", line):
                continue
            # A dash is as wide as a space, so columns end where the next one begins.
            starts = [match.start() for match in re.finditer(r"(?<!─)─", line)]
            spans = list(zip(starts, [*starts[1:], None], strict=True))
            names, *rows = [
                [each[start:end].strip() for start, end in spans]
                for each in [lines[number - 1], *_until_blank(lines[number + 1 :])]
            ]
            found.append([dict(zip(names, row, strict=True)) for row in rows])
        return found


def _until_blank(lines: list[str]) -> list[str]:
    blank = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    return lines[:blank]


class Lpf:
    """One person's command line: the folder is a project as `lpf init` lays it out."""

    def __init__(self, way: Way, folder: Path, *, home: Path | None = None) -> None:
        self._way = way
        self._folder = folder
        # Where it keeps who is signed in, of whatever project.
        self._home = home or folder / "home"
        # `lpf init` would also install what it has to run functions that need more.
        shutil.copytree(LOCAL, folder / "bin")
        for directory in (folder / "functions", self._home):
            directory.mkdir(parents=True, exist_ok=True)

    def __call__(self, *arguments: str) -> Printed:
        started_at = time.monotonic()
        ran = self._way.run(COMMAND, *arguments, cwd=self._folder, TMPDIR=str(self._home))
        return Printed(ran.returncode, ran.stdout + ran.stderr, time.monotonic() - started_at)

    def write(
        self,
        name: str,
        code: str,
        *,
        event: str = "No Event",
        payload: Any = None,
        variables: dict[str, str] | None = None,
    ) -> None:
        """What somebody edits in a function's folder."""
        folder = self._folder / "functions" / name
        folder.mkdir(exist_ok=True)
        listed = [{"key": key, "value": value} for key, value in (variables or {"": ""}).items()]
        config = {
            "name": name,
            "event": event,
            "description": f"For tests: {name}",
            "input": {"headers": [], "payload": payload or {}},
            "environmentVariables": listed,
        }
        (folder / "config.json").write_text(json.dumps(config, indent=4))
        (folder / "index.js").write_text(code)

    def files(self, name: str) -> dict[str, str]:
        folder = self._folder / "functions" / name
        return {file.name: file.read_text() for file in sorted(folder.iterdir())}


# A week's work at it ------------------------------------------------------------------------------

WELCOME = "welcome"
EVENT = "controllerbot_messaging_new_conversation"
PAYLOAD = {"general": {"convId": "by-hand"}}
VARIABLES = {"GREETING": "Good morning"}
SOURCE = """function lambda(input, callback) {
  console.info("greets", input.payload.general.convId);
  callback(null, [{ type: "systemMessage", text: `${process.env.GREETING}, Houston` }]);
}
"""
CHANGED = SOURCE.replace("Houston", "Apollo")
# Both are found out late: one when it is saved, one when it is started.
NO_FUNCTION = "const lambda = 1;\n"
NO_START = f"""throw new Error("no antenna");
{SOURCE}"""
DOMAIN = "*.example.com"
NEW_YEAR = "0 0 1 1 *"


@dataclass(frozen=True)
class Week:
    """What was printed, by step; files, as somebody wrote or got them; what a platform got."""

    printed: dict[str, Printed]
    created: dict[str, str]
    pushed: dict[str, str]
    pulled: dict[str, str]
    event: dict[str, Any]


def week(way: Way, folder: Path, account: Account, send: Callable[[], dict[str, Any]]) -> Week:
    """Every command, in the order of somebody's work; `send` makes the event happen."""
    lpf, elsewhere = Lpf(way, folder), Lpf(way, folder / "elsewhere", home=folder / "home")
    since = str(int(time.time() * 1000))
    done: dict[str, Printed] = {}
    done["login"] = log_in_by_token(lpf, account.tokens[ACCOUNT_ID], account.user_id)
    done["create:function"] = lpf("create:function", "-n", WELCOME, "-d", "Greets", "-e", EVENT)
    created = lpf.files(WELCOME)
    lpf.write(WELCOME, SOURCE, event=EVENT, payload=PAYLOAD, variables=VARIABLES)
    done["push new"] = lpf("push", WELCOME, "-y")
    done["push same"] = lpf("push", WELCOME, "-y")
    lpf.write(WELCOME, CHANGED, event=EVENT, payload=PAYLOAD, variables=VARIABLES)
    done["push changed"] = lpf("push", WELCOME, "-y")
    done["deploy"] = lpf("deploy", WELCOME, "-y")
    event = send()
    done["get"] = lpf("get", "functions", "deployments", "account", "events")
    for output in ("table", "csv", "json"):
        wanted = [] if output == "table" else ["-o", output]
        done[f"metrics {output}"] = lpf("metrics", WELCOME, "--last", "1h", *wanted)
    done["logs"] = lpf("logs", WELCOME, "-s", since)
    done["logs of errors"] = lpf("logs", WELCOME, "-s", since, "-l", "Warn", "Error")
    done["invoke"] = lpf("invoke", WELCOME)
    done["invoke local"] = lpf("invoke", WELCOME, "--local")
    written = lpf.files(WELCOME)
    lpf.write(WELCOME, CHANGED, event=EVENT)
    done["invoke with another input"] = lpf("invoke", WELCOME)
    done["create:schedule"] = lpf("create:schedule", "-f", WELCOME, "-c", NEW_YEAR)
    done["add:domain"] = lpf("add:domain", DOMAIN)
    done["add:domain again"] = lpf("add:domain", DOMAIN)
    lpf.write("broken", NO_FUNCTION)
    done["push no function"] = lpf("push", "broken", "-y")
    lpf.write("broken", NO_START)
    done["push broken"] = lpf("push", "broken", "-y")
    done["deploy broken"] = lpf("deploy", "broken", "-y")
    done["undeploy"] = lpf("undeploy", WELCOME, "-y")
    done["logout"] = lpf("logout", "-a", ACCOUNT_ID)
    done["get logged out"] = lpf("get", "functions")
    done["login by password"] = lpf("login", "-a", ACCOUNT_ID, "-u", PERSON, "-p", PASSWORD)
    done["pull"] = elsewhere("pull", WELCOME, "-y")
    return Week(done, created, written, elsewhere.files(WELCOME), event)


def log_in_by_token(lpf: Lpf, token: str, user_id: str, *, account_id: str = ACCOUNT_ID) -> Printed:
    return lpf("login", "--token", token, "--accountId", account_id, "--userId", user_id)
