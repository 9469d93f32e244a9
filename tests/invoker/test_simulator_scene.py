"""What people can do in a simulated conversation, and what its platform tells of it. Pure."""

from typing import Any

import msgspec
import pytest

from invoker.simulator import ActError, Person, Played, Scene, acts, scene

T0 = 1_700_000_000_000
MIN = 60_000


def begin(**fields: Any) -> Scene:
    return scene.begin("sim-1", "visitor-1", acts.Start(**fields), T0).scene


def do(before: Scene, *steps: dict[str, Any], at: int = T0 + 1000) -> Scene:
    """The conversation after some acts, a second after each other."""
    for number, step in enumerate(steps):
        before = scene.apply(before, acts.read(step), at + number * 1000).scene
    return before


def refused(before: Scene, step: dict[str, Any]) -> str:
    with pytest.raises(ActError) as caught:
        scene.apply(before, acts.read(step), T0 + 5000)
    assert str(caught.value)
    return caught.value.code


def people(found: Scene) -> dict[str, str]:
    return {each.name: each.role + (" suggested" * each.suggested) for each in found.people}


def kinds(played: Played) -> list[str]:
    return [each["type"].partition(".")[2] for each in played.notifications]


ASSIGN, KIM_LEAVES = {"act": "assign"}, {"act": "leave", "who": "Kim"}
CONVERSATION, MESSAGE = "ExConversationChangeNotification", "MessagingEventNotification"


# Reading and writing ------------------------------------------------------------------------------


@pytest.mark.parametrize("word", acts.ACTS)
def test_act_is_written_as_it_is_read_and_without_what_is_usual(word: str) -> None:
    needed: dict[str, Any] = {
        "consumer_says": {"text": "Hi"}, "agent_says": {"text": "Hi", "private": True},
        "join": {"who": "Lee", "role": "manager"}, "leave": {"who": "Lee"},
        "response_time": {"minutes": 5}, "transfer": {"skill": "200"}, "office": {"state": "open"},
        "wait": {"seconds": 60},
    }.get(word, {})  # fmt: skip
    plain = {"act": word, **needed}

    act = acts.read(plain)

    assert acts.write(act) == plain
    assert next(iter(acts.write(act))) == "act"


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"act": "dance"}, "unknown-act", "Cannot do 'dance': it must be one of start, "),
        ({}, "unknown-act", "Cannot do None"),
        ("start", "unknown-act", "Cannot do None"),
        ({"act": ["start"]}, "unknown-act", "Cannot do ['start']"),
        ({"act": "wait"}, "bad-act", "missing required field `seconds`"),
        ({"act": "wait", "seconds": 0}, "bad-act", "Expected `int` >= 1 - at `$.seconds`"),
        ({"act": "wait", "seconds": 10**9}, "bad-act", "Expected `int` <= 34560000"),
        ({"act": "wait", "seconds": "5"}, "bad-act", "Expected `int`, got `str`"),
        ({"act": "wait", "seconds": 5, "more": 1}, "bad-act", "unknown field `more`"),
        ({"act": "assign", "agent": ""}, "bad-act", "length >= 1 - at `$.agent`"),
        ({"act": "assign", "agent": "a" * 41}, "bad-act", "length <= 40 - at `$.agent`"),
        ({"act": "assign", "agent": "Kim\n"}, "bad-act", "agent must be characters that can be"),
        ({"act": "assign", "agent": "\u202eKim"}, "bad-act", "agent must be characters that can"),
        ({"act": "join", "who": "  "}, "bad-act", "who must be characters that can be seen"),
        ({"act": "join", "who": "Lee", "role": "boss"}, "bad-act", "Invalid enum value 'boss'"),
        ({"act": "transfer", "skill": "two words"}, "bad-act", "skill must be an id without"),
        ({"act": "transfer", "skill": "200\n"}, "bad-act", "skill must be an id without spaces"),
        ({"act": "start", "campaign": "a b"}, "bad-act", "campaign must be an id without spaces"),
        ({"act": "start", "language": "english!"}, "bad-act", "language must be a language such"),
        ({"act": "start", "language": "en-US\n"}, "bad-act", "language must be a language such"),
        ({"act": "consumer_says", "text": " \n"}, "bad-act", "text must be text with something"),
        ({"act": "consumer_says", "text": "a\0"}, "bad-act", "text must be text with something"),
        ({"act": "consumer_says", "text": "\ud83d"}, "bad-act", "text must be text with somethi"),
        ({"act": "consumer_says", "text": "a" * 5001}, "bad-act", "length <= 5000 - at `$.text`"),
        ({"act": "response_time", "minutes": 0}, "bad-act", "`int` >= 1 - at `$.minutes`"),
        ({"act": "office", "state": "ajar"}, "bad-act", "Invalid enum value 'ajar'"),
        ({"act": "close", "by": "nobody"}, "bad-act", "Invalid enum value 'nobody'"),
    ],
)
def test_act_that_cannot_be_read_says_which_field_and_what_it_must_be(
    fields: Any, code: str, said: str
) -> None:
    with pytest.raises(ActError) as caught:
        acts.read(fields)

    assert caught.value.code == code
    assert said in str(caught.value)


