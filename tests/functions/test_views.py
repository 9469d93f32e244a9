"""The console's pages: what they show, who may do what, and how they refuse."""

import datetime as dt
import html
import json
import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from functions import gallery, services
from functions.models import Function, Stage, State, Step
from invoker import calls, events
from invoker.gateway import running
from invoker.models import Command, CommandState, Deployment, EventState, InvocationState, Verdict
from invoker.runtime.dependencies import dependencies
from tests import factories

NEW_CONVERSATION = events.NEW_CONVERSATION.id
ACCOUNT = factories.ACCOUNT_ID
HTMX = {"HX-Request": "true"}
SAYS_HELLO = (
    "function lambda(input, callback) {\n"
    "  console.warn('careful', {a: 1});\n"
    "  callback(null, [{type: 'systemMessage', text: 'Hello'}, {type: 'transfer', skillId: '12'},\n"
    "    {type: 'systemMessage', text: 'again'}]);\n"
    "}\n"
)


def url(name: str, *args: object) -> str:
    return reverse(f"functions:{name}", args=[ACCOUNT, *args])


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


def draft(function: Function, **changes: object) -> dict[str, object]:
    """What the editor's form sends for a function."""
    return {
        "version": function.version,
        "code": function.code,
        "description": function.description,
        "variable_name": list(function.environment),
        "variable_value": list(function.environment.values()),
        **changes,
    }


# Who may come in ----------------------------------------------------------------------------------


PAGES = [
    ("list", []),
    ("edit", ["greet"]),
    ("versions", ["greet"]),
    ("deployments", ["greet"]),
    ("all-deployments", []),
    ("activity", []),
]
CHANGES = [
    ("new", []),
    ("import", []),
    ("save", ["greet"]),
    ("skills", ["greet"]),
    ("test", ["greet"]),
    ("deploy", ["greet"]),
    ("undeploy", ["greet"]),
    ("delete", ["greet"]),
    ("restore", ["greet", 1]),
]


@pytest.mark.parametrize(("name", "args"), PAGES)
def test_page_is_open_to_developers_admins_and_the_account_team(
    name, args, developer_client, admin_client, team_client
):
    factories.FunctionFactory(name="greet")

    statuses = [
        client.get(url(name, *args)).status_code
        for client in (developer_client, admin_client, team_client)
    ]

    assert statuses == [200, 200, 200]


@pytest.mark.parametrize(("name", "args"), PAGES + CHANGES)
def test_page_does_not_exist_for_people_of_another_account(name, args, outsider_client, account):
    factories.FunctionFactory(name="greet")

    read = outsider_client.get(url(name, *args)).status_code
    written = outsider_client.post(url(name, *args)).status_code

    assert (read, written) == (404, 404)


@pytest.mark.parametrize(("name", "args"), CHANGES)
def test_change_is_refused_to_people_who_are_no_developers(
    name, args, admin_client, team_client, account
):
    function = factories.deployed(name="greet")

    statuses = [
        client.post(url(name, *args), draft(function)).status_code
        for client in (admin_client, team_client)
    ]

    assert statuses == [403, 403]
    function.refresh_from_db()
    assert function.version == 1
    assert function.deployment is not None


def test_pages_offer_no_change_to_people_who_are_no_developers(admin_client, account):
    factories.deployed(name="greet")

    shown = "".join(text(admin_client.get(url(name, *args))) for name, args in PAGES)

    for name, args in CHANGES:
        assert url(name, *args) not in shown.replace(f'action="{url("save", "greet")}"', "")


@pytest.mark.parametrize("name", ["edit", "versions", "deployments", "deploy", "undeploy"])
def test_function_of_another_account_is_not_found(name, developer_client, outsider):
    factories.FunctionFactory(name="secret_one", account_id="other1")

    response = developer_client.get(url(name, "secret_one"))

    assert response.status_code == 404


def test_activity_shows_nothing_of_another_account(developer_client, outsider):
    other = factories.ConnectionFactory(account_id="other1")
    conversation = factories.ConversationFactory(connection=other, conv_id="hidden-conversation")
    event = factories.EventFactory(conversation=conversation)

    listed = text(developer_client.get(url("activity")))
    found = text(developer_client.get(url("activity"), {"conversation": "hidden-conversation"}))
    traced = developer_client.get(url("trace", event.pk))

    assert "hidden-conversation" not in listed
    assert str(event.pk) not in listed + found
    assert traced.status_code == 404


# A new function -----------------------------------------------------------------------------------


def test_new_shows_the_code_of_the_chosen_template(developer_client, account):
    template = next(each for each in gallery.load() if each.event_type == NEW_CONVERSATION)

    response = developer_client.get(
        url("new"), {"event": NEW_CONVERSATION, "template": template.slug}
    )

    assert template.source in text(response)
    assert f'value="{template.slug.replace("-", "_")}"' in text(response)


