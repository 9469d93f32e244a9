"""Every page of the console in every state that looks different: who sees it, and how.

A page that is new gets a line here; the test beside this file says when one is missing. Arguments
of addresses are things that `tests.browser.filling` made, by the names it gave them.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.urls import get_resolver, reverse
from playwright.sync_api import Locator, Page

from houston import manual, reference
from tests import factories
from tests.houston.test_isolation import names

Step = Callable[[Page], None]

TAKES = dict(names(get_resolver().url_patterns))
LEFT_OUT = {
    "home": "leads to the accounts, or to the only one",
    "account_login": "is the page sign-in under the name that django-allauth looks for",
    "account_logout": "only takes a form",
    "sign-out": "only takes a form",
    "mfa_list_webauthn": "leads to the second factors",
    "mfa_authenticate": "is what sign-in leads to, see sign-in-second-factor",
    "mfa_reauthenticate_webauthn": "answers the script of passkeys",
    "mfa_login_webauthn": "answers the script of passkeys",
    "healthz": "is for programs",
    "readyz": "is for programs",
    "exposition": "is for programs",
    "events": "is for messaging platforms",
    "events-token": "is for messaging platforms",
    "functions:schedule-check": "tells the form of a schedule what is typed, or leads to it",
    "functions:types": "is for the editor",
    "functions:schema": "is for the editor",
    "functions:deploy-progress": "is a part of deploy",
    "functions:pace": "is a part of the editor",
    "functions:logs-export": "is a file",
    "functions:export": "is a file",
    "functions:scenario-file": "is a file",
    "functions:scenario-from-conversation": "is scenario-new with what was played, which nobody "
    "has done here",
    "audit-export": "is a file",
    "automatic-messages-export": "is a file",
    "hours-export-days": "is a file",
    "hours-export-occasions": "is a file",
}
"""Addresses that answer GET and are no page, each with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`who` is empty for somebody who is not signed in; `path` is for what no name leads to."""

    slug: str
    name: str = ""
    who: str = "kim"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""
    steps: tuple[Step, ...] = ()
    status: int = 200
    path: str = ""
    debug: bool = False


def address(shown: Shown, things: Mapping[str, Any]) -> str:
    """Path and query; an argument that is no thing of the account is meant as it stands."""
    if shown.path:
        return shown.path.format(**things) + shown.query
    wanted = {key: shown.arguments.get(key, key) for key in TAKES[shown.name]}
    values = {key: things.get(value, value) for key, value in wanted.items()}
    return reverse(shown.name, kwargs=values) + shown.query.format(**things)


# Steps --------------------------------------------------------------------------------------------


def click(name: str, role: Any = "button") -> Step:
    return lambda page: page.get_by_role(role, name=name).first.click()


def menu(label: str) -> Step:
    """Open a menu, which is a summary."""
    found = f"summary[aria-label='{label}'], summary[title='{label}']"
    return lambda page: page.locator(found).first.click()


def press(keys: str) -> Step:
    return lambda page: page.keyboard.press(keys)


def asked(page: Page) -> None:
    page.locator("dialog[open]").first.wait_for()


def send_empty(page: Page) -> None:
    """Send the first form of the page with nothing in it, past the browser's own checks."""
    _send_empty(page, page.locator("main form[method=post]").first)


def send_last_empty(page: Page) -> None:
    _send_empty(page, page.locator("main form[method=post]").last)


def _send_empty(page: Page, form: Locator) -> None:
    form.evaluate("(form) => { form.noValidate = true; form.querySelectorAll("
                  "'input:not([type=hidden], [type=checkbox], [type=radio]), textarea'"
                  ").forEach((each) => { each.value = ''; }); }")  # fmt: skip
    form.locator("[type=submit], button:not([type])").first.click()
    page.wait_for_load_state()
    page.locator(".errorlist").first.wait_for()


def sign_in(username: str, password: str) -> Step:
    def step(page: Page) -> None:
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_load_state()

    return step