# Beginning ----------------------------------------------------------------------------------------


def test_start_tells_of_the_conversation_and_then_of_its_first_line() -> None:
    start = acts.Start(
        consumer="Robin", first_time=True, language="da-DK", skill="100", campaign="c1",
        engagement="e1", text="Hi there",
    )  # fmt: skip

    played = scene.begin("sim-1", "visitor-1", start, T0)

    assert kinds(played) == [CONVERSATION, MESSAGE]
    result = played.notifications[0]["body"]["changes"][0]["result"]
    details = result["conversationDetails"]
    assert details["state"] == details["stage"] == "OPEN"
    assert details["participants"] == [{"id": "visitor-1", "role": "CONSUMER"}]
    assert details["nicknames"] == {"visitor-1": "Robin"}
    assert details["firstConversation"] is True
    assert details["campaignInfo"] == {"campaignId": "c1", "engagementId": "e1"}
    assert (details["context"]["lang"], details["skillId"]) == ("da-DK", "100")
    assert result["effectiveTTR"] == T0 + 10 * MIN
    assert result["lastContentEventNotification"]["event"]["message"] == "Hi there"
    [line] = played.notifications[1]["body"]["changes"]
    assert (line["sequence"], line["serverTimestamp"]) == (0, T0)
    assert line["originatorMetadata"] == {"id": "visitor-1", "role": "CONSUMER"}
    assert [(each.author, each.role, each.text) for each in played.lines] == [
        ("Robin", "CONSUMER", "Hi there")
    ]


# Lines --------------------------------------------------------------------------------------------


def test_lines_are_numbered_and_the_answer_is_due_until_somebody_of_the_staff_gives_one() -> None:
    asked = do(begin(), ASSIGN)
    assert asked.answer_due_ms == T0 + 10 * MIN

    again = scene.apply(asked, acts.ConsumerSays(text="Hello?"), T0 + MIN)
    private = scene.apply(again.scene, acts.AgentSays(text="psst", private=True), T0 + 2 * MIN)
    bot = scene.bot_says(private.scene, "One moment", T0 + 3 * MIN)
    answered = scene.apply(bot.scene, acts.AgentSays(text="Hi"), T0 + 4 * MIN)
    next_one = scene.apply(answered.scene, acts.ConsumerSays(text="Thanks"), T0 + 5 * MIN)

    due = [each.scene.answer_due_ms for each in (again, private, bot, answered, next_one)]
    assert due == [T0 + 10 * MIN] * 3 + [-1, T0 + 15 * MIN]
    # Whoever is due is told by the conversation, so that changes with it.
    assert [kinds(each) for each in (again, private, bot, answered, next_one)] == [
        [MESSAGE], [MESSAGE], [MESSAGE], [MESSAGE, CONVERSATION], [MESSAGE, CONVERSATION],
    ]  # fmt: skip
    told = [
        each.notifications[0]["body"]["changes"][0]["sequence"]
        for each in (again, private, bot, answered, next_one)
    ]
    assert told == [1, 2, 3, 4, 5]


def test_private_line_is_told_as_one_and_is_not_the_last_line() -> None:
    before = do(begin(), ASSIGN)

    played = scene.apply(before, acts.AgentSays(text="psst", private=True), T0 + MIN)

    [line] = played.notifications[0]["body"]["changes"]
    assert line["messageAudience"] == "AGENTS_AND_MANAGERS"
    assert played.lines[0].private
    assert played.scene.last_line == before.last_line