def test_new_answers_htmx_with_the_choice_alone(developer_client, account):
    response = developer_client.get(url("new"), {"event": NEW_CONVERSATION}, headers=HTMX)

    assert text(response).strip().startswith('<div id="choice"')


def test_new_links_to_the_function_that_has_the_event(developer_client, account):
    factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)

    page = text(developer_client.get(url("new"), {"event": NEW_CONVERSATION}))

    assert f'taken by <a href="{url("edit", "greet")}">greet</a>' in page
    assert f'<a href="{url("edit", "greet")}#settings">name the skills of greet</a>' in page
    assert "Create function" not in page


def test_new_starts_with_an_event_that_is_free(developer_client, account):
    factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)

    page = text(developer_client.get(url("new")))

    assert f'value="{NEW_CONVERSATION}" checked' not in page
    assert "Create function" in page


def test_create_makes_a_function_from_the_template_and_opens_the_editor(developer_client, account):
    template = next(each for each in gallery.load() if each.event_type == NEW_CONVERSATION)

    response = developer_client.post(
        url("new"),
        {
            "event_type": NEW_CONVERSATION,
            "template": template.slug,
            "name": "greet",
            "description": "Greets",
        },
    )

    function = Function.objects.get()
    assert response.headers["Location"] == url("edit", "greet")
    assert (function.account_id, function.event_type) == (ACCOUNT, NEW_CONVERSATION)
    assert (function.code, function.created_by) == (template.source, "dana")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "my name"}, 'Cannot use the name "my name": use 1 to 50 letters'),
        ({"name": "taken"}, 'Cannot create "taken": the account has a function of that name'),
        ({"name": ""}, "This field is required"),
        ({"description": " "}, "This field is required"),
        ({"event_type": "no_such_event"}, "Select a valid choice"),
        (
            {"event_type": NEW_CONVERSATION},
            'the event "Messaging New Conversation" already has a function, "taken"',
        ),
    ],
)
def test_create_refuses_with_the_reason_and_keeps_what_was_typed(
    changes, message, developer_client, account
):
    factories.FunctionFactory(name="taken", event_type=NEW_CONVERSATION)
    typed = {"event_type": "", "template": "", "name": "greet", "description": "Greets them"}

    response = developer_client.post(url("new"), {**typed, **changes})

    assert response.status_code == 422
    if changes.get("event_type") != NEW_CONVERSATION:
        assert message in text(response)
    assert Function.objects.count() == 1


# The editor ---------------------------------------------------------------------------------------


def test_editor_holds_code_sample_and_settings(developer_client, account):
    function = factories.FunctionFactory(
        name="greet", event_type=NEW_CONVERSATION, environment={"GREETING": "Hi <b>"}
    )

    response = developer_client.get(url("edit", "greet"))

    assert function.code in text(response)
    assert json.dumps(events.sample(NEW_CONVERSATION), indent=2) in text(response)
    assert 'value="GREETING"' in text(response)
    assert b"Hi &lt;b&gt;" in response.content
    policy = [part.strip() for part in response.headers["Content-Security-Policy"].split(";")]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src 'self'" in policy


def test_editor_lists_the_packages_that_functions_may_require(developer_client, account):
    factories.FunctionFactory(name="greet")

    page = text(developer_client.get(url("edit", "greet")))

    listed = re.findall(r'<td class="mono">(?:<a [^>]*>)?([^<]+)', page)
    assert listed == [package.name for package in dependencies()]
    assert "lodash" in listed


def test_editor_reads_only_for_people_who_are_no_developers(admin_client, account):
    factories.FunctionFactory(name="greet")

    page = text(admin_client.get(url("edit", "greet")))

    assert 'autocomplete="off" readonly>' in page
    assert 'id="save-button"' not in page


def test_save_makes_a_version_and_shows_it(developer_client, account):
    function = factories.FunctionFactory(name="greet")

    response = developer_client.post(
        url("save", "greet"),
        draft(
            function,
            code="// one\r\n// two\r\n",
            variable_name=["A", "", "B"],
            variable_value=["1", "", " 2 "],
        ),
        follow=True,
    )

    function.refresh_from_db()
    assert (function.version, function.code) == (2, "// one\n// two\n")
    assert function.environment == {"A": "1", "B": " 2 "}
    assert function.updated_by == "dana"
    assert "Saved version 2" in text(response)


def test_editor_keeps_code_that_begins_with_an_empty_line(developer_client, account):
    factories.FunctionFactory(name="greet", code="\n\n// third line")

    page = text(developer_client.get(url("edit", "greet")))

    # A browser leaves out the first line break of a text area.
    assert ">\n\n\n// third line</textarea>" in page


def test_save_by_htmx_answers_with_the_new_version_beside_the_page(developer_client, account):
    function = factories.deployed(name="greet")

    response = developer_client.post(
        url("save", "greet"), draft(function, code="// new"), headers=HTMX
    )

    assert response.headers["HX-Reswap"] == "none"
    assert 'name="version" value="2"' in text(response)
    assert 'data-state="Modified"' in text(response)
    assert "Saved version 2" in text(response)


