"""The pages of automatic messages: who may change them, texts, skills, export and import."""

import html
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from invoker import automatic_messages
from invoker.automatic_messages import Facts, changes, exchange
from invoker.automatic_messages.defaults import DEFAULT_TEXTS, SUBTYPES
from invoker.models import AutomaticMessage, AutomaticText

WELCOME = "CONSUMER_OPEN_NEW_CONVERSATION"
CONNECTED = "YOU_ARE_CONNECTED_TO"
ALIEN = "<script>alert(1)</script>"


def url(name, account, *arguments):
    return reverse(name, args=[account.pk, *arguments])


def text(response):
    return html.unescape(response.content.decode())


def own(account, subtype=WELCOME, skill_id=""):
    return AutomaticMessage.objects.get(account_id=account.pk, subtype=subtype, skill_id=skill_id)


def texts(message):
    return dict(message.texts.values_list("language", "text"))


def said(account, *, skill_id="", language="en-US", subtype=WELCOME):
    facts = Facts(now_ms=0)
    texts = automatic_messages.AccountTexts(account.pk)
    return automatic_messages.choose(
        texts, subtype, skill_id=skill_id, language=language, facts=facts
    ).text


def document(*items):
    return json.dumps(list(items))


# Who may ------------------------------------------------------------------------------------------

PAGES = ["automatic-messages", "automatic-messages-export", "idle-times", "controller-bot"]


@pytest.mark.parametrize("who", ["developer_client", "admin_client", "team_client"])
def test_everybody_of_the_account_reads(request, account, who):
    client = request.getfixturevalue(who)

    answers = [client.get(url(name, account)) for name in PAGES]
    answers += [client.get(url("automatic-message", account, subtype)) for subtype in SUBTYPES]

    assert {answer.status_code for answer in answers} == {200}


def test_developer_reads_texts_and_changes_nothing(developer_client, account):
    changes.add_skill(account.pk, WELCOME, skill_id="sales", language="de", text="Hallo", by="ada")
    message, skill = own(account), own(account, skill_id="sales")
    before = exchange.write(account.pk, unified=True)

    page = text(developer_client.get(url("automatic-message", account, WELCOME)))
    answers = [
        developer_client.post(
            url("automatic-message-save", account, message.pk), {"default": "de"}
        ),
        developer_client.post(url("automatic-message-switch", account, message.pk)),
        developer_client.post(url("automatic-message-preview", account)),
        developer_client.post(url("automatic-text-add", account, message.pk)),
        developer_client.post(url("automatic-text-delete", account, message.pk) + "?language=de"),
        developer_client.get(url("automatic-message-delete", account, skill.pk)),
        developer_client.post(url("automatic-message-delete", account, skill.pk)),
        developer_client.post(url("automatic-message-skill", account, WELCOME)),
        developer_client.get(url("automatic-message-reset", account, WELCOME)),
        developer_client.post(url("automatic-message-reset", account, WELCOME)),
        developer_client.get(url("automatic-messages-import", account)),
        developer_client.post(url("automatic-messages-import", account), {"document": "[]"}),
    ]

    assert "Hallo" in page
    assert "<textarea" not in page
    assert 'role="switch"' not in page
    assert {each.status_code for each in answers} == {403}
    assert exchange.write(account.pk, unified=True) == before


def test_rows_of_another_account_are_not_there(outsider_client, account):
    changes.add_skill(account.pk, WELCOME, skill_id="sales", language="de", text="Hallo", by="ada")
    skill = own(account, skill_id="sales")
    before = exchange.write(account.pk, unified=True)
    names = [
        "automatic-message-save",
        "automatic-message-switch",
        "automatic-text-add",
        "automatic-text-delete",
        "automatic-message-delete",
    ]

    answers = [
        outsider_client.post(
            reverse(name, args=["other1", skill.pk]) + "?language=de",
            {"default": "de", "text-de": "Tag", "language": "fr", "text": "x"},
        )
        for name in names
    ]
    export = outsider_client.get(reverse("automatic-messages-export", args=["other1"]))

    assert {each.status_code for each in answers} == {404}
    assert exchange.write(account.pk, unified=True) == before
    assert export.json() == []


# The list -----------------------------------------------------------------------------------------