def test_agent_says_needs_somebody_of_the_staff_who_is_there() -> None:
    waiting = begin()
    offered = do(waiting, {"act": "suggest"})
    joined = do(waiting, {"act": "join", "who": "Lee", "role": "manager"})

    assert refused(waiting, {"act": "agent_says", "text": "Hi"}) == "nobody-assigned"
    assert refused(offered, {"act": "agent_says", "text": "Hi"}) == "nobody-assigned"
    assert refused(offered, {"act": "agent_says", "text": "Hi", "agent": "Kim"}) == "not-there"
    assert refused(joined, {"act": "agent_says", "text": "Hi", "agent": "Sam"}) == "not-there"
    played = scene.apply(joined, acts.AgentSays(text="Hi", agent="lee"), T0 + MIN)
    assert (played.lines[0].author, played.lines[0].role) == ("Lee", "MANAGER")


# Who is there -------------------------------------------------------------------------------------


def test_agents_come_and_go() -> None:
    assert people(do(begin(), ASSIGN)) == {"Sam": "CONSUMER", "Kim": "ASSIGNED_AGENT"}
    assert people(do(begin(), ASSIGN, {"act": "assign", "agent": "Lee"})) == {
        "Sam": "CONSUMER", "Lee": "ASSIGNED_AGENT",
    }  # fmt: skip
    assert people(do(begin(), {"act": "suggest"})) == {
        "Sam": "CONSUMER", "Kim": "ASSIGNED_AGENT suggested",
    }  # fmt: skip
    assert people(do(begin(), {"act": "suggest"}, ASSIGN)) == {
        "Sam": "CONSUMER", "Kim": "ASSIGNED_AGENT",
    }  # fmt: skip
    assert people(do(begin(), ASSIGN, {"act": "back_to_queue"})) == {"Sam": "CONSUMER"}
    assert people(do(begin(), ASSIGN, {"act": "transfer", "skill": "200"})) == {"Sam": "CONSUMER"}
    joined = do(begin(), ASSIGN, {"act": "join", "who": "Lee"},
                {"act": "join", "who": "Ann", "role": "manager"},
                {"act": "join", "who": "Max", "role": "consumer"})  # fmt: skip
    assert people(joined) == {
        "Sam": "CONSUMER", "Kim": "ASSIGNED_AGENT", "Lee": "AGENT", "Ann": "MANAGER",
        "Max": "CONSUMER",
    }  # fmt: skip
    assert joined.consumer.name == "Sam"
    assert people(do(joined, {"act": "leave", "who": "Max"}, {"act": "leave", "who": "Lee"})) == {
        "Sam": "CONSUMER", "Kim": "ASSIGNED_AGENT", "Ann": "MANAGER",
    }  # fmt: skip


def test_who_joined_keeps_the_id_when_assigned() -> None:
    joined = do(begin(), {"act": "join", "who": "Lee"})
    assigned = do(joined, {"act": "assign", "agent": "lee"})

    assert joined.people[1] == Person("agent-lee", "Lee", "AGENT")
    assert assigned.people[1] == Person("agent-lee", "Lee", "ASSIGNED_AGENT")