def test_save_says_that_there_is_nothing_to_save(developer_client, account):
    function = factories.FunctionFactory(name="greet", code="// one\n")

    response = developer_client.post(
        url("save", "greet"), draft(function, code="// one\r\n"), headers=HTMX
    )

    assert 'Nothing to save: "greet" has not changed' in text(response)
    assert function.versions.count() == 1


def test_save_and_deploy_goes_on_to_the_review(developer_client, account):
    function = factories.FunctionFactory(name="greet")

    changed = developer_client.post(
        url("save", "greet"), draft(function, code="// new", then="deploy")
    )
    function.refresh_from_db()
    unchanged = developer_client.post(url("save", "greet"), draft(function, then="deploy"))

    assert changed.headers["Location"] == url("deploy", "greet")
    assert unchanged.headers["Location"] == url("deploy", "greet")
    assert function.version == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"description": ""}, "Cannot save: the description is empty"),
        ({"code": "x" * 100_001}, "Cannot save: the code has 100001 characters"),
        ({"code": "a\0b"}, "Null characters are not allowed"),
        ({"version": "x"}, "Enter a whole number"),
        ({"version": 10**30}, "less than or equal"),
        (
            {"variable_name": ["BRAND_ID"], "variable_value": ["1"]},
            'Cannot use the variable "BRAND_ID": it is reserved',
        ),
        (
            {"variable_name": ["A", "A"], "variable_value": ["1", "2"]},
            'Cannot use the variable "A": it is there twice',
        ),
        (
            {"variable_name": [""], "variable_value": ["lonely"]},
            'Cannot use the value "lonely": its variable has no name',
        ),
        ({"variable_name": ["9A"], "variable_value": []}, 'Cannot use the variable "9A"'),
        ({"variable_name": ["A"], "variable_value": ["a\0"]}, "contains a NUL character"),
    ],
)
def test_save_refuses_with_the_reason_and_saves_nothing(
    changes, message, developer_client, account
):
    function = factories.FunctionFactory(name="greet")

    page = developer_client.post(url("save", "greet"), draft(function, **changes))
    fragment = developer_client.post(url("save", "greet"), draft(function, **changes), headers=HTMX)

    assert (page.status_code, fragment.status_code) == (422, 422)
    assert message in text(page)
    assert message in text(fragment)
    assert fragment.headers["HX-Reswap"] == "none"
    function.refresh_from_db()
    assert function.version == 1


def test_save_shows_both_changes_when_somebody_else_saved_first(developer_client, account):
    function = factories.FunctionFactory(name="greet", environment={"A": "1"})
    services.save_draft(
        function, version=1, code="// theirs", description="Says hello", environment={}, by="kim"
    )
    mine = draft(function, version=1, code="// mine", variable_name=["A"], variable_value=["2"])

    page = developer_client.post(url("save", "greet"), mine)
    fragment = developer_client.post(url("save", "greet"), mine, headers=HTMX)

    assert (page.status_code, fragment.status_code) == (409, 409)
    assert fragment.headers["HX-Retarget"] == "#main"
    for response in (page, fragment):
        assert "kim saved version 2" in text(response)
        assert ">\n// theirs</textarea>" in text(response)
        assert ">\n// mine</textarea>" in text(response)
        assert 'name="version" value="2"' in text(response)
    function.refresh_from_db()
    assert (function.version, function.code) == (2, "// theirs")


def test_save_waits_for_a_deployment_that_is_going_on(developer_client, account):
    function = factories.FunctionFactory(
        name="greet", stage=Stage.DEPLOYING, stage_at=timezone.now()
    )

    response = developer_client.post(url("save", "greet"), draft(function, code="// new"))

    assert response.status_code == 409
    assert 'Cannot save "greet": it is being deployed' in text(response)
    assert ">\n// new</textarea>" in text(response)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("", "Cannot run the test: the payload is empty"),
        ('{\n "a": }', "the payload is not JSON, Expecting value in line 2, column 7"),
        ("NaN", "the payload cannot be sent, NaN is not JSON"),
        ("9" * 5000, "the payload cannot be sent"),
        ('"\\ud800"', "the payload cannot be sent"),
        ("[" * 100_000, "the payload cannot be sent"),
    ],
)
def test_test_refuses_a_payload_that_is_not_json(payload, message, developer_client, account):
    function = factories.FunctionFactory(name="greet")

    response = developer_client.post(
        url("test", "greet"), draft(function, payload=payload), headers=HTMX
    )

    assert response.status_code == 422
    assert message in text(response)
    assert '<div id="error-payload" hx-swap-oob="true"><ul' in text(response)