def search_for(text: str) -> Step:
    def step(page: Page) -> None:
        page.keyboard.press("/")
        page.locator("#search input").fill(text)
        page.locator("#search-hits a").first.wait_for()

    return step


def run_test(page: Page) -> None:
    page.locator("#test-button").click()
    page.locator("[data-run]").wait_for()


def conflict(page: Page) -> None:
    """Save what somebody else has changed meanwhile, as a page that was opened before would."""
    page.locator("[name=description]").evaluate("(each) => { each.value += ', soon'; }")
    page.locator("[name=version]").evaluate("(each) => { each.value = '1'; }")
    page.locator("#save-button").click()
    page.locator("#merge").wait_for()


def misspell(page: Page) -> None:
    """Save a file with a mistake in it."""
    text = page.locator("#id_text")
    text.fill(text.input_value().replace("text:", "texxt:"))
    page.get_by_role("button", name="Save and run").click()
    page.locator(".wrong-lines").wait_for()


def scenario_conflict(page: Page) -> None:
    """Save what somebody else has changed meanwhile, as a page that was opened before would."""
    text = page.locator("#id_text")
    text.fill(text.input_value().replace("parcel", "trunk"))
    page.locator("[name=version]").evaluate("(each) => { each.value = '7'; }")
    page.get_by_role("button", name="Save and run").click()
    page.locator(".notice .diff").wait_for()


def forged(page: Page) -> None:
    """Send a form whose proof that it is ours is gone."""
    page.locator("main form").first.evaluate(
        "(form) => { form.noValidate = true; form.elements.csrfmiddlewaretoken.value = 'x';"
        " form.submit(); }"
    )
    page.wait_for_load_state()


def part(name: str) -> Step:
    """Go to a part of the page, which a telephone shows one at a time."""
    return lambda page: page.evaluate("(name) => { location.hash = name; }", name)


def refused_act(page: Page) -> None:
    """Write as an agent where none is there."""
    page.locator("#agent-text").fill("Hello, how can we help?")
    page.keyboard.press("Enter")
    page.locator("#agent-error:not(:empty)").wait_for()


def replayed(page: Page) -> None:
    page.locator("#replay-state").wait_for()
    page.locator("#replay-state .replay-progress").wait_for(state="detached")


def replay_here(page: Page) -> None:
    """Open the choice in place, and replay."""
    page.get_by_role("link", name="Replay…").click()
    page.get_by_role("button", name="Replay", exact=True).click()
    replayed(page)


def refused(page: Page) -> None:
    page.get_by_role("button", name="Replay", exact=True).click()
    page.locator("#replay-result [role=alert]").wait_for()


def tick(count: int) -> Step:
    """Select the first rows of a list."""

    def step(page: Page) -> None:
        for each in page.locator("tbody input[type=checkbox]").all()[:count]:
            each.check()

    return step


def upload(page: Page) -> None:
    """Hand in an archive in which every kind of folder is."""
    page.get_by_label("Zip file", exact=True).set_input_files(
        {"name": "functions.zip", "mimeType": "application/zip", "buffer": archive()}
    )
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_role("heading", name="The archive holds").wait_for()