@pytest.mark.parametrize(
    ("steps", "step", "code"),
    [
        ([ASSIGN], ASSIGN, "assigned-already"),
        ([ASSIGN], {"act": "assign", "agent": "KIM"}, "assigned-already"),
        ([], {"act": "assign", "agent": "Sam"}, "there-already"),
        ([ASSIGN], {"act": "suggest"}, "there-already"),
        ([{"act": "suggest"}], {"act": "suggest", "agent": "kim"}, "there-already"),
        ([ASSIGN], {"act": "join", "who": "Kim"}, "there-already"),
        ([], {"act": "join", "who": "SAM", "role": "consumer"}, "there-already"),
        ([], {"act": "leave", "who": "Lee"}, "not-there"),
        ([], {"act": "leave", "who": "Sam"}, "not-there"),
        ([ASSIGN], KIM_LEAVES, "assigned"),
        ([], {"act": "back_to_queue"}, "nobody-assigned"),
        ([], {"act": "urgent", "on": False}, "as-it-was"),
        ([{"act": "urgent"}], {"act": "urgent"}, "as-it-was"),
        ([], {"act": "transfer", "skill": "-1"}, "as-it-was"),
        ([{"act": "sign_in"}], {"act": "sign_in"}, "as-it-was"),
        ([], {"act": "end_survey"}, "no-survey"),
        ([{"act": "close"}], {"act": "end_survey"}, "no-survey"),
        ([{"act": "close"}], {"act": "consumer_says", "text": "Hi"}, "closed"),
        ([{"act": "close"}], ASSIGN, "closed"),
        ([{"act": "close"}], {"act": "close"}, "closed"),
        ([{"act": "close", "survey": True}, {"act": "end_survey"}], {"act": "end_survey"},
         "no-survey"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_as_things_are_says_so(
    steps: list[dict[str, Any]], step: dict[str, Any], code: str
) -> None:
    assert refused(do(begin(), *steps), step) == code


def test_no_more_people_than_can_be_told_of() -> None:
    full = begin()
    for number in range(scene.MOST_PEOPLE - 1):
        full = do(full, {"act": "join", "who": f"Agent {number}"})

    assert refused(full, {"act": "join", "who": "Lee"}) == "too-many-people"
    assert refused(full, {"act": "suggest"}) == "too-many-people"
    assert refused(full, ASSIGN) == "too-many-people"
    # Somebody who is there takes it all the same.
    assert do(full, {"act": "assign", "agent": "Agent 3"}).assigned is not None


@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        ("Sam", "SAM", "Sam 2"),
        ("Jo Ann", "jo ann", "Jo-Ann"),
        ("Ömer", "ÖMER", "Ämer"),
        ("小明1", "小明1", "小红1"),
        ("!", "!", "?"),
    ],
)
def test_ids_are_those_of_a_name_alone(name: str, same: str, other: str) -> None:
    ids = {each: scene.person_id("agent", each) for each in (name, same, other)}

    assert ids[name] == ids[same] != ids[other]
    assert all(id_.isascii() and id_.startswith("agent-") for id_ in ids.values())


def test_consumer_who_signs_in_goes_by_another_id_from_then_on() -> None:
    known = do(begin(), {"act": "join", "who": "Max", "role": "consumer"}, {"act": "sign_in"})

    assert (known.consumer.id, known.authenticated) == ("consumer-sam", True)
    assert [each.id for each in known.people] == ["consumer-sam", "consumer-max"]


# Response time and closing ------------------------------------------------------------------------


def test_urgent_moves_when_the_answer_is_due_and_back() -> None:
    urgent = do(begin(), {"act": "urgent"})
    normal = do(urgent, {"act": "urgent", "on": False})
    answered = do(begin(), ASSIGN, {"act": "agent_says", "text": "Hi"}, {"act": "urgent"})

    assert (urgent.ttr_type, urgent.ttr_s, urgent.answer_due_ms) == ("URGENT", 120, T0 + 2 * MIN)
    assert (normal.ttr_type, normal.ttr_s, normal.answer_due_ms) == ("NORMAL", 600, T0 + 10 * MIN)
    assert answered.answer_due_ms == -1


def test_response_time_holds_until_the_agent_answers() -> None:
    promised = scene.apply(do(begin(), ASSIGN), acts.ResponseTime(minutes=30), T0 + MIN).scene
    urgent = do(promised, {"act": "urgent"})
    answered = do(promised, {"act": "agent_says", "text": "Hi"})

    assert (promised.manual_ettr_ms, promised.answer_due_ms) == (T0 + 31 * MIN, T0 + 31 * MIN)
    assert urgent.answer_due_ms == T0 + 31 * MIN
    assert (answered.manual_ettr_ms, answered.answer_due_ms) == (0, -1)


@pytest.mark.parametrize("by", ["consumer", "agent", "system"])
@pytest.mark.parametrize("survey", [False, True])
def test_close_says_who_did_it_and_whether_a_survey_follows(by: str, survey: bool) -> None:
    played = scene.apply(begin(), acts.read({"act": "close", "by": by, "survey": survey}), T0 + MIN)

    [told] = played.notifications
    details = told["body"]["changes"][0]["result"]["conversationDetails"]
    assert (details["state"], details["closeReason"]) == ("CLOSE", by.upper())
    assert details["endTs"] == T0 + MIN
    assert details["stage"] == ("OPEN" if survey else "CLOSE")
    dialogs = {each["dialogType"]: each["state"] for each in details["dialogs"]}
    assert dialogs == ({"MAIN": "CLOSE", "POST_SURVEY": "OPEN"} if survey else {"MAIN": "CLOSE"})
    if survey:
        ended = do(played.scene, {"act": "end_survey"}, at=T0 + 2 * MIN)
        assert (ended.stage, ended.survey) == ("CLOSE", "CLOSE")


# The bot ------------------------------------------------------------------------------------------


def test_bot_speaks_as_the_platform_itself_and_after_the_end_too() -> None:
    closed = do(begin(), {"act": "close"})

    played = scene.bot_says(closed, "Bye\0 \ud83d", T0 + MIN)

    [line] = played.notifications[0]["body"]["changes"]
    assert line["originatorMetadata"] == {"id": "controller-bot", "role": "CONTROLLER"}
    assert line["event"]["message"] == played.lines[0].text == "Bye\N{SYMBOL FOR NULL} ?"


def test_bot_moves_the_conversation_to_a_skill_an_agent_or_both() -> None:
    taken = do(begin(), ASSIGN)

    skill = scene.bot_transfers(taken, "200", None, T0 + MIN)
    agent = scene.bot_transfers(taken, None, "Lee", T0 + MIN)
    both = scene.bot_transfers(taken, "200", "agent-kim", T0 + MIN)

    assert (skill.scene.skill_id, people(skill.scene)) == ("200", {"Sam": "CONSUMER"})
    assert (agent.scene.skill_id, people(agent.scene)) == (
        "-1", {"Sam": "CONSUMER", "Lee": "ASSIGNED_AGENT suggested"},
    )  # fmt: skip
    assert (both.scene.skill_id, people(both.scene)) == (
        "200", {"Sam": "CONSUMER", "Kim": "ASSIGNED_AGENT suggested"},
    )  # fmt: skip
    assert both.lines[0].text == (
        "Controller bot moved the conversation to skill 200; Controller bot proposed agent Kim"
    )
    # Whoever was proposed takes it under the same id.
    assert do(agent.scene, {"act": "assign", "agent": "Lee"}).people[1].id == "Lee"


@pytest.mark.parametrize(
    ("steps", "skill", "agent", "code"),
    [
        ([], None, "Sam", "there-already"),
        ([], None, "visitor-1", "there-already"),
        ([], "x" * 61, None, "unknown-id"),
        ([], None, "x" * 61, "unknown-id"),
        ([], "\0", None, "unknown-id"),
        ([{"act": "close"}], "200", None, "closed"),
    ],
)
def test_bot_is_told_what_it_cannot_do(
    steps: list[dict[str, Any]], skill: str | None, agent: str | None, code: str
) -> None:
    with pytest.raises(ActError) as caught:
        scene.bot_transfers(do(begin(), *steps), skill, agent, T0 + MIN)

    assert caught.value.code == code


def test_bot_closes_once() -> None:
    closed = scene.bot_closes(begin(), T0 + MIN)

    assert (closed.scene.state, closed.scene.closed_by) == ("CLOSE", "SYSTEM")
    assert scene.bot_closes(closed.scene, T0 + MIN) == Played(closed.scene, (), ())


# Time and keeping ---------------------------------------------------------------------------------


def test_snapshots_of_one_millisecond_and_of_a_clock_put_back_stay_in_order() -> None:
    first = scene.apply(begin(), acts.read(ASSIGN), T0).scene
    second = scene.apply(first, acts.BackToQueue(), T0).scene
    third = scene.apply(second, acts.read(ASSIGN), T0 - MIN).scene

    assert [each.updated_ms - T0 for each in (first, second, third)] == [1, 2, 3]


def test_scene_is_kept_as_json() -> None:
    found = do(begin(), ASSIGN, {"act": "agent_says", "text": "Hi"}, {"act": "suggest",
               "agent": "Lee"}, {"act": "close", "survey": True})  # fmt: skip

    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), Scene)

    assert again == found


@pytest.mark.parametrize(
    ("happened", "in_circles", "took_s", "words"),
    [
        (199, False, 1.0, ""),
        (200, False, 1.0, "Time stopped here: 200 events came of it so far"),
        (1, True, 1.0, "Time stopped here: the bot was going in circles"),
        (1, False, 60.0, ""),
        (1, False, 61.0, "Time stopped here: what came of it took over 60 s"),
        # Nobody was there to let it pass.
        (0, False, 3600.0, ""),
    ],
)
def test_time_stops_where_it_leads_to_too_much(
    happened: int, in_circles: bool, took_s: float, words: str
) -> None:
    why = scene.why_time_stops(happened, in_circles=in_circles, took_s=took_s)

    assert why.startswith(words)
    assert bool(why) == bool(words)