def test_list_shows_every_message_by_event(admin_client, account):
    page = text(admin_client.get(url("automatic-messages", account)))

    assert [subtype for subtype in SUBTYPES if f'<tr id="{subtype}">' not in page] == []
    assert page.count('role="switch"') == len(SUBTYPES) == 23
    assert page.index("New Conversation</h2>") < page.index("Conversation End</h2>")
    assert DEFAULT_TEXTS[WELCOME] in page


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?q=QUEUE", 2),
        ("?q=agent_non", 1),
        ("?q=sales", 1),
        ("?q=%00", 23),
        ("?state=off", 7),
        ("?state=skills", 1),
        ("?state=nonsense", 23),
        ("?q=nothing+of+this", 0),
    ],
)
def test_list_is_filtered(admin_client, account, query, count):
    changes.add_skill(account.pk, WELCOME, skill_id="sales", language="de", text="Hallo", by="ada")

    whole = text(admin_client.get(url("automatic-messages", account) + query))
    rows = text(
        admin_client.get(
            url("automatic-messages", account) + query,
            headers={"HX-Request": "true", "HX-Target": "rows"},
        )
    )

    assert whole.count("<tr id=") == rows.count("<tr id=") == count
    assert "<html" in whole
    assert "<html" not in rows


@pytest.mark.parametrize("count", [0, 3])
def test_list_asks_the_database_as_often_whatever_there_is(
    developer_client, account, django_assert_num_queries, count
):
    for number in range(count):
        changes.add_skill(
            account.pk, WELCOME, skill_id=str(number), language="de", text="Hallo", by="ada"
        )

    # Session, user, membership, messages, texts, set-up, accounts to switch to.
    with django_assert_num_queries(7):
        developer_client.get(url("automatic-messages", account))


@pytest.mark.parametrize("count", [1, 3])
def test_page_asks_the_database_as_often_whatever_there_is(
    admin_client, account, django_assert_num_queries, count
):
    for number in range(count):
        changes.add_skill(
            account.pk, WELCOME, skill_id=str(number), language="de", text="Hallo", by="ada"
        )
        changes.add_text(own(account), ("de", "fr", "nl")[number], "Hallo", by="ada")

    # Session, user, membership, messages, texts, set-up, accounts to switch to.
    with django_assert_num_queries(7):
        admin_client.get(url("automatic-message", account, WELCOME))


def test_list_of_an_account_without_messages_says_so(admin_client, account):
    AutomaticMessage.objects.all().delete()

    listed = admin_client.get(url("automatic-messages", account))
    page = text(admin_client.get(url("automatic-message", account, WELCOME)))
    admin_client.post(url("automatic-message-reset", account, WELCOME))

    assert text(listed).count("None yet") == 23
    assert "The account has no message here yet" in page
    assert said(account) == DEFAULT_TEXTS[WELCOME]


@pytest.mark.parametrize("name", ["automatic-message", "automatic-message-reset"])
@pytest.mark.parametrize("subtype", ["NOTHING", "export ", ALIEN.replace("/", "")])
def test_what_is_no_event_is_not_there(admin_client, account, name, subtype):
    assert admin_client.get(url(name, account, subtype)).status_code == 404


# Switches -----------------------------------------------------------------------------------------


def test_switch_stops_the_text_without_javascript(admin_client, account):
    switch_url = url("automatic-message-switch", account, own(account).pk)

    answer = admin_client.post(switch_url, {"enabled": "no", "from": "list"})
    off = said(account)
    admin_client.post(switch_url, {"enabled": "yes"})

    assert answer.status_code == 302
    assert answer.url.endswith(f"/automatic-messages/#{WELCOME}")
    assert off == ""
    assert said(account) == DEFAULT_TEXTS[WELCOME]


def test_switch_comes_back_turned_with_a_toast(admin_client, account):
    answer = admin_client.post(
        url("automatic-message-switch", account, own(account).pk),
        {"enabled": "no"},
        headers={"HX-Request": "true"},
    )

    page = text(answer)
    assert 'aria-checked="false"' in page
    assert 'name="enabled" value="yes"' in page
    assert "A consumer writes again: switched off" in page
    assert "<html" not in page


# Texts --------------------------------------------------------------------------------------------


