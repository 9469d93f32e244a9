"""The pages of idle times and of the controller bot's own settings."""

import html

import pytest
from django.urls import reverse

from invoker import automatic_messages
from invoker.automatic_messages import changes
from invoker.conversations import IdleTimer
from invoker.models import AutomaticMessage, ControllerBot
from tests import factories

AGENT = "AGENT_NON_RESPONSIVE"
QUEUE = "CONV_AWAITING_IN_QUEUE"
TIMER = {"happens": "on", "count": "10", "unit": "minutes", "repeats": "1"}


def url(name, account, *arguments):
    return reverse(name, args=[account.pk, *arguments])


def text(response):
    return html.unescape(response.content.decode())


def agent_timer(account, skill_id=""):
    return automatic_messages.idle_times(account.pk)(skill_id).agent_non_responsive


@pytest.mark.parametrize(
    ("count", "unit", "repeats", "timer"),
    [
        ("15", "seconds", "1", IdleTimer(15, 1)),
        ("90", "seconds", "20", IdleTimer(90, 20)),
        ("5", "minutes", "2", IdleTimer(300, 2)),
        ("720", "hours", "1", IdleTimer(2_592_000, 1)),
    ],
)
def test_idle_time_is_set(*, admin_client, account, count, unit, repeats, timer):
    answer = admin_client.post(
        url("idle-time-save", account, AGENT),
        {"happens": "on", "count": count, "unit": unit, "repeats": repeats},
    )

    assert answer.status_code == 302
    assert agent_timer(account) == agent_timer(account, "sales") == timer


def test_idle_event_is_switched_off(admin_client, account):
    admin_client.post(url("idle-time-save", account, AGENT), {"count": "", "repeats": "1"})

    page = text(admin_client.get(url("idle-times", account)))

    assert agent_timer(account) == IdleTimer(0, 1)
    assert page.partition("<main")[2].partition("</main>")[0].count(" checked") == 3


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"count": "14", "unit": "seconds"}, "between 15 seconds and 30 days"),
        ({"count": "0"}, "enter a number, or switch it off"),
        ({"count": ""}, "enter a number, or switch it off"),
        ({"count": "-5"}, "greater than or equal to 0"),
        ({"count": "soon"}, "Enter a whole number"),
        ({"count": "9" * 400}, "less than or equal to"),
        ({"count": "9" * 5000}, "Enter a whole number"),
        ({"count": "99999999999"}, "less than or equal to"),
        ({"count": "721", "unit": "hours"}, "between 15 seconds and 30 days"),
        ({"unit": "years"}, "Select a valid choice"),
        ({"unit": ""}, "choose a unit"),
        ({"repeats": "0"}, "enter a number from 1 to 20 times"),
        ({"repeats": "21"}, "enter a number from 1 to 20 times"),
        ({"repeats": ""}, "enter a number from 1 to 20 times"),
    ],
)
def test_idle_time_is_refused_with_the_reason(admin_client, account, values, told):
    answer = admin_client.post(url("idle-time-save", account, AGENT), {**TIMER, **values})

    assert answer.status_code == 422
    assert told in text(answer)
    assert agent_timer(account) == IdleTimer(600, 1)


def test_event_that_is_not_idle_has_no_timer(admin_client, account):
    answer = admin_client.post(url("idle-time-save", account, "BACK_TO_QUEUE"), TIMER)

    assert answer.status_code == 404


def test_skill_gets_its_own_idle_time_and_gives_it_back(admin_client, account):
    values = {**TIMER, "subtype": AGENT, "skill": " sales "}
    admin_client.post(url("idle-time-skill", account), {**values, "count": "3"})
    admin_client.post(url("idle-time-skill", account), {**values, "count": "2", "repeats": "4"})
    own = agent_timer(account, "sales")
    row = AutomaticMessage.objects.get(skill_id="sales")
    page = text(admin_client.get(url("idle-times", account)))
    question = text(admin_client.get(url("idle-time-delete", account, row.pk)))

    admin_client.post(url("idle-time-delete", account, row.pk))

    assert own == IdleTimer(120, 4)
    assert "2 minutes" in page
    assert "Delete the idle time of skill sales" in question
    assert agent_timer(account, "sales") == IdleTimer(600, 1)
    assert not AutomaticMessage.objects.filter(skill_id="sales").exists()


def test_message_of_a_skill_survives_its_idle_time(admin_client, account):
    changes.add_skill(
        account.pk, AGENT, skill_id="sales", language="en-US", text="Moment", by="ada"
    )
    changes.save_timer(account.pk, AGENT, skill_id="sales", timer_s=60, repeats=None, by="ada")
    row = AutomaticMessage.objects.get(skill_id="sales")

    admin_client.post(url("idle-time-delete", account, row.pk))

    row.refresh_from_db()
    assert row.timer_s is None
    assert row.texts.get().text == "Moment"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"skill": ""}, "This field is required"),
        ({"skill": "a b"}, "enter its id"),
        ({"skill": "<script>alert(1)</script>"}, "enter its id"),
        ({"subtype": "BACK_TO_QUEUE"}, "Select a valid choice"),
        ({"count": "1", "unit": "seconds"}, "between 15 seconds and 30 days"),
    ],
)
def test_idle_time_of_a_skill_is_refused_with_the_reason(admin_client, account, values, told):
    sent = {**TIMER, "subtype": QUEUE, "skill": "sales", **values}

    answer = admin_client.post(url("idle-time-skill", account), sent)

    assert answer.status_code == 422
    assert told in text(answer)
    assert "<script>alert" not in answer.content.decode()
    assert not AutomaticMessage.objects.exclude(skill_id="").exists()


