"""Which automatic message goes out: levels, languages, placeholders, and an account's timers."""

import json

import pytest

from invoker import automatic_messages
from invoker.automatic_messages import Chosen, Facts, changes, exchange, timers, wording
from invoker.automatic_messages.defaults import SUBTYPES
from invoker.automatic_messages.errors import DocumentError, InvalidError, LimitError
from invoker.conversations import IdleTimer, IdleTimes
from invoker.models import AutomaticMessage, AutomaticText, ControllerBot
from tests import factories

WELCOME = "CONSUMER_OPEN_NEW_CONVERSATION"
IDLE = "AGENT_NON_RESPONSIVE"
NOW_MS = 1_700_000_000_000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def message(skill_id="", *, enabled=True, subtype=WELCOME, **texts):
    """A row with texts by language (`_` for `-`); the first is the default one."""
    row = factories.AutomaticMessageFactory(subtype=subtype, skill_id=skill_id, enabled=enabled)
    for number, (language, text) in enumerate(texts.items()):
        factories.AutomaticTextFactory(
            message=row, language=language.replace("_", "-"), text=text, is_default=number == 0
        )
    return row


def chosen(skill_id="sales", language="en-US", subtype=WELCOME, **facts):
    return automatic_messages.choose(
        automatic_messages.AccountTexts(factories.ACCOUNT_ID),
        subtype,
        skill_id=skill_id,
        language=language,
        facts=Facts(now_ms=NOW_MS, **facts),
    )


# Levels and languages -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skill", "language", "text"),
    [
        ("sales", "de-DE", "skill, German"),
        ("sales", "fr-FR", "skill, English"),
        ("support", "de-DE", "account, German"),
        ("support", "es-ES", "account, French"),
        ("support", "", "account, French"),
        ("support", None, "account, French"),
        ("", "de-DE", "account, German"),
    ],
)
def test_skill_comes_before_the_account_and_language_before_the_default(db, skill, language, text):
    message("sales", en_US="skill, English", de_DE="skill, German")
    message(fr_FR="account, French", de_DE="account, German")

    assert chosen(skill, language) == Chosen(text)


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("de-AT", "de-AT"),
        ("DE_at", "de-AT"),
        ("de-DE", "de"),
        ("de", "de"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("zh-hant-TW", "zh-Hans-CN"),
        ("deu", None),
        ("nl", None),
        ("", None),
        ("../../etc", None),
        ("x" * 500, None),
        ("de\0", None),
    ],
)
def test_language_is_the_same_or_the_same_apart_from_the_region(wanted, language):
    assert wording.nearest(["de-AT", "de", "pt-BR", "zh-Hans-CN"], wanted) == language


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("EN_us", "en-US"),
        (" de ", "de"),
        ("ZH-HANS-cn", "zh-Hans-CN"),
        ("es-419", "es-419"),
        ("english", ""),
        ("e", ""),
        ("en-", ""),
        ("en-US-x-very-long-tag", ""),
        ("<b>", ""),
        ("", ""),
    ],
)
def test_language_is_kept_in_one_way_of_writing(typed, kept):
    assert wording.normalize_language(typed) == kept


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_skill_without_a_text_takes_the_account_s(db, blank):
    message("sales", en_US=blank)
    message(en_US="Hello")

    assert chosen().text == "Hello"


def test_language_without_a_text_takes_the_default(db):
    message(en_US="Hello", de_DE="")

    assert chosen(language="de-DE").text == "Hello"


def test_skill_that_is_switched_off_sends_nothing(db):
    message("sales", enabled=False, en_US="Hello from sales")
    message(en_US="Hello")

    assert chosen() == Chosen(
        "", "switched-off", 'The automatic message is switched off for skill "sales"'
    )
    assert chosen("support").text == "Hello"


def test_skill_with_a_text_sends_it_though_the_account_is_switched_off(db):
    message("sales", en_US="Hello from sales")
    message(enabled=False, en_US="Hello")

    assert chosen().text == "Hello from sales"
    assert chosen("support").reason == "switched-off"