def test_texts_are_saved_with_another_default(admin_client, account):
    message = own(account)
    changes.add_text(message, "de-DE", "Hallo", by="ada")

    answer = admin_client.post(
        url("automatic-message-save", account, message.pk),
        {"text-en-US": "Hi\r\nyou ", "text-de-DE": "Guten Tag", "default": "de-DE"},
    )

    assert answer.status_code == 302
    assert texts(message) == {"en-US": "Hi\nyou", "de-DE": "Guten Tag"}
    assert said(account, language="fr") == "Guten Tag"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"text-en-US": "x" * 5001, "default": "en-US"}, "Cannot use a text of 5,001 characters"),
        ({"text-en-US": "a\0b", "default": "en-US"}, "Null characters are not allowed"),
        ({"text-en-US": "Hi"}, "choose the default language"),
        ({"text-en-US": "Hi", "default": "fr"}, "choose one of them as the default"),
        ({"text-en-US": "Hi", "default": ALIEN}, "choose one of them as the default"),
    ],
)
def test_texts_are_refused_with_the_reason_and_kept_in_the_form(
    admin_client, account, values, told
):
    answer = admin_client.post(url("automatic-message-save", account, own(account).pk), values)

    assert answer.status_code == 422
    assert told in text(answer)
    assert values["text-en-US"].replace("\0", "") in text(answer).replace("\0", "")
    assert ALIEN not in answer.content.decode()
    assert texts(own(account)) == {"en-US": DEFAULT_TEXTS[WELCOME]}


def test_text_is_shown_as_text(admin_client, account):
    changes.save_texts(own(account), {"en-US": ALIEN}, default="en-US", by="ada")

    pages = [
        admin_client.get(url("automatic-message", account, WELCOME)).content.decode(),
        admin_client.get(url("automatic-messages", account)).content.decode(),
    ]

    assert all(ALIEN not in page and html.escape(ALIEN) in page for page in pages)
    assert "can make the platform refuse the message" in pages[0]


def test_preview_is_what_a_consumer_would_read(admin_client, account):
    answer = admin_client.post(
        url("automatic-message-preview", account),
        {"language": "de", "text-de": "{agentNickname} antwortet in {expectedResponseTime} {x}"},
    )

    page = text(answer)
    assert "Kim antwortet in 1 Tag und 20 Stunden {x}" in page
    assert "{x} is sent as it stands" in page


@pytest.mark.parametrize(
    ("default", "told"), [("de", "No text here"), ("en-US", "No text here: the default goes out")]
)
def test_preview_of_no_text_says_what_goes_out(admin_client, account, default, told):
    answer = admin_client.post(
        url("automatic-message-preview", account),
        {"language": "de", "text-de": " ", "default": default},
    )

    assert f">{told}<" in text(answer)


@pytest.mark.parametrize("values", [{}, {"language": ALIEN, f"text-{ALIEN}": ALIEN}])
def test_preview_takes_anything(admin_client, account, values):
    answer = admin_client.post(url("automatic-message-preview", account), values)

    assert answer.status_code == 200
    assert ALIEN not in answer.content.decode()


def test_language_is_added_and_deleted(admin_client, account):
    message = own(account)

    admin_client.post(
        url("automatic-text-add", account, message.pk), {"language": "DE_at", "text": "Servus"}
    )
    added = said(account, language="de-AT")
    delete_url = url("automatic-text-delete", account, message.pk) + "?language=de-AT"
    question = text(admin_client.get(delete_url))
    admin_client.post(delete_url)

    assert added == "Servus"
    assert "Delete the text in de-AT" in question
    assert "?language=de-AT" in question
    assert texts(message) == {"en-US": DEFAULT_TEXTS[WELCOME]}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"language": "en_us", "text": "Hi"}, "this message has a text in it"),
        ({"language": "English", "text": "Hi"}, "enter a tag such as de or en-US"),
        ({"language": ALIEN, "text": "Hi"}, "enter a tag such as de or en-US"),
        ({"language": "de", "text": ""}, "This field is required"),
        ({"language": "de", "text": "x" * 5001}, "shorten it to 5,000"),
    ],
)
def test_language_is_refused_with_the_reason(admin_client, account, values, told):
    message = own(account)

    answer = admin_client.post(url("automatic-text-add", account, message.pk), values)

    assert answer.status_code == 422
    assert told in text(answer)
    assert ALIEN not in answer.content.decode()
    assert len(texts(message)) == 1


def test_default_language_cannot_be_deleted(admin_client, account):
    message = own(account)
    changes.add_text(message, "de", "Hallo", by="ada")

    answer = admin_client.post(
        url("automatic-text-delete", account, message.pk) + "?language=en-US", follow=True
    )
    missing = admin_client.post(url("automatic-text-delete", account, message.pk) + "?language=fr")

    assert "make another language the default first" in text(answer)
    assert missing.status_code == 404
    assert set(texts(message)) == {"de", "en-US"}