def archive() -> bytes:
    says = "function lambda(input, callback) {\n  callback(null, %s);\n}\n"
    folders = {
        "greet": ("controllerbot_messaging_new_conversation", says % '{type: "systemMessage"}'),
        "answer_later": ("No Event", says % '"Later"'),
        "unfinished": ("No Event", says % "("),
        "bad-name": ("No Event", says % "null"),
        "pads": ("No Event", 'const pad = require("left-pad");\n' + says % "pad(input)"),
        "second_greeting": ("controllerbot_messaging_new_conversation", says % "null"),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as found:
        for name, (event, code) in folders.items():
            variables = [{"key": "GREETING", "value": "Ahoy"}]
            config = {"name": name, "event": event, "description": "Comes from a file",
                      "environmentVariables": variables}  # fmt: skip
            found.writestr(f"functions/{name}/index.js", code)
            found.writestr(f"functions/{name}/config.json", json.dumps(config))
        found.writestr("functions/no_code/config.json", "{}")
    return packed.getvalue()


# Pages --------------------------------------------------------------------------------------------

SIGNING_IN = (
    Shown(slug="sign-in", name="sign-in", who=""),
    Shown(slug="sign-in-refused", name="sign-in", who="", steps=(sign_in("kim.larsen", "no"),)),
    Shown(slug="sign-in-locked-out", name="sign-in", who="", steps=(sign_in("guesser", "no"),)),
    Shown(slug="sign-in-second-factor", name="sign-in", who="",
          steps=(sign_in("ada", factories.PASSWORD),)),
    Shown(slug="sign-in-inactive", name="account_inactive", who=""),
    Shown(slug="forgotten", name="account_reset_password", who=""),
    Shown(slug="forgotten-sent", name="account_reset_password_done", who=""),
    Shown(slug="new-password", name="account_reset_password_from_key", path="{reset_path}", who=""),
    Shown(slug="new-password-link-gone", path="/sign-in/new-password/9-gone/", who="", status=410),
    Shown(slug="new-password-done", name="account_reset_password_from_key_done", who=""),
    Shown(slug="single-sign-on-away", name="sign-in", who="",
          steps=(click("Sign in with Harbour ID"),)),
    Shown(slug="single-sign-on-stale", name="single-sign-on-back", who="", status=403),
    Shown(slug="invitation", name="invitation", who=""),
    Shown(slug="invitation-refused", name="invitation", who="", steps=(send_last_empty,)),
    Shown(slug="invitation-join", name="invitation", who="dana"),
    Shown(slug="invitation-gone", path="/invitation/gone/", who="", status=410),
    Shown(slug="me", name="me"),
    Shown(slug="me-email", name="me-email"),
    Shown(slug="me-email-confirm", name="account_confirm_email"),
    Shown(slug="me-email-link-gone", name="account_confirm_email", arguments={"key": "gone"},
          status=410),
    Shown(slug="me-saved", name="me", steps=(click("Save"),)),
    Shown(slug="password", name="password"),
    Shown(slug="password-refused", name="password", steps=(send_empty,)),
    Shown(slug="second-factors-none", name="mfa_index"),
    Shown(slug="second-factors", name="mfa_index", who="ada"),
    Shown(slug="second-factors-app", name="mfa_activate_totp"),
    Shown(slug="second-factors-app-refused", name="mfa_activate_totp", steps=(send_empty,)),
    Shown(slug="second-factors-app-remove", name="mfa_deactivate_totp", who="ada"),
    Shown(slug="second-factors-codes", name="mfa_view_recovery_codes", who="ada"),
    Shown(slug="second-factors-codes-new", name="mfa_generate_recovery_codes", who="ada"),
    Shown(slug="passkey-add", name="mfa_add_webauthn"),
    Shown(slug="passkey-rename", name="mfa_edit_webauthn", who="ada", arguments={"pk": "passkey"}),
    Shown(slug="passkey-remove", name="mfa_remove_webauthn", who="ada",
          arguments={"pk": "passkey"}),
    Shown(slug="confirm-password", name="account_reauthenticate", who="ada"),
    Shown(slug="confirm-code", name="mfa_reauthenticate", who="ada"),
    Shown(slug="single-sign-on", name="single-sign-on", who="ada"),
    Shown(slug="single-sign-on-none", name="single-sign-on"),
    Shown(slug="single-sign-on-link", name="single-sign-on-link", who="ada"),
    Shown(slug="single-sign-on-unlink", name="single-sign-on-unlink", who="ada"),
    Shown(slug="sessions", name="usersessions_list", who="ada"),
    Shown(slug="sessions-end", name="sessions-end", who="ada"),
)  # fmt: skip

TEAM = (
    Shown(slug="accounts", name="accounts", who="team"),
    Shown(slug="accounts-of-a-member", name="accounts", who="noor"),
    Shown(slug="account-new", name="account-new", who="team"),
    Shown(slug="account-new-refused", name="account-new", who="team", steps=(send_empty,)),
    Shown(slug="people", name="people", who="team"),
    Shown(slug="person", name="person", who="team"),
    Shown(slug="person-reset-link", name="person", who="team",
          steps=(lambda page: page.locator("main form [type=submit]").first.click(),)),
    Shown(slug="person-factors", name="person-factors", who="team"),
    Shown(slug="person-switch", name="person-switch", who="team"),
    Shown(slug="health", name="health", who="team"),
    Shown(slug="setup", name="account-setup", who="team", arguments={"account_id": "bare"}),
    Shown(slug="setup-for-members", name="account-setup", who="noor",
          arguments={"account_id": "bare"}),
    Shown(slug="setup-done", name="account-setup", who="team"),
)  # fmt: skip

WORK = (
    Shown(slug="home", name="account"),
    Shown(slug="home-empty", name="account", who="noor", arguments={"account_id": "empty"}),
    Shown(slug="home-not-set-up", name="account", who="noor", arguments={"account_id": "bare"}),
    Shown(slug="home-account-menu", name="account", who="team", steps=(menu("Switch account"),)),
    Shown(slug="home-search", name="account", steps=(search_for("gr"),)),
    Shown(slug="home-shortcuts", name="account", steps=(click("Keyboard shortcuts"),)),
    Shown(slug="search", name="account-search", query="?q=conversation"),
    Shown(slug="search-nothing", name="account-search", query="?q=zeppelin"),
    Shown(slug="search-everywhere", name="search", query="?q=limits", who="team"),
    Shown(slug="functions", name="functions:list"),
    Shown(slug="functions-read-only", name="functions:list", who="ada"),
    Shown(slug="functions-empty", name="functions:list", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="functions-none-found", name="functions:list", query="?q=zeppelin"),
    Shown(slug="functions-menu", name="functions:list", steps=(menu("More for greet"),)),
    Shown(slug="functions-selected", name="functions:list", steps=(tick(3),)),
    Shown(slug="functions-sorted", name="functions:list", query="?sort=p95"),
    Shown(slug="functions-import", name="functions:import"),
    Shown(slug="functions-import-refused", name="functions:import", steps=(send_empty,)),
    Shown(slug="functions-import-preview", name="functions:import", steps=(upload,)),
    Shown(slug="function-new", name="functions:new"),
    Shown(slug="function-new-taken", name="functions:new",
          query="?event=controllerbot_messaging_new_conversation"),
    Shown(slug="function-new-parts", name="functions:new",
          query="?event=controllerbot_messaging_participants_change"),
    Shown(slug="function-new-refused", name="functions:new",
          query="?event=conversational_command", steps=(send_empty,)),
    Shown(slug="editor", name="functions:edit"),
    Shown(slug="editor-test", name="functions:edit", steps=(click("Test", "tab"),)),
    Shown(slug="editor-result", name="functions:edit", steps=(run_test,)),
    Shown(slug="editor-settings", name="functions:edit", steps=(click("Settings", "tab"),)),
    Shown(slug="editor-too-late", name="functions:edit", arguments={"name": "introduce_agent"},
          steps=(click("Settings", "tab"),)),
    Shown(slug="editor-versions", name="functions:edit", steps=(click("Versions", "tab"),)),
    Shown(slug="editor-read-only", name="functions:edit", who="ada"),
    Shown(slug="editor-build-error", name="functions:edit", arguments={"name": "say_when_we_open"}),
    Shown(slug="editor-conflict", name="functions:edit", arguments={"name": "introduce_agent"},
          steps=(conflict,)),
    Shown(slug="deploy", name="functions:deploy", steps=(replayed,)),
    Shown(slug="deploy-first", name="functions:deploy", arguments={"name": "thank_you"},
          steps=(replayed,)),
    Shown(slug="undeploy", name="functions:undeploy", arguments={"name": "route_by_language"}),
    Shown(slug="delete", name="functions:delete", arguments={"name": "thank_you"}),
    Shown(slug="undeploy-dialog", name="functions:list",
          steps=(menu("More for greet"), click("Undeploy…", "link"), asked)),
    Shown(slug="payload-rename", name="functions:payload-rename"),
    Shown(slug="payload-delete", name="functions:payload-delete"),
    Shown(slug="versions", name="functions:versions"),
    Shown(slug="versions-compared", name="functions:versions", query="?left=2&right=5"),
    Shown(slug="deployments", name="functions:deployments"),
    Shown(slug="all-deployments", name="functions:all-deployments"),
    Shown(slug="roll-back", name="functions:roll_back"),
)  # fmt: skip

HAPPENED = (
    Shown(slug="activity", name="functions:activity"),
    Shown(slug="activity-empty", name="functions:activity", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="activity-none-found", name="functions:activity", query="?conversation=zeppelin"),
    Shown(slug="activity-too-late", name="functions:activity", query="?verdict=stale"),
    Shown(slug="dead-letters", name="functions:dead-letters"),
    Shown(slug="dead-letters-unfolded", name="functions:dead-letters",
          steps=(lambda page: page.locator(".why summary").first.click(),)),
    Shown(slug="dead-letters-of-a-reason", name="functions:dead-letters",
          query="?kind=command&reason=gave-up"),
    Shown(slug="dead-letters-discarded", name="functions:dead-letters", query="?state=discarded"),
    Shown(slug="dead-letters-of-the-team", name="functions:dead-letters", who="team"),
    Shown(slug="dead-letters-empty", name="functions:dead-letters", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="dead-letters-none-found", name="functions:dead-letters",
          query="?reason=gave-up&kind=event"),
    Shown(slug="dead-letters-retry", name="functions:dead-letters-retry"),
    Shown(slug="dead-letters-retry-dialog", name="functions:dead-letters",
          steps=(click("Retry all", "link"), asked)),
    Shown(slug="dead-letters-discard", name="functions:dead-letters-discard"),
    Shown(slug="dead-letters-many", name="functions:dead-letters-discard",
          query="?kind=event&reason=gave-up", steps=(click("Discard 0 dead letters"),)),
    Shown(slug="dead-letter", name="functions:dead-letter"),
    Shown(slug="dead-letter-event", name="functions:dead-letter",
          arguments={"letter_id": "letter_event"}),
    Shown(slug="dead-letter-notification", name="functions:dead-letter",
          arguments={"letter_id": "letter_notification"}),
    Shown(slug="dead-letter-discarded", name="functions:dead-letter",
          arguments={"letter_id": "letter_discarded"}),
    Shown(slug="dead-letter-retry", name="functions:dead-letter-retry"),
    Shown(slug="dead-letter-discard", name="functions:dead-letter-discard"),
    Shown(slug="redeliver", name="functions:redeliver", arguments={"event_id": "event_5"}),
    Shown(slug="redeliver-dialog", name="functions:trace", arguments={"event_id": "event_3"},
          steps=(click("Redeliver", "link"), asked)),
    Shown(slug="trace", name="functions:trace"),
    *(Shown(slug=f"trace-{what}", name="functions:trace", arguments={"event_id": f"event_{number}"})
      for number, what in enumerate(("delivered", "default", "nothing", "failed", "stale",
                                     "uncertain", "function-failed", "nowhere", "loop",
                                     "suppressed", "broken", "timeout", "dropped",
                                     "too-late"))
      if what in {"failed", "stale", "function-failed", "loop", "dropped", "too-late"}),
    Shown(slug="conversations", name="functions:conversations"),
    Shown(slug="conversations-empty", name="functions:conversations", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="conversations-none-found", name="functions:conversations", query="?q=zeppelin"),
    Shown(slug="conversation-start", name="functions:conversation-start"),
    Shown(slug="conversation-start-refused", name="functions:conversation-start",
          steps=(send_empty,)),
    Shown(slug="conversation-start-dialog", name="functions:conversations",
          steps=(click("Start a conversation", "link"), asked)),
    Shown(slug="conversation-real", name="functions:conversation", arguments={"pk": "real"}),
    Shown(slug="trace-replayed", name="functions:trace", steps=(replay_here,)),
    Shown(slug="replays", name="functions:replays"),
    Shown(slug="replays-done", name="functions:replays", steps=(replayed,),
          query="?of=last&function={name}&against=draft&last=100"),
    Shown(slug="replays-activity", name="functions:replays", steps=(replayed,),
          query="?of=activity&window=30d"),
    Shown(slug="replays-conversation", name="functions:replays", steps=(replayed,),
          query="?of=conversation&conversation={conversation}"),
    Shown(slug="replays-conversation-version", name="functions:replays", steps=(replayed,),
          query="?of=conversation&conversation={conversation}&function=introduce_agent&against=1"),
    Shown(slug="replays-network", name="functions:replays",
          query="?of=last&function={name}&network=on"),
    Shown(slug="replays-refused", name="functions:replays", query="?of=event", steps=(refused,)),
    Shown(slug="replays-not-there", name="functions:replays",
          query="?of=conversation&conversation=zeppelin"),
    Shown(slug="replays-not-allowed", name="functions:replays", who="ada", status=403),
    Shown(slug="replays-empty", name="functions:replays", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="conversation", name="functions:conversation", arguments={"pk": "played"}),
    Shown(slug="conversation-agent", name="functions:conversation", arguments={"pk": "played"},
          steps=(part("agent"),)),
    Shown(slug="conversation-events", name="functions:conversation", arguments={"pk": "played"},
          steps=(part("events"),)),
    Shown(slug="conversation-state", name="functions:conversation", arguments={"pk": "played"},
          steps=(part("state"),)),
    Shown(slug="conversation-new", name="functions:conversation", arguments={"pk": "played_new"}),
    Shown(slug="conversation-closed", name="functions:conversation",
          arguments={"pk": "played_closed"}),
    Shown(slug="conversation-menu", name="functions:conversation", arguments={"pk": "played"},
          steps=(part("agent"), lambda page: page.locator("#agent-more > summary").click())),
    Shown(slug="conversation-refused", name="functions:conversation",
          arguments={"pk": "played_new"}, steps=(part("agent"), refused_act)),
    Shown(slug="conversation-read-only", name="functions:conversation", who="ada",
          arguments={"pk": "played"}),
    Shown(slug="logs", name="functions:logs", query="?window=30d"),
    Shown(slug="logs-flat", name="functions:logs", query="?window=30d&flat=on&level=Error"),
    Shown(slug="logs-empty", name="functions:logs", who="noor", arguments={"account_id": "empty"}),
    Shown(slug="metrics", name="functions:metrics", query="?window=7d"),
    Shown(slug="metrics-function", name="functions:metrics", query="?window=24h&function={name}"),
    Shown(slug="metrics-too-late", name="functions:metrics",
          query="?window=24h&function=introduce_agent"),
    Shown(slug="metrics-empty", name="functions:metrics", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="scenarios", name="functions:scenarios"),
    Shown(slug="scenarios-for-the-team", name="functions:scenarios", who="team"),
    Shown(slug="scenarios-empty", name="functions:scenarios", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="scenarios-none-found", name="functions:scenarios", query="?q=zeppelin"),
    Shown(slug="scenarios-cast", name="functions:scenarios", query="?draft=greet",
          steps=(lambda page: page.locator(".cast > summary").click(),)),
    Shown(slug="scenario", name="functions:scenario"),
    Shown(slug="scenario-passed", name="functions:scenario",
          arguments={"scenario_id": "scenario_passed"}),
    Shown(slug="scenario-stopped", name="functions:scenario",
          arguments={"scenario_id": "scenario_stopped"}),
    Shown(slug="scenario-never-run", name="functions:scenario", who="team",
          arguments={"scenario_id": "scenario_never"}),
    Shown(slug="scenario-rename-dialog", name="functions:scenario",
          steps=(menu("More for From the first word to the goodbye"),
                 click("Rename…", "link"), asked)),
    Shown(slug="scenario-new", name="functions:scenario-new"),
    Shown(slug="scenario-new-refused", name="functions:scenario-new", steps=(misspell,)),
    Shown(slug="scenario-edit", name="functions:scenario-edit"),
    Shown(slug="scenario-edit-conflict", name="functions:scenario-edit",
          steps=(scenario_conflict,)),
    Shown(slug="scenario-rename", name="functions:scenario-rename"),
    Shown(slug="scenario-accept", name="functions:scenario-accept"),
    Shown(slug="scenario-delete", name="functions:scenario-delete"),
    Shown(slug="scenario-shipped", name="functions:scenario-shipped"),
    Shown(slug="schedules", name="functions:schedules"),
    Shown(slug="schedules-for-the-team", name="functions:schedules", who="team"),
    Shown(slug="schedules-empty", name="functions:schedules", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="schedule", name="functions:schedule"),
    Shown(slug="schedule-failed", name="functions:schedule",
          arguments={"schedule_id": "schedule_failed"}),
    Shown(slug="schedule-paused", name="functions:schedule",
          arguments={"schedule_id": "schedule_paused"}),
    Shown(slug="schedule-new", name="functions:schedule-new",
          query="?function=greet&cron_expression=30+2+*+*+*&time_zone=Europe/Copenhagen"),
    Shown(slug="schedule-new-refused", name="functions:schedule-new",
          steps=(lambda page: page.locator("#id_cron_expression").fill("99 * * * *"),
                 lambda page: page.locator("#id_body").fill('{"payload": nope}'),
                 lambda page: page.locator("#schedule-form [type=submit]").first.click())),
    Shown(slug="schedule-edit", name="functions:schedule-edit"),
    Shown(slug="schedule-delete", name="functions:schedule-delete"),
)  # fmt: skip

SETTINGS = (
    Shown(slug="settings", name="settings"),
    Shown(slug="settings-of-a-developer", name="settings", who="dana"),
    Shown(slug="connections", name="connections"),
    *(Shown(slug=f"connection-new-{platform}", name="connection-new",
            query=f"?platform={platform}") for platform in ("generic", "liveperson", "chatwoot")),
    Shown(slug="connection-new-simulator", name="connection-new", who="team",
          arguments={"account_id": "bare"}),
    Shown(slug="connection-new-refused", name="connection-new", query="?platform=chatwoot",
          steps=(send_empty,)),
    *(Shown(slug=f"connection-{platform}", name="connection",
            arguments={"connection_id": platform})
      for platform in ("simulator", "generic", "liveperson", "chatwoot")),
    Shown(slug="connection-switch", name="connection-switch"),
    Shown(slug="connection-rotate", name="connection-rotate-signing"),
    Shown(slug="connection-rotate-callback", name="connection-rotate-callback"),
    Shown(slug="connection-end-signing", name="connection-end-signing"),
    Shown(slug="connection-end-callback", name="connection-end-callback"),
    Shown(slug="connection-shown-once", name="connection-rotate-signing",
          steps=(lambda page: page.locator("main form [type=submit]").click(),)),
    Shown(slug="notifications", name="connection-notifications"),
    Shown(slug="allow-list", name="domains"),
    Shown(slug="allow-list-of-a-developer", name="domains", who="dana"),
    Shown(slug="domain-delete", name="domain-delete"),
    Shown(slug="secrets", name="secrets"),
    Shown(slug="secrets-empty", name="secrets", who="noor", arguments={"account_id": "empty"}),
    Shown(slug="secret-replace", name="secret-replace"),
    Shown(slug="secret-delete", name="secret-delete"),
    Shown(slug="automatic-messages", name="automatic-messages"),
    Shown(slug="automatic-message", name="automatic-message"),
    Shown(slug="automatic-message-text-delete", name="automatic-text-delete",
          arguments={"message_id": "welcome"}, query="?language=de-DE"),
    Shown(slug="automatic-message-delete", name="automatic-message-delete"),
    Shown(slug="automatic-message-reset", name="automatic-message-reset"),
    Shown(slug="automatic-messages-import", name="automatic-messages-import"),
    Shown(slug="hours", name="hours"),
    Shown(slug="hours-new", name="hours-new"),
    Shown(slug="hours-profile", name="hours-profile"),
    Shown(slug="hours-profile-off", name="hours-profile", arguments={"hours_id": "hours_off"}),
    Shown(slug="hours-delete", name="hours-delete", arguments={"hours_id": "hours_off"}),
    Shown(slug="hours-import", name="hours-import"),
    Shown(slug="occasion-delete", name="occasion-delete", arguments={"number": 0}),
    Shown(slug="idle-times", name="idle-times"),
    Shown(slug="idle-time-delete", name="idle-time-delete",
          arguments={"message_id": "idle_message"}),
    Shown(slug="controller-bot", name="controller-bot"),
    Shown(slug="retention", name="retention"),
    Shown(slug="retention-of-a-developer", name="retention", who="dana"),
    Shown(slug="api-clients", name="api-clients"),
    Shown(slug="api-clients-of-a-developer", name="api-clients", who="dana"),
    Shown(slug="api-clients-empty", name="api-clients", who="noor",
          arguments={"account_id": "empty"}),
    Shown(slug="api-client-new", name="api-client-new"),
    Shown(slug="api-client-new-refused", name="api-client-new", steps=(send_empty,)),
    Shown(slug="api-client", name="api-client"),
    Shown(slug="api-client-build", name="api-client", arguments={"client_id": "client_build"}),
    Shown(slug="api-client-revoked", name="api-client", arguments={"client_id": "client_revoked"}),
    Shown(slug="api-client-shown-once", name="api-client-renew",
          arguments={"client_id": "client_build"},
          steps=(lambda page: page.locator("main form [type=submit]").click(),)),
    Shown(slug="api-client-renew", name="api-client-renew"),
    Shown(slug="api-client-revoke", name="api-client-revoke"),
    Shown(slug="members", name="members"),
    Shown(slug="members-for-the-team", name="members", who="team"),
    Shown(slug="member-invited", name="members", steps=(click("Send again to former"),)),
    Shown(slug="member-remove", name="member-remove"),
    Shown(slug="invitation-revoke", name="invitation-revoke"),
    Shown(slug="alerts", name="alerts"),
    Shown(slug="alerts-empty", name="alerts", who="noor", arguments={"account_id": "empty"}),
    Shown(slug="alert-new", name="alert-new"),
    Shown(slug="alert", name="alert"),
    Shown(slug="alert-switch", name="alert-switch"),
    Shown(slug="alert-rotate", name="alert-rotate"),
    Shown(slug="alert-delete", name="alert-delete"),
    Shown(slug="audit-log", name="audit-log"),
    Shown(slug="audit-entry", name="audit-entry"),
    Shown(slug="audit-entry-code", name="audit-entry", arguments={"entry_id": "entry_saved"}),
)  # fmt: skip

HELP = (
    Shown(slug="help", name="help"),
    Shown(slug="help-found", name="help", query="?q=transfer"),
    *(Shown(slug=f"help-{each.slug}", name="help-page", arguments={"slug": each.slug})
      for each in manual.PAGES),
    Shown(slug="api-reference", name="reference"),
    Shown(slug="api-reference-found", name="reference", query="?q=token"),
    *(Shown(slug=f"api-reference-{each.slug}", name="reference-group",
            arguments={"slug": each.slug})
      for each in reference.groups()),
)  # fmt: skip

ERRORS = (
    Shown(slug="patterns", name="patterns", debug=True),
    Shown(slug="patterns-shortcuts", name="patterns", debug=True,
          steps=(click("Open a dialog"),)),
    Shown(slug="error-400", path="/accounts/", query=f"?{'a&' * 2010}", who="team", status=400),
    Shown(slug="error-403", name="members", who="dana", status=403),
    Shown(slug="error-403-forged", name="sign-in", who="", steps=(forged,)),
    Shown(slug="error-404", path="/a/48291057/functions/gone/", status=404),
    Shown(slug="error-404-stranger", path="/nowhere/", who="", status=404),
    Shown(slug="error-500", path="/fails/", status=500),
)  # fmt: skip

PAGES = (*SIGNING_IN, *TEAM, *WORK, *HAPPENED, *SETTINGS, *HELP, *ERRORS)