def test_skill_that_only_has_a_timer_follows_the_account_s_switch(db):
    factories.AutomaticMessageFactory(subtype="AGENT_NON_RESPONSIVE", skill_id="sales", timer_s=60)
    message(enabled=False, subtype="AGENT_NON_RESPONSIVE", en_US="Sorry")

    assert chosen(subtype="AGENT_NON_RESPONSIVE").reason == "switched-off"


def test_nothing_goes_out_where_nobody_wrote_a_text(db):
    factories.AutomaticMessageFactory(subtype=WELCOME)

    assert chosen().reason == "no-text"
    assert chosen(subtype="NEVER_HEARD_OF").reason == "no-text"


def test_text_of_another_account_is_never_chosen(db):
    theirs = factories.AutomaticMessageFactory(account_id="other1", subtype=WELCOME)
    factories.AutomaticTextFactory(message=theirs, text="Theirs")

    assert chosen().reason == "no-text"


def test_choosing_asks_the_database_once(db, django_assert_num_queries):
    message("sales", en_US="skill", de_DE="")
    message(en_US="account", de_DE="Konto")

    with django_assert_num_queries(1):
        chosen()


# Placeholders -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "language", "words"),
    [
        (DAY_S + 20 * HOUR_S + 40 * MINUTE_S, "en-US", "1 day and 20 hours"),
        (DAY_S + 20 * HOUR_S + 40 * MINUTE_S, "de-AT", "1 Tag und 20 Stunden"),
        (DAY_S + 20 * HOUR_S + 40 * MINUTE_S, "xx-YY", "1 day and 20 hours"),
        (DAY_S + 40 * MINUTE_S, "en-US", "1 day"),
        (2 * HOUR_S + 59 * MINUTE_S + 59, "en-US", "2 hours and 59 minutes"),
        (9 * MINUTE_S + 59, "en-US", "9 minutes"),
        (59, "en-US", "59 seconds"),
        (1, "en-US", "1 second"),
        (400 * DAY_S, "fr_FR", "400\N{NO-BREAK SPACE}jours"),
    ],
)
def test_response_time_is_told_in_its_two_largest_units(seconds, language, words):
    assert wording.spell_duration(seconds, language) == words


def test_placeholders_are_filled_in_the_language_of_the_text(db):
    message(de_DE="{agentNickname} antwortet in {expectedResponseTime}.")

    found = chosen(
        language="en-US", effective_ttr=NOW_MS + 5_400_000, agent_nickname="{expectedResponseTime}"
    )

    assert found.text == "{expectedResponseTime} antwortet in 1 Stunde und 30 Minuten."


def test_agent_without_a_nickname_gets_the_account_s_word(account):
    AutomaticMessage.objects.all().delete()
    message(en_US="You talk to {agentNickname}")
    ControllerBot.objects.update(agent_nickname="one of us")

    assert chosen().text == "You talk to one of us"
    assert chosen(agent_nickname="Kim").text == "You talk to Kim"


def test_unknown_placeholder_stays_as_it_is(db):
    message(en_US="Hello {name} {agentNickname.x} {")

    assert chosen().text == "Hello {name} {agentNickname.x} {"


@pytest.mark.parametrize(
    ("effective_ttr", "reason"),
    [
        (-1, "no-response-time"),
        (0, "no-response-time"),
        (NOW_MS - 1, "response-time-overdue"),
        (NOW_MS, "response-time-overdue"),
        (NOW_MS + 1000, ""),
    ],
)
def test_text_with_the_response_time_goes_out_only_before_it_is_over(db, effective_ttr, reason):
    message(en_US="Within {expectedResponseTime}")

    found = chosen(effective_ttr=effective_ttr)

    assert found.reason == reason
    assert bool(found.text) == (not reason)
    assert bool(found.detail) == bool(reason)