def test_message_has_only_so_many_skills_with_a_time(admin_client, account, monkeypatch):
    monkeypatch.setattr(changes, "MAX_SKILLS", 0)

    answer = admin_client.post(
        url("idle-time-skill", account), {**TIMER, "subtype": QUEUE, "skill": "sales"}
    )

    assert "at most 0 have their own" in text(answer)


def test_developer_reads_idle_times_and_changes_nothing(developer_client, account):
    changes.save_timer(account.pk, AGENT, skill_id="sales", timer_s=60, repeats=1, by="ada")
    row = AutomaticMessage.objects.get(skill_id="sales")

    page = text(developer_client.get(url("idle-times", account)))
    answers = [
        developer_client.post(url("idle-time-save", account, AGENT), {**TIMER, "count": "1"}),
        developer_client.post(
            url("idle-time-skill", account), {**TIMER, "subtype": AGENT, "skill": "x"}
        ),
        developer_client.get(url("idle-time-delete", account, row.pk)),
        developer_client.post(url("idle-time-delete", account, row.pk)),
    ]

    assert "After 10 minutes, 1 time in all" in page
    assert "1 minute" in page
    assert "<input" not in page.split("</nav>")[-1].split("</main>")[0]
    assert {answer.status_code for answer in answers} == {403}
    assert agent_timer(account) == IdleTimer(600, 1)
    assert agent_timer(account, "sales") == IdleTimer(60, 1)


def test_idle_time_of_another_account_is_not_there(outsider_client, account):
    changes.save_timer(account.pk, AGENT, skill_id="sales", timer_s=60, repeats=1, by="ada")
    row = AutomaticMessage.objects.get(skill_id="sales")

    answer = outsider_client.post(reverse("idle-time-delete", args=["other1", row.pk]))
    outsider_client.post(reverse("idle-time-save", args=["other1", AGENT]), {**TIMER, "count": "1"})

    assert answer.status_code == 404
    assert agent_timer(account, "sales") == IdleTimer(60, 1)
    assert agent_timer(account) == IdleTimer(600, 1)


# The controller bot -------------------------------------------------------------------------------

BOT = {"platform_retries": "3", "function_retries": "2", "agent_nickname": " one of us "}


def test_controller_bot_is_set(admin_client, account):
    factories.ControllerBotFactory(account_id="other2")

    answer = admin_client.post(url("controller-bot", account), BOT)

    values = ControllerBot.objects.values_list(
        "platform_retries", "function_retries", "agent_nickname"
    )
    assert answer.status_code == 302
    assert values.get(pk=account.pk) == (3, 2, "one of us")
    assert values.get(pk="other2") == (1, 0, "an agent")


def test_controller_bot_welcomes_after_an_automatic_close_when_it_is_told_to(admin_client, account):
    welcomes = ControllerBot.objects.filter(pk=account.pk, welcomes_after_auto_close=True)
    assert not welcomes.exists()

    admin_client.post(url("controller-bot", account), BOT | {"welcomes_after_auto_close": "on"})
    assert welcomes.exists()

    admin_client.post(url("controller-bot", account), BOT)
    assert not welcomes.exists()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"platform_retries": "4"}, "Select a valid choice"),
        ({"function_retries": "-1"}, "Select a valid choice"),
        ({"function_retries": ""}, "This field is required"),
        ({"agent_nickname": " "}, "This field is required"),
        ({"agent_nickname": "x" * 61}, "enter 1 to 60 characters"),
        ({"agent_nickname": "a\nb"}, "enter 1 to 60 characters"),
    ],
)
def test_controller_bot_is_refused_with_the_reason(admin_client, account, values, told):
    answer = admin_client.post(url("controller-bot", account), {**BOT, **values})

    assert answer.status_code == 422
    assert told in text(answer)
    assert ControllerBot.objects.get(pk=account.pk).platform_retries == 1


def test_developer_reads_the_controller_bot_and_changes_nothing(developer_client, account):
    page = text(developer_client.get(url("controller-bot", account)))

    answer = developer_client.post(url("controller-bot", account), BOT)

    assert "an agent" in page
    assert "Save settings" not in page
    assert answer.status_code == 403
    assert ControllerBot.objects.get(pk=account.pk).platform_retries == 1


def test_account_without_a_controller_bot_is_shown_the_steps(admin_client, account):
    ControllerBot.objects.all().delete()

    page = text(admin_client.get(url("controller-bot", account)))

    assert "The account team sets up the controller bot" in page
    assert "Save settings" not in page