@pytest.mark.runtime
def test_test_draws_what_the_conversation_would_show(developer_client, account):
    function = factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)
    payload = json.dumps(events.sample(NEW_CONVERSATION))

    response = developer_client.post(
        url("test", "greet"), draft(function, code=SAYS_HELLO, payload=payload), headers=HTMX
    )

    shown = text(response)
    assert '<span class="bubble">Hello</span>' in shown
    assert "Transfer to skill 12" in shown
    assert "<strong>Dropped.</strong> Only the first command of each type" in shown
    assert '<li data-level="Warn">' in shown
    assert '{"a": 1}' in shown
    function.refresh_from_db()
    assert function.version == 1


@pytest.mark.runtime
def test_test_says_that_the_automatic_message_would_go_out(developer_client, account):
    function = factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)
    sample = events.sample(NEW_CONVERSATION)
    sample["payload"]["general"]["cbotEventType"] = "CONSUMER_OPEN_NEW_CONVERSATION"
    code = "function lambda(input, callback) { callback(null, null); }"

    response = developer_client.post(
        url("test", "greet"), draft(function, code=code, payload=json.dumps(sample))
    )

    assert response.status_code == 200
    assert "The automatic message would go out:" in text(response)
    assert "Welcome back. How can we help you today?" in text(response)


@pytest.mark.runtime
def test_test_points_at_the_line_that_failed(developer_client, account):
    function = factories.FunctionFactory(name="greet")
    code = "function lambda(input, callback) {\n  input.nothing.here();\n}\n"

    response = developer_client.post(
        url("test", "greet"), draft(function, code=code, payload="{}"), headers=HTMX
    )

    assert 'data-state="CODING_FAILURE"' in text(response)
    assert 'data-reveal="2:' in text(response)


@pytest.mark.parametrize(
    ("page", "status"), [("test", 422), ("deploy", 503), ("roll_back", 200)], ids=str
)
def test_code_that_may_take_long_runs_only_while_the_web_server_has_places(
    developer_client, account, monkeypatch, page, status
):
    function = factories.deployed(name="greet")
    earlier = factories.DeploymentFactory(function_id=function.pk, active=False)
    monkeypatch.setattr(running, "_at_once", calls.AtOnce(0))
    address = url(page, "greet", earlier.pk) if page == "roll_back" else url(page, "greet")

    response = developer_client.post(address, draft(function, payload="{}"), follow=True)

    assert response.status_code == status
    assert "too many are being run at once, try again in a moment" in text(response)


# From draft to live -------------------------------------------------------------------------------


@pytest.mark.runtime
def test_review_shows_both_sides_and_the_changed_variables(developer_client, account):
    function = factories.deployed(name="greet", environment={"A": "1", "GONE": "x"})
    services.save_draft(
        function,
        version=1,
        code=SAYS_HELLO,
        description="Says hello",
        environment={"A": "2"},
        by="dana",
    )

    page = text(developer_client.get(url("deploy", "greet")))

    assert factories.SOURCE in page
    assert SAYS_HELLO in page
    assert "Live, version 1" in page
    assert "Draft, version 2" in page
    assert '<td class="mono">GONE</td>' in page
    assert "No problems found" in page


@pytest.mark.runtime
def test_deploy_puts_the_version_that_was_reviewed_in_front_of_events(developer_client, account):
    function = factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)

    response = developer_client.post(
        url("deploy", "greet"), {"version": 1, "note": "First"}, follow=True
    )

    function.refresh_from_db()
    assert function.state == State.PRODUCTIVE
    assert function.deployment is not None
    assert (function.deployment.note, function.deployment.created_by) == ("First", "dana")
    assert '"greet" is productive: the next event runs version 1' in text(response)


@pytest.mark.runtime
def test_deploy_shows_why_the_build_failed_and_keeps_the_old_version(developer_client, account):
    function = factories.deployed(name="greet")
    services.save_draft(
        function,
        version=1,
        code="function lambda(input, callback) {\n  callback(;\n}",
        description="Says hello",
        environment={},
        by="dana",
    )

    response = developer_client.post(url("deploy", "greet"), {"version": 2})

    function.refresh_from_db()
    assert response.status_code == 422
    assert 'Cannot deploy "greet"' in text(response)
    assert f"{url('edit', 'greet')}#line-2:" in text(response)
    assert function.state == State.BUILD_ERROR
    assert function.deployment is not None
    assert function.deployment.version == 1


@pytest.mark.runtime
def test_deploy_in_place_leads_to_the_editor_or_says_in_which_step_it_ended(
    developer_client, account
):
    function = factories.FunctionFactory(name="greet", code="null.x;\n" + SAYS_HELLO)

    refused = developer_client.post(url("deploy", "greet"), {"version": 1}, headers=HTMX)
    services.save_draft(
        function, version=1, code=SAYS_HELLO, description="Says", environment={}, by="kim"
    )
    stale = developer_client.post(url("deploy", "greet"), {"version": 1}, headers=HTMX)
    done = developer_client.post(url("deploy", "greet"), {"version": 2}, headers=HTMX)

    assert (refused.status_code, stale.status_code, done.status_code) == (422, 409, 200)
    assert '<li data-step="done">Check the code' in text(refused)
    assert '<li data-step="failed">Start it in the sandbox' in text(refused)
    assert f'href="{url("edit", "greet")}#line-1:' in text(refused)
    assert "Review version 2" in text(stale)
    assert done.headers["HX-Redirect"] == url("edit", "greet")