def test_text_without_the_response_time_goes_out_though_it_is_over(db):
    message(en_US="Hello")

    assert chosen(effective_ttr=NOW_MS - 1).text == "Hello"


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("Hello", []),
        ("Hello {agentNickname}", []),
        ("Hello {name}", ["{name} is sent as it stands"]),
        ("1 < 2", ["< can make the platform refuse"]),
        ("<b>\\", ["< and > and \\ can make the platform refuse"]),
        ("In {expectedResponseTime}", ["It is not sent while no response time is known"]),
    ],
)
def test_text_is_warned_about(text, warned):
    warnings = wording.warn(text)

    assert len(warnings) == len(warned)
    assert all(each.startswith(start) for each, start in zip(warnings, warned, strict=True))


# What an account starts with ----------------------------------------------------------------------


def test_account_starts_with_a_text_for_every_subtype(db):
    made = automatic_messages.create_defaults(factories.ACCOUNT_ID)

    texts = dict(AutomaticText.objects.values_list("message__subtype", "text"))
    assert made == len(SUBTYPES) == 23
    assert set(texts) == set(SUBTYPES)
    assert all(texts.values())
    assert [
        each for text in texts.values() for each in wording.warn(text) if "refuse" in each
    ] == []


@pytest.mark.parametrize(
    "subtype",
    [
        "AGENT_END_CONVERSATION",
        "CONSUMER_END_CONVERSATION",
        "SYSTEM_END_CONVERSATION",
        "CONSUMER_STEP_UP",
        "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE",
    ],
)
def test_texts_that_platforms_refuse_start_switched_off(account, subtype):
    assert chosen(subtype=subtype).reason == "switched-off"


def test_what_an_account_has_is_kept(db):
    message(enabled=False, de_DE="Guten Tag")

    automatic_messages.create_defaults(factories.ACCOUNT_ID)

    texts = AutomaticText.objects.filter(message__subtype=WELCOME)
    assert list(texts.values_list("language", "text")) == [("de-DE", "Guten Tag")]
    assert not AutomaticMessage.objects.get(subtype=WELCOME).enabled


# Idle times ---------------------------------------------------------------------------------------


def test_idle_times_are_the_skill_s_then_the_account_s_then_the_usual(
    db, django_assert_num_queries
):
    factories.AutomaticMessageFactory(subtype="AGENT_NON_RESPONSIVE", timer_s=120, repeats=3)
    factories.AutomaticMessageFactory(subtype="AGENT_NON_RESPONSIVE", skill_id="sales", timer_s=30)
    factories.AutomaticMessageFactory(subtype="CONV_AWAITING_IN_QUEUE", skill_id="sales", timer_s=0)
    factories.AutomaticMessageFactory(
        subtype="CONSUMER_NON_RESPONSIVE", account_id="other1", timer_s=99
    )

    with django_assert_num_queries(1):
        of_skill = automatic_messages.idle_times(factories.ACCOUNT_ID)
        sales, support = of_skill("sales"), of_skill("support")

    assert sales == IdleTimes(
        agent_non_responsive=IdleTimer(30, 3),
        consumer_non_responsive=IdleTimer(1800),
        conv_awaiting_in_queue=IdleTimer(0),
    )
    assert support == IdleTimes(agent_non_responsive=IdleTimer(120, 3))


# Timers in words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "never"),
        (15, "15 seconds"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (600, "10 minutes"),
        (7200, "2 hours"),
    ],
)
def test_timer_is_told_in_its_largest_whole_unit(seconds, words):
    assert timers.spell(seconds) == words


@pytest.mark.parametrize(
    ("timer_s", "repeats", "field"),
    [
        (14, 1, "timer"),
        (1, 1, "timer"),
        (2_592_001, 1, "timer"),
        (60, 0, "repeats"),
        (60, 21, "repeats"),
    ],
)
def test_idle_time_out_of_bounds_is_refused(db, timer_s, repeats, field):
    with pytest.raises(InvalidError) as caught:
        changes.save_timer(
            factories.ACCOUNT_ID, IDLE, skill_id="", timer_s=timer_s, repeats=repeats, by="ada"
        )

    assert caught.value.field == field
    assert not AutomaticMessage.objects.exists()


def test_event_that_is_not_idle_has_no_timer(db):
    with pytest.raises(InvalidError, match="it is no idle event"):
        changes.save_timer(
            factories.ACCOUNT_ID, WELCOME, skill_id="", timer_s=60, repeats=1, by="ada"
        )


