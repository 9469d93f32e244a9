"""Conversations, their files, and what is known of a visitor."""

import json
import time
from typing import Any

import pytest

from tests.namespace import Answer
from tests.toolbelt.account import ACCOUNT_ID, V1, V2, Account, as_json, read
from tests.toolbelt.test_services import CLIENT, KEY, TOKEN, V1_SECRET, V2_SECRET

pytestmark = [pytest.mark.runtime, pytest.mark.parametrize("toolbelt", [V1, V2])]

PREFIX = "com.liveperson.faas"
CONVERSATION = {
    "conversationHistoryRecords": [
        {
            "messageRecords": [
                {
                    "type": "TEXT_PLAIN",
                    "messageData": {"msg": {"text": "Will we use KEYWORDS here? C++ (too)"}},
                    "timeL": 1560764690328,
                    "sentBy": "Consumer",
                },
                {
                    "type": "HOSTED_FILE",
                    "messageData": {"file": {"caption": "awesome keywords", "relativePath": "/a"}},
                    "timeL": 1560764734592,
                    "sentBy": "Agent",
                },
                {"type": "HOSTED_FILE", "messageData": {"file": {"relativePath": "/b.pdf"}}},
                {"type": "RICH_CONTENT", "messageData": {"richContent": {"content": "keyword"}}},
                {"type": "TEXT_PLAIN"},
            ],
            "sdes": {"events": [{"serverTimeStamp": 2, "sdeType": "A"}, {"serverTimeStamp": 1}]},
        }
    ]
}
SEARCH = f"/messaging_history/api/account/{ACCOUNT_ID}/conversations/conversation/search"


@pytest.fixture
def lp(account: Account) -> Account:
    account.secrets = {V1_SECRET: KEY, V2_SECRET: json.dumps(CLIENT)}
    account.serve_services(
        msgHist={SEARCH: as_json(CONVERSATION)},
        smt=lambda _: as_json({}),
        swift=lambda _: Answer(200, {"x-auth-token": "st"}),
        sentinel=lambda _: TOKEN,
    )
    return account


# --- conversations --------------------------------------------------------------------------------

FETCH = 'return await Toolbelt.ConversationUtil().getConversationById("c-1");'


def test_a_conversation_is_fetched(lp: Account, toolbelt: str) -> None:
    found = lp.run(
        """
        const { ConversationContentTypes: Types } = toolbelt;
        return await Toolbelt.ConversationUtil()
          .getConversationById("c-1", [Types.SDES, Types.UNAUTH_SDES]);
        """,
        toolbelt=toolbelt,
    )

    (request,) = lp.requests("msgHist")
    query = "?v=2" if toolbelt == V1 else "?v=2&company=lp&source=FaaS_Toolbelt"
    assert found == CONVERSATION
    assert (request.method, request.path) == ("POST", SEARCH + query)
    assert request.headers["content-type"] == "application/json"
    assert read(request) == {"conversationId": "c-1", "contentToRetrieve": ["sdes", "unAuthSdes"]}