def test_deployment_that_goes_on_says_what_it_is_at(developer_client, account):
    function = factories.FunctionFactory(name="greet")
    at = {"stage": Stage.DEPLOYING, "stage_at": timezone.now(), "step": Step.STARTING}
    Function.objects.filter(pk=function.pk).update(**at)

    shown = text(developer_client.get(url("deploy-progress", "greet"), headers=HTMX))
    page = developer_client.get(url("deploy-progress", "greet"))
    Function.objects.filter(pk=function.pk).update(stage=Stage.NONE)
    over = developer_client.get(url("deploy-progress", "greet"), headers=HTMX)
    waits = text(developer_client.get(f"{url('deploy-progress', 'greet')}?mine", headers=HTMX))

    assert '<li data-step="done">Check the code' in shown
    assert '<li data-step="now" aria-current="step">Start it in the sandbox' in shown
    assert page.headers["Location"] == url("deploy", "greet")
    assert "The deployment that went on is over" in text(over)
    assert "hx-get" not in text(over)
    assert '<li data-step="now" aria-current="step">Check the code' in waits


@pytest.mark.runtime
def test_deploy_refuses_a_version_that_is_not_the_newest(developer_client, account):
    function = factories.FunctionFactory(name="greet")
    services.save_draft(
        function,
        version=1,
        code=SAYS_HELLO,
        description="Says hello",
        environment={},
        by="kim",
    )

    response = developer_client.post(url("deploy", "greet"), {"version": 1})

    assert response.status_code == 409
    assert "kim saved version 2 after version 1, review it first" in text(response)
    assert 'name="version" value="2"' in text(response)


def test_undeploy_asks_and_then_takes_the_function_out_of_service(developer_client, account):
    function = factories.deployed(name="greet", event_type=NEW_CONVERSATION)

    page = developer_client.get(url("undeploy", "greet"))
    dialog = developer_client.get(url("undeploy", "greet"), headers=HTMX)
    done = developer_client.post(url("undeploy", "greet"), follow=True)

    function.refresh_from_db()
    assert "gets the automatic message of the account from now on" in text(page)
    assert "Welcome back. How can we help you today?" in text(dialog)
    assert "Nothing runs" not in text(dialog)
    assert text(dialog).strip().startswith("<dialog")
    assert '"greet" is undeployed' in text(done)
    assert function.state == State.DRAFT


def test_delete_is_refused_while_the_function_is_deployed(developer_client, account):
    factories.deployed(name="greet")
    factories.FunctionFactory(name="old")

    refused = developer_client.post(url("delete", "greet"), {"name": "greet"}, follow=True)
    done = developer_client.post(url("delete", "old"), {"name": "old"}, follow=True)

    assert 'Cannot delete "greet": it is deployed, undeploy it first' in text(refused)
    assert '"old" is deleted' in text(done)
    assert [function.name for function in Function.objects.all()] == ["greet"]


@pytest.mark.parametrize("typed", [{}, {"name": ""}, {"name": "Greet"}, {"name": "greet\0"}])
def test_delete_wants_the_name_typed(typed, developer_client, account):
    factories.FunctionFactory(name="greet")

    dialog = text(developer_client.get(url("delete", "greet"), headers=HTMX))
    refused = developer_client.post(url("delete", "greet"), typed)

    assert "Type greet to go on" in dialog
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in text(refused)
    assert Function.objects.filter(name="greet").exists()


# Versions and deployments -------------------------------------------------------------------------


def saved(function: Function, count: int) -> None:
    for number in range(1, count + 1):
        services.save_draft(
            function,
            version=number,
            code=f"// code {number + 1}",
            description="Says hello",
            environment={},
            by="dana",
        )


def test_versions_compare_any_two(developer_client, account):
    saved(factories.FunctionFactory(name="greet"), 3)

    chosen = text(developer_client.get(url("versions", "greet"), {"left": 2, "right": 3}))
    default = text(developer_client.get(url("versions", "greet")))

    assert 'aria-label="Version 2">\n// code 2</textarea>' in chosen
    assert 'aria-label="Version 3">\n// code 3</textarea>' in chosen
    assert 'aria-label="Version 3">\n// code 3</textarea>' in default
    assert 'aria-label="Version 4">\n// code 4</textarea>' in default


@pytest.mark.parametrize("wishes", [{"left": "x"}, {"left": 10**40}, {"left": 99, "right": 98}])
def test_versions_ignore_what_cannot_be_compared(wishes, developer_client, account):
    saved(factories.FunctionFactory(name="greet"), 1)

    response = developer_client.get(url("versions", "greet"), wishes)

    assert response.status_code == 200


