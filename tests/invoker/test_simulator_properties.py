"""Whatever people and the bot do in a simulated conversation, the derivation follows it."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from invoker import conversations
from invoker.conversations import Circumstances, State, derive
from invoker.simulator import ActError, Played, Scene, acts, scene

T0 = 1_700_000_000_000
NAMES = ("Sam", "sam", "Kim", "kim", "Lee", "agent-kim", "Ö", "visitor-1")
SKILLS = ("-1", "100", "200")


@dataclass
class Followed:
    """A conversation, and what the derivation knows of it from the notifications alone."""

    scene: Scene
    state: State | None = None
    events: list[str] = field(default_factory=list)
    agent_wrote_ms: int | None = None
    consumer_wrote_ms: int | None = None

    def take(self, played: Played, now_ms: int) -> None:
        self.scene = played.scene
        for line in played.lines:
            if line.role == "CONSUMER":
                self.consumer_wrote_ms = now_ms
            elif line.role not in ("", "CONTROLLER") and not line.private:
                self.agent_wrote_ms = now_ms
        for notification in played.notifications:
            # As it comes over the wire.
            body = msgspec.json.decode(msgspec.json.encode(notification))
            [change] = conversations.read_notification(body)
            derivation = derive(self.state, change, Circumstances(now_ms=now_ms))
            self.state = derivation.state
            self.events += [event.subtype for event in derivation.events]

    def check(self) -> None:
        state, scene = self.state, self.scene
        assert state is not None
        assert (state.state, state.stage) == (scene.state, scene.stage)
        assert state.skill_id == scene.skill_id
        assert {(each.id, each.role) for each in state.participants} == {
            (each.id, each.role) for each in scene.people if not each.suggested
        }
        assert {each.id for each in state.suggested} == {
            each.id for each in scene.people if each.suggested
        }
        assert len({each.id for each in scene.people}) == len(scene.people)
        assert (state.ttr.ttr_type, state.ttr.value) == (scene.ttr_type, scene.ttr_s)
        assert (state.manual_ettr, state.effective_ttr) == (
            scene.manual_ettr_ms, scene.answer_due_ms,
        )  # fmt: skip
        assert state.close_reason == scene.closed_by
        assert (state.last_agent_ts, state.last_consumer_ts) == (
            self.agent_wrote_ms, self.consumer_wrote_ms,
        )  # fmt: skip


def act() -> st.SearchStrategy[acts.Act]:
    name, text = st.sampled_from(NAMES), st.sampled_from(("Hi", "How are you?"))
    return st.one_of(
        st.builds(acts.ConsumerSays, text=text),
        st.builds(acts.AgentSays, text=text, agent=st.none() | name, private=st.booleans()),
        st.builds(acts.Assign, agent=name),
        st.builds(acts.Suggest, agent=name),
        st.builds(acts.Join, who=name, role=st.sampled_from(("agent", "manager", "consumer"))),
        st.builds(acts.Leave, who=name),
        st.just(acts.BackToQueue()),
        st.builds(acts.Urgent, on=st.booleans()),
        st.builds(acts.ResponseTime, minutes=st.sampled_from((1, 30))),
        st.builds(acts.Transfer, skill=st.sampled_from(SKILLS)),
        st.just(acts.SignIn()),
        # Rarely, so that there is something to do before.
        st.builds(
            acts.Close, by=st.sampled_from(("consumer", "agent", "system")), survey=st.booleans()
        ),
        st.just(acts.EndSurvey()),
    )


def of_bot() -> st.SearchStrategy[tuple[str, Any, Any]]:
    return st.one_of(
        st.tuples(st.just("say"), st.sampled_from(("Hello", "a\0\ud800")), st.none()),
        st.tuples(
            st.just("transfer"),
            st.none() | st.sampled_from(SKILLS),
            st.none() | st.sampled_from((*NAMES, "agent-ö", "consumer-sam")),
        ),
        st.tuples(st.just("close"), st.none(), st.none()),
    )


def play(followed: Followed, step: acts.Act | tuple[str, Any, Any], now_ms: int) -> Played:
    match step:
        case ("say", text, _):
            return scene.bot_says(followed.scene, text, now_ms)
        case ("transfer", skill, agent):
            return scene.bot_transfers(followed.scene, skill, agent, now_ms)
        case ("close", _, _):
            return scene.bot_closes(followed.scene, now_ms)
    return scene.apply(followed.scene, step, now_ms)  # type: ignore[arg-type]


@given(
    st.builds(
        acts.Start, consumer=st.sampled_from(NAMES[:3]), first_time=st.booleans(),
        skill=st.sampled_from(SKILLS), campaign=st.sampled_from(("", "c1")),
    ),
    st.lists(st.tuples(st.sampled_from((0, 1, 700, 45_000)), act() | of_bot()), max_size=25),
)  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_whatever_happens_is_refused_or_told_so_that_the_derivation_knows_as_much(
    start: acts.Start, steps: list[tuple[int, Any]]
) -> None:
    now_ms = T0
    played = scene.begin("sim-1", "visitor-1", start, now_ms)
    followed = Followed(played.scene)
    followed.take(played, now_ms)
    followed.check()
    assert followed.events == ["CONSUMER_OPEN_NEW_CONVERSATION" + "_FIRST_TIME" * start.first_time]
    for later_ms, step in steps:
        now_ms += later_ms
        before = followed.scene
        try:
            played = play(followed, step, now_ms)
        except ActError:
            assert followed.scene == before
            continue
        followed.take(played, now_ms)
        followed.check()
    ends = [subtype for subtype in followed.events if subtype.endswith("_END_CONVERSATION")]
    assert len(ends) == (followed.scene.state == "CLOSE")