@pytest.mark.parametrize("parts", ["", ", []"])
def test_all_of_a_conversation_is_fetched_when_no_parts_are_named(
    lp: Account, toolbelt: str, parts: str
) -> None:
    lp.run(
        f'await Toolbelt.ConversationUtil().getConversationById("c-1"{parts});', toolbelt=toolbelt
    )

    assert read(lp.requests("msgHist")[0]) == {"conversationId": "c-1"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (as_json({"conversationHistoryRecords": []}), "conversation-util.conversation.not-found"),
        (as_json({"why": "broken"}, 500), "conversation-util.unexpected-response"),
        (as_json(CONVERSATION, 403), "conversation-util.unexpected-response"),
        (as_json(None), "conversation-util.unexpected-response"),
        (Answer(200, {}, b"<html>"), "conversation-util.unexpected-response"),
        (Answer(504), "conversation-util.timeout"),
        (Answer(408), "conversation-util.timeout"),
    ],
)
def test_an_answer_that_is_no_conversation_has_its_code(
    lp: Account, toolbelt: str, answer: Answer, code: str
) -> None:
    lp.world.serve("msghist.liveperson.example", lambda _: answer)

    found = lp.run(FETCH, toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.{code}"
    assert found["thrown"]["component"] == "Conversation-Util"
    assert '"c-1"' in found["thrown"]["message"]


def test_a_history_that_takes_too_long_times_out(lp: Account, toolbelt: str) -> None:
    def hang(_: Any) -> Answer:
        time.sleep(0.5)
        return Answer()

    lp.world.serve("msghist.liveperson.example", hang)

    found = lp.run(
        """
        const timeout = AbortSignal.timeout.bind(AbortSignal);
        AbortSignal.timeout = (ms) => timeout(ms / 500);
        """
        + FETCH,
        toolbelt=toolbelt,
    )

    assert found["thrown"]["code"] == f"{PREFIX}.conversation-util.timeout"


def test_a_history_that_cannot_be_reached_is_a_general_failure(lp: Account, toolbelt: str) -> None:
    lp.world.name(**{"msghist.liveperson.example": "203.0.113.99"})

    found = lp.run(FETCH, toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.conversation-util-general"


def test_a_failure_on_the_way_keeps_its_own_code(lp: Account, toolbelt: str) -> None:
    lp.secrets.clear()

    found = lp.run(FETCH, toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.lp-client.get-credentials-failure"


def test_words_are_found_in_a_conversation(account: Account, toolbelt: str) -> None:
    found = account.run(
        """
        return Toolbelt.ConversationUtil()
          .scanConversationForKeywords(input, ["keyword", "Awesome", "c++ (too)", "nothing"]);
        """,
        CONVERSATION,
        toolbelt=toolbelt,
    )

    text = {
        "message": "Will we use KEYWORDS here? C++ (too)",
        "sentTimestamp": 1560764690328,
        "sentBy": "Consumer",
    }
    file = {"message": "awesome keywords", "sentTimestamp": 1560764734592, "sentBy": "Agent"}
    assert found == [
        {**text, "tag": "keywordRef:keyword"},
        {**file, "tag": "keywordRef:keyword"},
        {**file, "tag": "keywordRef:Awesome"},
        {**text, "tag": "keywordRef:c++ (too)"},
    ]


@pytest.mark.parametrize(
    "call",
    [
        "getConversationById()",
        'scanConversationForKeywords(null, ["a"])',
        'scanConversationForKeywords({ conversationHistoryRecords: [] }, ["a"])',
        'scanConversationForKeywords({ conversationHistoryRecords: [{}] }, ["a"])',
        "scanConversationForKeywords(input, [])",
        "scanConversationForKeywords(input)",
    ],
)
def test_what_cannot_be_done_is_a_general_failure(
    account: Account, toolbelt: str, call: str
) -> None:
    found = account.run(
        f"await Toolbelt.ConversationUtil().{call};", CONVERSATION, toolbelt=toolbelt
    )

    assert found["thrown"]["code"] == f"{PREFIX}.conversation-util-general"


# --- files ----------------------------------------------------------------------------------------

REPLACE = """
const credentials = { username: "u", password: "p" };
return await Toolbelt.GDPRUtil().replaceConversationFiles(input, credentials"""


def test_files_of_a_conversation_are_replaced(lp: Account, toolbelt: str) -> None:
    found = lp.run(f"{REPLACE});", CONVERSATION, toolbelt=toolbelt)

    signing_in, *puts = lp.requests("swift")
    assert found == ["/a", "/b.pdf"]
    assert (signing_in.method, signing_in.path) == ("GET", "/auth/v1.0")
    assert signing_in.headers["x-auth-user"] == "u"
    assert signing_in.headers["x-auth-key"] == "p"
    assert {(put.method, put.path) for put in puts} == {("PUT", "/a"), ("PUT", "/b.pdf")}
    assert puts[0].headers["x-auth-token"] == "st"
    assert puts[0].headers["content-type"] == "image/png"
    assert puts[0].body.startswith(b"\x89PNG\r\n")


def test_only_the_files_that_are_meant_are_replaced_with_what_is_given(
    lp: Account, toolbelt: str
) -> None:
    arguments = "(path) => path.endsWith('.pdf'), { body: 'gone', contentType: 'text/plain' }"

    found = lp.run(f"{REPLACE}, {arguments});", CONVERSATION, toolbelt=toolbelt)

    _, put = lp.requests("swift")
    assert found == ["/b.pdf"]
    assert (put.body, put.headers["content-type"]) == (b"gone", "text/plain")


@pytest.mark.parametrize(
    "conversation",
    [
        {"conversationHistoryRecords": []},
        {"conversationHistoryRecords": [{"messageRecords": [{"type": "TEXT_PLAIN"}]}]},
    ],
)
def test_nothing_is_asked_when_there_are_no_files(
    lp: Account, toolbelt: str, conversation: Any
) -> None:
    assert lp.run(f"{REPLACE});", conversation, toolbelt=toolbelt) == []
    assert lp.world.requests() == []


@pytest.mark.parametrize(
    ("conversation", "answers", "code"),
    [
        (None, {}, "gdpr-util-general"),
        ({"conversationHistoryRecords": [{}]}, {}, "gdpr-util-general"),
        (CONVERSATION, {"/auth/v1.0": Answer(401, {}, b"no")}, "gdpr-util.auth-failed"),
        (CONVERSATION, {"/auth/v1.0": Answer(200)}, "gdpr-util.auth-failed"),
        (
            CONVERSATION,
            {"/auth/v1.0": Answer(200, {"x-auth-token": "st"}), "/a": Answer(201)},
            "gdpr-util.replace-file-failed",
        ),
    ],
)
def test_files_that_cannot_be_replaced_say_why(
    lp: Account, toolbelt: str, conversation: Any, answers: Any, code: str
) -> None:
    lp.world.serve("swift.liveperson.example", answers)

    found = lp.run(f"{REPLACE});", conversation, toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.{code}"
    assert found["thrown"]["component"] == "GDPR-Util"


# --- engagement attributes ------------------------------------------------------------------------

ADD = """
return await Toolbelt.SDEUtil().addSDEs([{ type: toolbelt.SDETypes.CUSTOMER_INFO }], "v 1", "s/1");
"""


def test_attributes_are_added_to_a_visit(lp: Account, toolbelt: str) -> None:
    found = lp.run(ADD, toolbelt=toolbelt)

    (request,) = lp.requests("smt")
    assert found is None
    assert request.method == "PUT"
    assert request.path == (
        f"/api/account/{ACCOUNT_ID}/monitoring/visitors/v%201/visits/current/events?v=1&sid=s%2F1"
    )
    assert json.loads(request.body) == [{"type": "ctmrinfo"}]


def test_attributes_that_are_not_taken_are_an_unexpected_response(
    lp: Account, toolbelt: str
) -> None:
    lp.world.serve("smt.liveperson.example", lambda _: Answer(400, {}, b"bad"))

    found = lp.run(ADD, toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.sdes-util.unexpected-response"
    assert found["thrown"]["statusCode"] == 400
    assert found["thrown"]["originalBody"] == "bad"


def test_attributes_are_read_with_the_oldest_first(account: Account, toolbelt: str) -> None:
    found = account.run(
        "return Toolbelt.SDEUtil().getSDEsFromConv(input);", CONVERSATION, toolbelt=toolbelt
    )

    assert found == {
        "sdes": {"events": [{"serverTimeStamp": 1}, {"serverTimeStamp": 2, "sdeType": "A"}]},
        "unAuthSdes": {"events": []},
    }


@pytest.mark.parametrize(
    "call",
    [
        'addSDEs([], "v", "s")',
        'addSDEs(null, "v", "s")',
        "addSDEs([{}])",
        "getSDEsFromConv({ conversationHistoryRecords: [] })",
        "getSDEsFromConv(null)",
    ],
)
def test_attributes_that_cannot_be_added_or_read_are_a_general_failure(
    account: Account, toolbelt: str, call: str
) -> None:
    found = account.run(f"await Toolbelt.SDEUtil().{call};", toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.sdes-util-general"


def test_a_service_that_cannot_be_reached_is_a_general_failure_of_attributes(
    lp: Account, toolbelt: str
) -> None:
    lp.world.name(**{"smt.liveperson.example": "203.0.113.99"})

    found = lp.run(ADD, toolbelt=toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.sdes-util-general"