def test_version_is_shown_beside_the_editor(developer_client, account):
    saved(factories.FunctionFactory(name="greet"), 2)

    there = text(
        developer_client.get(url("versions", "greet"), {"left": 2, "right": 3}, headers=HTMX)
    )
    gone = text(developer_client.get(url("versions", "greet"), {"left": 9}, headers=HTMX))

    assert there.strip().startswith("<dialog")
    assert "Version 2 beside the code in the editor" in there
    assert f'action="{url("restore", "greet", 2)}"' in there
    assert "This version is not there any more" in gone


def test_versions_say_who_deployed_them_with_which_note(developer_client, account):
    function = factories.deployed(name="greet")
    Deployment.objects.update(note="For the holidays")
    failed = {"failure": "build-failed", "active": False}
    factories.DeploymentFactory(function_id=function.pk, note="In vain", **failed)

    pages = [text(developer_client.get(url(page, "greet"))) for page in ("versions", "edit")]

    for page in pages:
        assert "by kim: “For the holidays”" in page
        assert "In vain" not in page


def test_versions_come_in_pages(developer_client, account):
    saved(factories.FunctionFactory(name="greet"), 10)

    first = text(developer_client.get(url("versions", "greet")))
    second = text(developer_client.get(url("versions", "greet"), {"before": 4}))

    assert "?before=4" in first
    assert [first.count("<tr>"), second.count("<tr>")] == [9, 4]


@pytest.mark.parametrize("count", [1, 3])
def test_versions_query_count_does_not_grow(
    count, developer_client, account, django_assert_num_queries
):
    saved(factories.FunctionFactory(name="greet"), count)

    # Session, person, membership; accounts of the switch, set-up; function, versions, their
    # deployments, the two.
    with django_assert_num_queries(9):
        developer_client.get(url("versions", "greet"))


def test_restore_saves_the_old_version_again(developer_client, account):
    function = factories.FunctionFactory(name="greet", code="// code 1")
    saved(function, 2)

    response = developer_client.post(url("restore", "greet", 1), {"version": 3}, follow=True)

    function.refresh_from_db()
    assert (function.version, function.code) == (4, "// code 1")
    assert "Version 1 is the draft again, saved as version 4" in text(response)


def test_restore_is_refused_when_somebody_saved_meanwhile(developer_client, account):
    function = factories.FunctionFactory(name="greet")
    saved(function, 2)

    response = developer_client.post(url("restore", "greet", 1), {"version": 2}, follow=True)

    function.refresh_from_db()
    assert function.version == 3
    assert "dana saved version 3 after version 2" in text(response)


@pytest.mark.runtime
def test_roll_back_lets_an_earlier_deployment_serve_again(developer_client, account):
    function = factories.deployed(name="greet")
    first = function.deployment
    assert first is not None
    saved(function, 1)
    function.refresh_from_db()
    Deployment.objects.update(active=False, retired_at=timezone.now())
    second = factories.DeploymentFactory(
        function_id=function.pk, function_name="greet", version=2, code="// code 2"
    )
    Function.objects.update(deployment=second)

    asked = text(developer_client.get(url("roll_back", "greet", first.pk), headers=HTMX))
    done = text(developer_client.post(url("roll_back", "greet", first.pk), follow=True))

    function.refresh_from_db()
    assert "Roll greet back to version 1" in asked
    assert '"greet" serves with version 1 again' in done
    assert function.deployment is not None
    assert (function.deployment.version, function.deployment.code) == (1, factories.SOURCE)


@pytest.mark.parametrize("count", [1, 3])
def test_deployments_query_count_does_not_grow(
    count, developer_client, account, django_assert_num_queries
):
    function = factories.deployed(name="greet")
    for number in range(count - 1):
        factories.DeploymentFactory(function_id=function.pk, active=False, version=number + 1)

    # Session, person, membership; accounts of the switch, set-up; function, deployments.
    with django_assert_num_queries(7):
        response = developer_client.get(url("deployments", "greet"))

    assert text(response).count("Serving") == 1
    assert text(response).count("Retired") == count - 1


def test_deployments_tell_what_failed_and_how_long_each_took(developer_client, account):
    function = factories.deployed(name="greet")
    failed = factories.DeploymentFactory(
        function_id=function.pk,
        active=False,
        failure="build-failed",
        problems=[{"message": "Unexpected token", "line": 3, "column": 5}],
        took_ms=1250,
    )

    page = text(developer_client.get(url("deployments", "greet")))
    refused = developer_client.get(url("roll_back", "greet", failed.pk))

    assert "Build error" in page
    assert "1.25 s" in page
    assert f'Unexpected token, <a href="{url("edit", "greet")}#line-3:5">line 3</a>' in page
    assert "Roll back" not in page
    assert refused.status_code == 404


# Activity -----------------------------------------------------------------------------------------