def test_message_has_only_so_many_languages(admin_client, account, monkeypatch):
    monkeypatch.setattr(changes, "MAX_LANGUAGES", 1)

    answer = admin_client.post(
        url("automatic-text-add", account, own(account).pk), {"language": "de", "text": "Hallo"}
    )

    assert "at most 1 languages" in text(answer)


def test_reset_brings_back_the_shipped_text_after_a_question(admin_client, account):
    message = own(account)
    changes.add_text(message, "de", "Hallo", by="ada")
    changes.save_texts(message, {"en-US": "Hi"}, default="de", by="ada")
    changes.switch(message, enabled=False, by="ada")

    question = text(admin_client.get(url("automatic-message-reset", account, WELCOME)))
    admin_client.post(url("automatic-message-reset", account, WELCOME))

    assert DEFAULT_TEXTS[WELCOME] in question
    assert texts(message) == {"en-US": DEFAULT_TEXTS[WELCOME]}
    assert said(account, language="de") == DEFAULT_TEXTS[WELCOME]


# Skills -------------------------------------------------------------------------------------------


def test_skill_gets_its_own_message_and_gives_it_back(admin_client, account):
    admin_client.post(
        url("automatic-message-skill", account, WELCOME),
        {"skill": " 4711 ", "language": "en-US", "text": "Sales here"},
    )
    own_text = said(account, skill_id="4711")
    skill = own(account, skill_id="4711")
    question = text(admin_client.get(url("automatic-message-delete", account, skill.pk)))
    admin_client.post(url("automatic-message-delete", account, skill.pk))

    assert own_text == "Sales here"
    assert "Delete the message of skill 4711" in question
    assert said(account, skill_id="4711") == DEFAULT_TEXTS[WELCOME]
    assert not AutomaticMessage.objects.filter(skill_id="4711").exists()


def test_skill_without_a_text_has_a_switch_of_its_own(admin_client, account):
    admin_client.post(
        url("automatic-message-skill", account, WELCOME), {"skill": "-1", "language": "en-US"}
    )
    shared = said(account, skill_id="-1")

    admin_client.post(
        url("automatic-message-switch", account, own(account, skill_id="-1").pk), {"enabled": "no"}
    )

    assert shared == DEFAULT_TEXTS[WELCOME]
    assert said(account, skill_id="-1") == ""
    assert said(account) == DEFAULT_TEXTS[WELCOME]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"skill": "sales", "language": "de"}, "it has its own message, change that one"),
        ({"skill": "a b", "language": "de"}, "enter its id"),
        ({"skill": "x" * 41, "language": "de"}, "enter its id"),
        ({"skill": ALIEN, "language": "de"}, "enter its id"),
        ({"skill": "", "language": "de"}, "This field is required"),
        ({"skill": "new", "language": "Deutsch"}, "enter a tag"),
        ({"skill": "new", "language": "de", "text": "x" * 5001}, "shorten it"),
    ],
)
def test_skill_is_refused_with_the_reason(admin_client, account, values, told):
    changes.add_skill(account.pk, WELCOME, skill_id="sales", language="de", text="Hallo", by="ada")

    answer = admin_client.post(url("automatic-message-skill", account, WELCOME), values)

    assert answer.status_code == 422
    assert told in text(answer)
    assert ALIEN not in answer.content.decode()
    assert AutomaticMessage.objects.exclude(skill_id="").count() == 1


def test_message_has_only_so_many_skills(admin_client, account, monkeypatch):
    monkeypatch.setattr(changes, "MAX_SKILLS", 0)

    answer = admin_client.post(
        url("automatic-message-skill", account, WELCOME), {"skill": "sales", "language": "de"}
    )

    assert "at most 0 have their own" in text(answer)


def test_account_s_own_message_cannot_be_deleted(admin_client, account):
    delete_url = url("automatic-message-delete", account, own(account).pk)

    assert admin_client.post(delete_url).status_code == 404
    assert own(account)