# Import and export --------------------------------------------------------------------------------


def item(subtype=WELCOME, **values):
    return {
        "messageEventId": subtype,
        "deleted": False,
        "enabled": True,
        "data": [{"msg": "Hello", "lang": "en-US", "isDefault": True}],
        "attributes": [],
        **values,
    }


def imported(*items):
    return exchange.carry_out(factories.ACCOUNT_ID, exchange.read(json.dumps(items)), by="ada")


@pytest.mark.parametrize("unified", [True, False])
def test_export_is_imported_without_any_change(account, unified):
    message("sales", enabled=False, en_US="Hello\nyou", de_DE="")
    idle = message("sales", subtype=IDLE, fr_FR="Allô")
    AutomaticMessage.objects.filter(pk=idle.pk).update(timer_s=60, repeats=2)
    document = json.dumps(exchange.write(account.pk, unified=unified))

    settings = exchange.read(document)

    assert exchange.compare(account.pk, settings) == []
    assert exchange.carry_out(account.pk, settings, by="ada") == []
    assert json.dumps(exchange.write(account.pk, unified=unified)) == document


@pytest.mark.parametrize("unified", [True, False])
def test_export_of_one_account_sets_up_another(account, unified):
    message("sales", en_US="Hello", de_DE="Hallo")
    document = json.dumps(exchange.write(account.pk, unified=unified))

    exchange.carry_out("fresh1", exchange.read(document), by="ada")

    assert json.dumps(exchange.write("fresh1", unified=unified)) == document


def test_both_shapes_of_the_vendor_are_read(db):
    older = item(
        IDLE,
        id=2,
        templateId="t-1",
        attributes=[{"name": "timer", "value": "600"}, {"name": "color", "value": "red"}],
    )
    newer = item("CONV_AWAITING_IN_QUEUE", attributes=[{"timer": "45"}, {"repeats": 2}])

    imported(older, newer)

    timers_of = AutomaticMessage.objects.order_by("subtype").values_list("timer_s", "repeats")
    assert list(timers_of) == [(600, None), (45, 2)]


def test_import_tells_what_it_changes(db):
    message(en_US="Hello", de_DE="Hallo")
    new = item(
        enabled=False,
        data=[
            {"msg": "Hi", "lang": "en_us", "isDefault": False},
            {"msg": "Salut", "lang": "fr", "isDefault": True},
        ],
    )

    found = imported(new, item(IDLE, skillId=7, attributes=[{"timer": "60"}]))

    assert [change.lines for change in found] == [
        (
            "Switched off",
            "de-DE: deleted",
            "en-US: changed to “Hi”",
            "fr: new text “Salut”",
            "fr becomes the default",
        ),
        (
            "New for skill 7",
            "en-US: new text “Hello”",
            "en-US becomes the default",
            "Idle time: not set → 1 minute",
        ),
    ]
    assert set(AutomaticText.objects.values_list("language", "text")) == {
        ("en-US", "Hi"),
        ("fr", "Salut"),
        ("en-US", "Hello"),
    }


def test_deleted_items_take_the_skill_s_row_and_switch_the_account_s_off(db):
    message("sales", en_US="Hello from sales")
    message(en_US="Hello")

    imported(item(skillId="sales", deleted=True), item(deleted=True))

    rows = AutomaticMessage.objects.values_list("skill_id", "enabled")
    assert list(rows) == [("", False)]


def test_skill_s_item_that_says_nothing_makes_no_row(db):
    assert imported(item(skillId="sales", data=[])) == []
    assert not AutomaticMessage.objects.exists()