def handled(verdict: Verdict = Verdict.DELIVERED, **fields: Any) -> Any:
    """An event that is done: its function ran and its message was sent."""
    event = factories.EventFactory(state=EventState.DONE, verdict=verdict, **fields)
    invocation = factories.InvocationFactory(event=event, deployment__function_name="greet")
    event.function_id = invocation.function_id
    event.save(update_fields=["function_id"])
    factories.CommandFactory(
        event=event,
        invocation=invocation,
        fields={"text": "Hello"},
        state=CommandState.SENT,
        sent_at=timezone.now(),
    )
    return event


@pytest.mark.parametrize("count", [1, 3])
def test_activity_query_count_does_not_grow(
    count, developer_client, account, django_assert_num_queries
):
    for _ in range(count):
        handled()

    # Session, person, membership; accounts of the switch, set-up; events, invocations, commands,
    # function names.
    with django_assert_num_queries(9):
        response = developer_client.get(url("activity"))

    assert text(response).count('id="event-') == count


def test_activity_shows_the_newest_first_with_what_was_said(developer_client, account):
    old = handled(created_at=timezone.now() - dt.timedelta(hours=1))
    new = handled()

    page = text(developer_client.get(url("activity")))

    assert page.index(str(new.pk)) < page.index(str(old.pk))
    assert "“Hello”" in page
    assert 'data-state="delivered">Commands delivered' in page


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({"function": "greet"}, ["done"]),
        ({"function": "nobody"}, []),
        ({"event": events.TTR.id}, ["done"]),
        ({"event": events.TTR.id, "conversation": "one"}, ["done"]),
        ({"event": events.TTR.id, "verdict": "in-progress"}, []),
        ({"event": "made up"}, ["done", "waiting"]),
        ({"verdict": "delivered"}, ["done"]),
        ({"verdict": "in-progress"}, ["waiting"]),
        ({"conversation": "one"}, ["done"]),
        ({"conversation": "on"}, []),
        ({"verdict": "made up"}, ["done", "waiting"]),
        ({"conversation": "one", "function": "greet"}, ["done"]),
        ({"function": "greet", "verdict": "failed"}, []),
        ({"window": "1h"}, ["done", "waiting"]),
        ({"window": "1y"}, ["done", "waiting"]),
        ({"since": "2001-01-01T00:00"}, ["done", "waiting"]),
        ({"until": "2001-01-01T00:00"}, []),
        ({"since": "2001-01-01T00:00", "until": "2001-01-02T00:00"}, []),
        ({"until": "0001-01-01T00:00+23:59"}, ["done", "waiting"]),
        ({"conversation": "a\0b"}, ["done", "waiting"]),
    ],
)
def test_activity_is_filtered(wishes, found, developer_client, account):
    done = handled(conversation=factories.ConversationFactory(conv_id="one"), type=events.TTR.id)
    waiting = factories.EventFactory()

    page = text(developer_client.get(url("activity"), wishes))

    ids = {"done": done.pk, "waiting": waiting.pk}
    assert [name for name, pk in ids.items() if f'id="event-{pk}"' in page] == found


def test_activity_answers_a_poll_only_when_something_changed(developer_client, account):
    handled()
    page = text(developer_client.get(url("activity")))
    seen = page.split("seen=")[1].split('"')[0]

    same = developer_client.get(url("activity"), {"seen": seen}, headers=HTMX)
    handled()
    other = developer_client.get(url("activity"), {"seen": seen}, headers=HTMX)

    # The minute may have changed meanwhile; then the rows come again.
    assert same.status_code in {200, 204}
    assert other.status_code == 200
    assert text(other).count('id="event-') == 2
    assert "<html" not in text(other)


