"""What the manual states, taken from where the product itself takes it."""

import datetime as dt
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from django.conf import settings

from functions import exchange, gallery, kept_scenarios, replays, scenario_runs, scenarios
from functions import services as functions
from functions.api import logs as api_logs
from functions.models import State
from functions.scenarios import reference
from functions.views import logs, replaying
from houston import connecting, layers
from houston.manual.codes import CODES, VENDOR_CODES
from invoker import (
    allow_list,
    bounds,
    calls,
    commands,
    context,
    events,
    ingest,
    log_lines,
    runtime,
    schedules,
    vault,
    waiting,
)
from invoker.api import MAX_BODY_BYTES
from invoker.automatic_messages.timers import LONGEST_IDLE_S, MOST_REPEATS
from invoker.conversations.circumstances import MAX_EVENT_AGE_MS
from invoker.conversations.deriving import CLOCKS_DIFFER_MS
from invoker.hours.changes import MOST_PROFILES
from invoker.models import (
    CommandState,
    CommandType,
    InvocationState,
    NotificationState,
    Platform,
    Verdict,
)
from invoker.permissions import Permission, Privilege, permits
from invoker.simulator import acts, playing, scene

_README_ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
_MODULE = re.compile(r'^declare module "([^"]+)"', re.MULTILINE)
_CLIENT = re.compile(
    r"/\*\*((?:(?!\*/).)*)\*/\s+export interface (\w+(?:Client|Util))\b", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Limit:
    what: str
    value: str
    beyond: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of README's table: default and meaning with backticks around what is code."""

    name: str
    default: str
    meaning: str


def event_slug(event_type: events.EventType) -> str:
    return "event-" + re.sub(r"[^a-z0-9]+", "-", event_type.name.lower()).strip("-")


def limits() -> list[Limit]:
    pool = runtime.Config(directory=settings.DATA_DIR)
    refused = "Refused with a message; nothing is cut"
    return [
        Limit("Names in the objects of a body", f"{bounds.MAX_NAMES:,}", "400 with a code"),
        Limit("Headers of a request", "64, each up to 8 KB", "400 by the web server"),
        Limit("Connections per account", f"{connecting.MAX_CONNECTIONS}", refused),
        Limit("Functions per account", f"{functions.MAX_FUNCTIONS}", refused),
        Limit("Name of a function", f"{functions.MAX_NAME} characters", refused),
        Limit("Description", f"{functions.MAX_DESCRIPTION} characters", refused),
        Limit("Code of a function", f"{functions.MAX_CODE:,} characters", refused),
        Limit("Archive to import", f"{exchange.MAX_ARCHIVE // 1024**2} MiB", refused),
        Limit("Functions in an archive to import", f"{exchange.MAX_FOLDERS}", refused),
        Limit("Skills of a function", f"{functions.MAX_SKILLS}", refused),
        Limit("Environment variables of a function", f"{functions.MAX_VARIABLES}", refused),
        Limit(
            "Value of an environment variable",
            f"{functions.MAX_VARIABLE_VALUE:,} characters",
            refused,
        ),
        Limit(
            "Running time",
            f"{settings.INVOCATION_TIMEOUT_S:g} s",
            "The run is ended, and its outcome is Timed out",
        ),
        Limit("Budget of a good answer", "1 s", "Charts show it, and late texts may go stale"),
        Limit(
            "JavaScript heap",
            f"{settings.SANDBOX_MEMORY_MB} MB",
            "The run is ended with memory-exceeded",
        ),
        Limit(
            "Result",
            f"{pool.result_characters:,} characters",
            "The run fails: result-too-large",
        ),
        Limit(
            "Log entries kept per invocation",
            f"{pool.log_entries}",
            "The rest is counted and the trace says how many",
        ),
        Limit(
            "Log text kept per invocation",
            f"{pool.log_characters:,} characters",
            "As above",
        ),
        Limit(
            "Log lines in one file",
            f"{logs.MOST_EXPORTED:,}",
            "The newest are in it; ask for an earlier window as well",
        ),
        Limit(
            "Log lines in one file of the API",
            f"{api_logs.MOST_EXPORTED:,}",
            "The oldest are in it; ask again from the last one on",
        ),
        Limit(
            "Window of a search in logs",
            f"{log_lines.LONGEST_WINDOW.days} days, {log_lines.OLDEST.days} days ago",
            refused,
        ),
        Limit(
            "Log lines read in one search for a text",
            f"{log_lines.READ_AT_ONCE:,}",
            "The page offers to go on further back",
        ),
        Limit(
            "Requests to other hosts",
            f"{calls.REQUESTS_PER_S} per second and function",
            "The request fails inside the function",
        ),
        Limit(
            "Lines and people of a simulated conversation",
            f"{playing.MOST_LINES} and {scene.MOST_PEOPLE}",
            "Refused: start another one",
        ),
        Limit(
            "Time let pass at once in a simulated conversation",
            f"{acts.LONGEST_WAIT_S // 86_400} days, {scene.MOST_WHILE_WAITING} events, "
            f"{scene.LONGEST_PASSING_S:.0f} s of ours",
            "Time stops, and the conversation says why",
        ),
        Limit("Commands read of one result", f"{commands.MOST_READ}", "The rest is dropped"),
        Limit("Depth of functions that invoke each other", f"{calls.MAX_DEPTH}", "The call fails"),
        Limit(
            "Notifications a second",
            f"{settings.EVENTS_PER_SECOND:,} of one connection, and "
            f"{settings.EVENTS_PER_SECOND * ingest.BURST_S:,} at once after a rest",
            f"Answers come up to {ingest.SLOWED_S:g} s later, then 429 too-many-events, with "
            "Retry-After",
        ),
        Limit(
            "Notifications that wait to be handled",
            f"{settings.INBOX_OF_ACCOUNT:,} of one account and {settings.INBOX:,} of all",
            "503 inbox-full, with Retry-After",
        ),
        Limit(
            "Requests to the API a minute",
            f"{settings.API_REQUESTS_PER_MIN:,} of one client or person",
            "429 rate-limited, with Retry-After",
        ),
        Limit(
            "Invocations over the API a minute",
            f"{settings.API_INVOCATIONS_PER_MIN:,} of an account (V1) or a function (V2)",
            "429 rate-limited, with Retry-After",
        ),
        Limit(
            "Invocations over the API, tests and deployments at once",
            f"{waiting.MOST_OF_ACCOUNT} of an account and {waiting.MOST_TOGETHER} of all, in each "
            "web process",
            "429 too-many-at-once, with Retry-After",
        ),
        Limit(
            "Tokens a minute",
            f"{settings.API_TOKENS_PER_MIN:,} for one address",
            "429 rate-limited, with Retry-After",
        ),
        Limit("Scenarios per account", f"{kept_scenarios.MAX_SCENARIOS}", refused),
        Limit("File of a scenario", f"{scenarios.LONGEST_FILE:,} characters", refused),
        Limit("Schedules per account", f"{schedules.MAX_SCHEDULES}", refused),
        Limit("Schedule", "due at most once a minute", refused),
        Limit(
            "Payload of a schedule, and its headers",
            f"{schedules.MAX_PAYLOAD:,} characters each",
            refused,
        ),
        Limit(
            "Runs of schedules at once in an account", f"{schedules.LANES}", "The rest waits for it"
        ),
        Limit(
            "Delay of a schedule",
            f"{_minutes(schedules.GRACE)} minutes",
            "The due time is missed, which its page shows",
        ),
        Limit("Events of a replay", f"{replays.MOST:,}", "The newest count"),
        Limit(
            "Replays of an account at once",
            "1",
            "The page goes on after it; over the API it is refused",
        ),
        Limit(
            "Run of a replay",
            f"{replays.RUN_S:g} s",
            f"It is stopped, and {replays.MOST_TIMEOUTS} of them stop the replay",
        ),
        Limit("Steps of a scenario", f"{scenarios.MOST_STEPS}", refused),
        Limit(
            "Last step of a scenario",
            f"{scenarios.LONGEST_MS // 86_400_000} days after its start",
            refused,
        ),
        Limit(
            "Time of a scenario",
            f"{scenarios.LONGEST_S:g} s by our clock, {scenarios.MOST_EVENTS:,} events",
            "It ends there, and the result says so",
        ),
        Limit("Value of a secret", f"{vault.MAX_VALUE:,} characters", refused),
        Limit("Hosts in the allow-list", f"{allow_list.MAX_DOMAINS}", refused),
        Limit("Properties of a context namespace", f"{context.MAX_PROPERTIES:,}", "The call fails"),
        Limit("Context namespaces", f"{context.MAX_NAMESPACES}", "The call fails"),
        Limit(
            "Idle time",
            f"{LONGEST_IDLE_S // 86_400} days",
            refused,
        ),
        Limit("Repeats of an idle message", f"{MOST_REPEATS}", refused),
        Limit("Office hours profiles", f"{MOST_PROFILES}", refused),
        Limit(
            "Body of a notification", f"{ingest.MAX_BODY_BYTES // 1024:,} KiB", "413 body-too-large"
        ),
        Limit(
            "Changes in one notification request",
            f"{ingest.MOST_AT_ONCE:,}",
            "400 batch-too-large",
        ),
        Limit("Body of a request to the API", f"{MAX_BODY_BYTES // 1024:,} KiB", "413"),
        Limit(
            "Age of a change when it is told",
            f"{MAX_EVENT_AGE_MS // 1000} s",
            "It is no event, though what is known is put right; an end always counts",
        ),
        Limit(
            "Time of a change that lies ahead",
            f"{CLOCKS_DIFFER_MS // 60_000} min",
            "It counts as of the moment it came",
        ),
        Limit(
            "Age of an event when its commands leave",
            f"{settings.EVENT_MAX_AGE_S:g} s",
            "The commands are too late and not sent",
        ),
        Limit(
            "Attempts to deliver a command",
            f"{settings.CALLBACK_ATTEMPTS}, until the event is too old",
            "The command is given up: the trace says after how many, and why the last one failed",
        ),
    ]


def _minutes(length: dt.timedelta) -> int:
    return int(length.total_seconds() // 60)


def _scenarios() -> dict[str, Any]:
    examples = settings.BASE_DIR / "templates/help/examples"
    return {
        "scenario_example": scenarios.shipped()[0].text,
        "scenario_github": (examples / "scenarios.github.yaml").read_text(encoding="utf-8"),
        "scenario_gitlab": (examples / "scenarios.gitlab.yaml").read_text(encoding="utf-8"),
        "scenario_parts": reference.parts(),
        "scenario_acts": reference.all_acts(),
        "scenario_limits": {
            "kept": kept_scenarios.MAX_SCENARIOS,
            "at_once": scenario_runs.MOST_AT_ONCE,
            "characters": f"{scenarios.LONGEST_FILE:,}",
            "steps": scenarios.MOST_STEPS,
            "days": scenarios.LONGEST_MS // 86_400_000,
            "events": f"{scenarios.MOST_EVENTS:,}",
            "seconds": f"{scenarios.LONGEST_S:g}",
            "run": f"{scenarios.RUN_S:g}",
            "timeouts": scenarios.MOST_TIMEOUTS,
        },
    }


@cache
def environment_settings() -> tuple[Setting, ...]:
    """README's table of environment variables, which a test holds against the settings."""
    text = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    return tuple(
        Setting(name, default, meaning) for name, default, meaning in _README_ROW.findall(text)
    )


@cache
def _toolbelt() -> dict[str, Any]:
    text = (settings.BASE_DIR / "static/editor/toolbelt.d.ts").read_text(encoding="utf-8")
    clients: dict[str, str] = {}
    for comment, name in _CLIENT.findall(text):
        words = [line.strip().lstrip("*").strip() for line in comment.splitlines()]
        clients.setdefault(name, " ".join(word for word in words if word and word[0] != "@"))
    return {"modules": _MODULE.findall(text), "clients": clients}


def _event(event_type_id: str) -> dict[str, Any]:
    sample = msgspec.json.format(msgspec.json.encode(events.sample(event_type_id)), indent=2)
    return {
        "event": events.EVENT_TYPES[event_type_id],
        "fields": events.fields(event_type_id),
        "sample": sample.decode(),
        "templates": [each for each in gallery.load() if each.event_type == event_type_id],
    }


def of(event_type_id: str | None) -> dict[str, Any]:
    """The context in which a page of the manual is rendered."""
    if event_type_id is not None:
        return _event(event_type_id)
    return {
        "events": [
            {"type": each, "slug": event_slug(each), "group": each.group.value}
            for each in events.EVENT_TYPES.values()
        ],
        "limits": limits(),
        "archive_mib": exchange.MAX_ARCHIVE // 1024**2,
        "archive_functions": exchange.MAX_FOLDERS,
        "cron_fields": schedules.FIELDS,
        "schedule_payload": f"{schedules.MAX_PAYLOAD:,}",
        "schedule_grace": _minutes(schedules.GRACE),
        "schedule_lanes": schedules.LANES,
        **_scenarios(),
        "replay": {
            "events": f"{replays.MOST:,}",
            "shown": replaying.MOST_DRAWN,
            "run": f"{replays.RUN_S:g}",
            "timeouts": replays.MOST_TIMEOUTS,
            "requests": calls.REQUESTS_PER_S,
        },
        "codes": CODES,
        "vendor_codes": VENDOR_CODES,
        "settings": environment_settings(),
        "toolbelt": _toolbelt(),
        "function_states": State,
        "outcomes": InvocationState.choices,
        "verdicts": [each for each in Verdict.choices if each[0]],
        "command_states": CommandState.choices,
        "notification_states": NotificationState.choices,
        "command_types": CommandType.choices,
        "platforms": Platform.choices,
        "platform_names": Platform,
        "url": settings.HOUSTON_URL,
        "timeout_s": f"{settings.INVOCATION_TIMEOUT_S:g}",
        "max_age_s": f"{settings.EVENT_MAX_AGE_S:g}",
        "oldest_change_s": MAX_EVENT_AGE_MS // 1000,
        "reserved": sorted(functions.RESERVED_VARIABLES),
        "layers": [each.title for each in layers.LAYERS if each.name != "permissions"],
        "permission_roles": [*_ROLES, "Account team"],
        "permissions": _permissions(),
        "door_mib": ingest.MAX_BODY_BYTES // 1024**2,
        "door_names": f"{bounds.MAX_NAMES:,}",
    }


_ROLES = {
    "Developer": Privilege.DEVELOPER,
    "Admin": Privilege.ADMIN,
    "API client that invokes": Privilege.INVOCATION,
}


def _permissions() -> list[tuple[str, list[tuple[str, str]]]]:
    """Each permission with the roles that have it, as the API asks."""
    found = []
    for each in Permission:
        marks = {
            role: permits(each, {privilege}, is_team=False, in_v1=False)
            for role, privilege in _ROLES.items()
        }
        marks["Account team"] = permits(each, set(), is_team=True, in_v1=False)
        found.append((each.value, [(role, "Yes" if may else "No") for role, may in marks.items()]))
    return found