def test_idle_time_of_a_skill_survives_its_message(admin_client, account):
    changes.save_timer(
        account.pk, "AGENT_NON_RESPONSIVE", skill_id="sales", timer_s=60, repeats=1, by="ada"
    )
    hidden = text(admin_client.get(url("automatic-message", account, "AGENT_NON_RESPONSIVE")))
    changes.add_skill(
        account.pk, "AGENT_NON_RESPONSIVE", skill_id="sales", language="de", text="Moment", by="ada"
    )
    skill = own(account, "AGENT_NON_RESPONSIVE", "sales")

    admin_client.post(url("automatic-message-delete", account, skill.pk))

    skill.refresh_from_db()
    assert "Skill <span" not in hidden
    assert (skill.timer_s, skill.enabled, texts(skill)) == (60, True, {})


# Export and import --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "attributes", "name"),
    [
        ("", [{"name": "timer", "value": "60"}], "auto-messages-acme1.json"),
        ("?shape=unified", [{"timer": "60"}], "unified-auto-messages-acme1.json"),
    ],
)
def test_export_has_the_vendor_s_shape(developer_client, account, query, attributes, name):
    AutomaticMessage.objects.filter(subtype="AGENT_NON_RESPONSIVE").update(timer_s=60)

    answer = developer_client.get(url("automatic-messages-export", account) + query)

    items = {item["messageEventId"]: item for item in answer.json()}
    assert name in answer.headers["Content-Disposition"]
    assert list(items) == list(SUBTYPES)
    assert items["AGENT_NON_RESPONSIVE"] == {
        "deleted": False,
        "enabled": True,
        "messageEventId": "AGENT_NON_RESPONSIVE",
        "data": [
            {"msg": DEFAULT_TEXTS["AGENT_NON_RESPONSIVE"], "lang": "en-US", "isDefault": True}
        ],
        "attributes": attributes,
    }


def test_import_shows_what_would_change_and_then_does_it(admin_client, account):
    item = {
        "messageEventId": WELCOME,
        "data": [{"msg": "Hi <b>", "lang": "en-US", "isDefault": True}],
    }
    import_url = url("automatic-messages-import", account)

    shown = admin_client.post(import_url, {"document": document(item)})
    before = said(account)
    done = admin_client.post(
        import_url, {"document": shown.context["document"], "decided": "yes"}, follow=True
    )

    assert "1 of 1 item would change something" in text(shown)
    assert "en-US: changed to “Hi <b>”" in text(shown)
    assert "Hi <b>" not in shown.content.decode()
    assert before == DEFAULT_TEXTS[WELCOME]
    assert "Imported 1 change" in text(done)
    assert said(account) == "Hi <b>"


def test_export_is_imported_as_a_file_without_a_change(admin_client, account):
    export = admin_client.get(url("automatic-messages-export", account))
    file = SimpleUploadedFile("messages.json", b"\xef\xbb\xbf" + export.content)

    answer = admin_client.post(url("automatic-messages-import", account), {"file": file})

    assert "Nothing would change" in text(answer)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "choose a file or paste a list"),
        ({"document": " "}, "choose a file or paste a list"),
        ({"document": "[{"}, "it is no JSON"),
        ({"document": "{}"}, "expected `array`"),
        ({"document": document({"messageEventId": ALIEN})}, "is no event of the controller bot"),
        ({"document": document({"messageEventId": ALIEN}), "decided": "yes"}, "is no event"),
        ({"document": "\0"}, "Null characters are not allowed"),
        ({"document": "[" + " " * 1_000_000 + "]"}, "split the list"),
    ],
)
def test_import_is_refused_with_the_reason(admin_client, account, values, told):
    before = exchange.write(account.pk, unified=True)

    answer = admin_client.post(url("automatic-messages-import", account), values)

    assert answer.status_code == 422
    assert told in text(answer)
    assert ALIEN not in answer.content.decode()
    assert exchange.write(account.pk, unified=True) == before


def test_file_that_is_no_text_is_refused(admin_client, account):
    file = SimpleUploadedFile("messages.json", b"\xff\xfe\x00")

    answer = admin_client.post(url("automatic-messages-import", account), {"file": file})

    assert answer.status_code == 422
    assert "save it as UTF-8" in text(answer)


def test_import_touches_no_other_account(outsider_client, account):
    before = exchange.write(account.pk, unified=True)

    outsider_client.post(
        reverse("automatic-messages-import", args=["other1"]),
        {"document": document({"messageEventId": WELCOME, "enabled": False}), "decided": "yes"},
    )

    assert exchange.write(account.pk, unified=True) == before
    assert AutomaticMessage.objects.filter(account_id="other1").count() == 1
    assert not AutomaticText.objects.filter(message__account_id="other1").exists()