def test_activity_comes_in_pages_that_new_rows_do_not_shift(developer_client, account):
    now = timezone.now()
    rows = [
        factories.EventFactory(created_at=now - dt.timedelta(seconds=number // 2))
        for number in range(53)
    ]
    first = text(developer_client.get(url("activity")))
    older = first.split("?before=")[1].split('"')[0]

    factories.EventFactory(created_at=now + dt.timedelta(seconds=1))
    second = text(developer_client.get(url("activity") + f"?before={older}"))

    shown = [row.pk for row in rows if f'id="event-{row.pk}"' in first + second]
    assert len(shown) == 53
    assert [first.count('id="event-'), second.count('id="event-')] == [50, 3]
    assert "poll from:body" not in second


@pytest.mark.parametrize("place", ["x", "20260101T000000.000000_zz", "_", "\0"])
def test_activity_knows_no_page_that_it_did_not_name(place, developer_client, account):
    response = developer_client.get(url("activity"), {"before": place})

    assert response.status_code == 404


def test_activity_without_events_shows_where_to_send_them(developer_client, account):
    connection = factories.ConnectionFactory(name="Shop")
    hidden = factories.ConnectionFactory(name="Off", active=False)

    page = text(developer_client.get(url("activity")))

    assert "Listening…" in page
    assert f"/events/{connection.pk}" in page
    assert str(hidden.pk) not in page
    assert connection.signing_secret not in page


def test_trace_tells_an_event_from_receipt_to_delivery(developer_client, account):
    conversation = factories.ConversationFactory()
    notification = factories.NotificationFactory(
        conversation=conversation, body=b'{"hello": "<script>"}'
    )
    event = handled(conversation=conversation, notification=notification)
    invocation = event.invocations.get()
    factories.LogLineFactory(invocation=invocation, level="Error", message="mind this")
    factories.CommandFactory(
        event=event,
        invocation=invocation,
        type="dance",
        fields={},
        state=CommandState.DROPPED,
        reason="unknown-type",
        detail="Known types are systemMessage, transfer, closeConversation",
        idempotency_key=None,
    )

    response = developer_client.get(url("trace", event.pk))

    shown = text(response)
    assert b"&quot;&lt;script&gt;&quot;" in response.content
    assert "mind this" in shown
    assert '<span class="bubble">Hello</span>' in shown
    assert "Known types are systemMessage, transfer, closeConversation" in shown
    assert "poll from:body" not in shown


@pytest.mark.parametrize("changed", [False, True])
def test_trace_leads_to_the_line_that_failed_while_the_draft_is_what_ran(
    changed, developer_client, account
):
    function = factories.deployed(name="greet")
    event = factories.EventFactory()
    factories.InvocationFactory(
        event=event,
        deployment=function.deployment,
        function_id=function.pk,
        outcome=InvocationState.CODING_FAILURE,
        failure={
            "name": "Error",
            "message": "no",
            "code": "custom-failure",
            "line": 4,
            "column": 9,
        },
    )
    if changed:
        type(function).objects.filter(pk=function.pk).update(version=2)

    page = text(developer_client.get(url("trace", event.pk)))

    assert ("#line-4:9" in page) != changed
    assert "line 4, column 9" in page
    assert 'href="/help/errors/#custom-failure"' in page


def test_trace_draws_no_bubble_for_a_message_without_a_text(developer_client, account):
    event = handled()
    event.commands.all().delete()
    factories.CommandFactory(
        event=event,
        invocation=None,
        fields={},
        state=CommandState.DROPPED,
        reason="response-time-overdue",
        detail="The time has passed",
        idempotency_key=None,
    )

    shown = text(developer_client.get(url("trace", event.pk)))

    assert "The time has passed" in shown
    assert "Automatic message of the account" in shown
    assert "bubble" not in shown


def test_trace_answers_a_poll_only_when_something_changed(developer_client, account):
    event = factories.EventFactory()
    page = text(developer_client.get(url("trace", event.pk)))
    seen = page.split("seen=")[1].split('"')[0]

    same = developer_client.get(url("trace", event.pk), {"seen": seen}, headers=HTMX)
    factories.InvocationFactory(event=event)
    other = developer_client.get(url("trace", event.pk), {"seen": seen}, headers=HTMX)

    assert same.status_code == 204
    assert other.status_code == 200
    assert text(other).strip().startswith('<div id="trace"')


@pytest.mark.parametrize(
    ("state", "verdict", "sentence"),
    [
        (EventState.DONE, Verdict.NOTHING, "No deployed function has the event"),
        (EventState.DONE, Verdict.DISABLED, "Functions are not enabled for this account"),
        (EventState.WAITING, Verdict.NONE, "Waits for its turn in the conversation"),
    ],
)
def test_trace_says_why_nothing_happened(state, verdict, sentence, developer_client, account):
    detail = sentence if verdict == Verdict.NOTHING else ""
    event = factories.EventFactory(state=state, verdict=verdict, detail=detail)

    page = text(developer_client.get(url("trace", event.pk)))

    assert sentence in page
    assert ("poll from:body" in page) == (state != EventState.DONE)


def test_trace_shows_a_body_that_is_not_json_and_an_event_type_that_is_gone(
    developer_client, account
):
    conversation = factories.ConversationFactory()
    notification = factories.NotificationFactory(conversation=conversation, body=b"\xff<no json")
    event = factories.EventFactory(
        conversation=conversation, notification=notification, type="of_old", payload={}
    )

    page = developer_client.get(url("trace", event.pk))
    listed = developer_client.get(url("activity"))

    assert "<no json" in text(page)
    assert "of_old" in text(listed)


def test_trace_of_an_unknown_event_is_not_found(developer_client, account):
    assert developer_client.get(url("trace", uuid.uuid4())).status_code == 404
    assert Command.objects.count() == 0


def test_pages_hold_no_inline_script_or_style(developer_client: Client, account):
    function = factories.deployed(name="greet")
    handled()
    for name, args in [*PAGES, ("new", []), ("undeploy", ["greet"])]:
        page = text(developer_client.get(url(name, *args)))

        assert " style=" not in page
        assert "<style" not in page
        assert "<script>" not in page
        assert " onclick=" not in page
    assert function.version == 1