def test_rows_without_an_item_stay(account):
    before = AutomaticMessage.objects.count()

    imported(item())

    assert AutomaticMessage.objects.count() == before


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("", "it is no JSON"),
        ("[{", "it is no JSON"),
        ("[" * 100_000, "cannot import the document"),
        ('{"a": 1}', r"see \$: expected `array`, got `object`"),
        ("[1]", r"see \$\[0\]: expected `object`, got `int`"),
        ("[{}]", r"see \$\[0\]: object missing required field `messageEventId`"),
        ('[{"messageEventId": "\\ud800"}]', "cannot import the document"),
        (json.dumps([item("FOO")]), r'\$\[0\].messageEventId: "FOO" is no event'),
        (json.dumps([item(), item()]), r"\$\[1\]: CONSUMER_OPEN_.* is also \$\[0\]"),
        (json.dumps([item(enabled="yes")]), r"\$\[0\].enabled: expected `bool`, got `str`"),
        (json.dumps([item(skillId="a b")]), r'\$\[0\].skillId: cannot use skill "a b"'),
        (json.dumps([item(skillId="x" * 41)]), r"\$\[0\].skillId"),
        (json.dumps([item(data=[{"msg": "x"}])]), r"\$\[0\].data\[0\]: object missing .* `lang`"),
        (json.dumps([item(data=[{"msg": "x", "lang": "!"}])]), r"\$\[0\].data\[0\].lang: cannot"),
        (json.dumps([item(data=[{"msg": 5, "lang": "de"}])]), r"\$\[0\].data\[0\].msg: expected"),
        (
            json.dumps([item(data=[{"msg": "x" * 5001, "lang": "de"}])]),
            r"\$\[0\].data\[0\].msg: cannot use a text of 5,001 characters",
        ),
        (json.dumps([item(data=[{"msg": "a\0b", "lang": "de"}])]), r"\.msg: cannot use this text"),
        (
            json.dumps([item(data=[{"lang": "de"}, {"lang": "DE"}])]),
            r'\$\[0\].data\[1\].lang: "de" is there twice',
        ),
        (json.dumps([item(data=[{"lang": "de"}, {"lang": "en"}])]), "0 texts are the default"),
        (
            json.dumps(
                [item(data=[{"lang": "de", "isDefault": True}, {"lang": "en", "isDefault": True}])]
            ),
            "2 texts are the default",
        ),
        (json.dumps([item(IDLE, attributes=[{"timer": "5"}])]), "cannot set 5 seconds"),
        (json.dumps([item(IDLE, attributes=[{"timer": "soon"}])]), "write a number as text"),
        (json.dumps([item(IDLE, attributes=[{"timer": None}])]), "write a number as text"),
        (json.dumps([item(IDLE, attributes=[{"timer": "9" * 5000}])]), "write a number as text"),
        (f'[{{"messageEventId": "{IDLE}", "attributes": [{{"timer": {"9" * 5000}}}]}}]', "cannot"),
        (f'[{{"messageEventId": "{IDLE}", "attributes": [{{"timer": {"9" * 50}}}]}}]', "a number"),
        (f'[{{"messageEventId": "{IDLE}", "skillId": {"9" * 5000}}}]', "cannot"),
        (f'[{{"messageEventId": "{IDLE}", "skillId": {"9" * 50}}}]', "cannot"),
        (json.dumps([item(IDLE, attributes=[{"timer": "²"}])]), "write a number as text"),
        (json.dumps([item(IDLE, attributes=["timer"])]), r"attributes\[0\]: expected `object`"),
        (json.dumps([item(attributes=[{"timer": "60"}])]), "is no idle event"),
        (json.dumps([item(IDLE, attributes=[{"repeats": "99"}])]), "cannot repeat 99 times"),
        (json.dumps([{"messageEventId": WELCOME}] * 5001), "at most 5,000"),
        (" " * 1_000_001, "at most 1,000,000"),
    ],
)
def test_document_is_refused_whole_with_the_place_and_the_way_out(account, document, told):
    before = exchange.write(account.pk, unified=True)

    with pytest.raises(DocumentError, match=f"(?i){told}") as caught:
        exchange.carry_out(account.pk, exchange.read(document), by="ada")

    assert len(str(caught.value)) < 400
    assert exchange.write(account.pk, unified=True) == before


def test_import_does_not_make_more_skills_than_a_message_may_have(db, monkeypatch):
    monkeypatch.setattr(changes, "MAX_SKILLS", 2)

    with pytest.raises(LimitError, match="more than 2 skills"):
        imported(*(item(skillId=number) for number in range(3)))

    assert not AutomaticMessage.objects.exists()
