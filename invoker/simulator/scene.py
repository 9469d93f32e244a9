"""How an act changes a simulated conversation. Pure: no database, no clock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from invoker.fields import storable
from invoker.simulator import acts, telling
from invoker.simulator.acts import Act, ActError
from invoker.simulator.shapes import USUAL_TTR_S, NewLine, Person, Played, Scene

__all__ = [
    "NewLine",
    "Person",
    "Played",
    "Scene",
    "apply",
    "begin",
    "bot_closes",
    "bot_says",
    "bot_transfers",
    "person_id",
    "why_time_stops",
]

URGENT_TTR_S: Final = 120
MOST_WHILE_WAITING: Final = 200
"""Events after which time that is let pass stands still, so that no function keeps a worker."""
LONGEST_PASSING_S: Final = 60.0
"""After this time of ours too, so that whoever lets it pass can act again."""
MOST_PEOPLE: Final = 20
LONGEST_ID: Final = 60
CLOSE_REASONS: Final = {"consumer": "CONSUMER", "agent": "AGENT", "system": "SYSTEM"}
JOINED_ROLES: Final = {"agent": "AGENT", "manager": "MANAGER", "consumer": "CONSUMER"}
CONTROLLER: Final = "CONTROLLER"
BOT: Final = "Controller bot"
BOT_ID: Final = "controller-bot"


def begin(conv_id: str, consumer_id: str, start: acts.Start, now_ms: int) -> Played:
    """Open a conversation."""
    consumer = Person(consumer_id, start.consumer, "CONSUMER")
    scene = Scene(
        conv_id=conv_id,
        skill_id=start.skill,
        people=(consumer,),
        first_time=start.first_time,
        authenticated=start.authenticated,
        language=start.language,
        campaign_id=start.campaign,
        engagement_id=start.engagement,
        start_ms=now_ms,
        updated_ms=now_ms,
    )
    scene, line, message = _say(scene, consumer, start.text, now_ms)
    return Played(scene, (line,), (telling.conversation(scene), message))


def apply(scene: Scene, act: Act, now_ms: int) -> Played:
    """Do something in a conversation that is there.

    Raises:
        ActError: it cannot be done as things are; nothing changes.
    """
    if isinstance(act, acts.EndSurvey):
        return _end_survey(scene, now_ms)
    if scene.state != "OPEN":
        raise ActError("closed", "Cannot do this: the conversation is closed, start another one")
    if isinstance(act, acts.ConsumerSays):
        return _played_line(scene, scene.consumer, act.text, now_ms)
    if isinstance(act, acts.AgentSays):
        return _agent_says(scene, act, now_ms)
    changed, remark = _changed(scene, act, now_ms)
    return _moved(scene, changed, remark, now_ms)


def bot_says(scene: Scene, text: str, now_ms: int) -> Played:
    """A system message. It is told in a closed conversation too: the end has a function as well."""
    return _played_line(scene, Person(BOT_ID, BOT, CONTROLLER), storable(text), now_ms)


def bot_transfers(scene: Scene, skill_id: str | None, agent: str | None, now_ms: int) -> Played:
    """Another skill, a proposed agent, or both; whoever was assigned is so no longer.

    An agent is known by id or by name, and need not have been here before.

    Raises:
        ActError: the conversation is closed, or one of the ids cannot be one.
    """
    if scene.state != "OPEN":
        raise ActError("closed", "The conversation is closed")
    for name, given in (("skillId", skill_id), ("agentId", agent)):
        if given and (len(given) > LONGEST_ID or storable(given) != given):
            raise ActError(
                "unknown-id",
                f"The simulator knows no {name} {given!r:.60}: it has up to {LONGEST_ID} "
                "characters",
            )
    people = _without(scene.people, lambda each: each.role == "ASSIGNED_AGENT")
    changed = replace(scene, skill_id=skill_id or scene.skill_id, people=people)
    remarks = [f"{BOT} moved the conversation to skill {skill_id}"] if skill_id else []
    if agent:
        known = _known(scene, agent) or Person(agent, agent, "")
        if known.role == "CONSUMER":
            raise ActError("there-already", f'Cannot propose "{known.name}": this is a consumer')
        changed = _with(
            replace(changed, people=_without(people, lambda each: each.id == known.id)),
            Person(known.id, known.name, "ASSIGNED_AGENT", suggested=True),
        )
        remarks.append(f"{BOT} proposed agent {known.name}")
    return _moved(scene, changed, "; ".join(remarks), now_ms)


def bot_closes(scene: Scene, now_ms: int) -> Played:
    """Close without a survey; the platform calls it its own doing."""
    if scene.state != "OPEN":
        return Played(scene, (), ())
    return _moved(scene, _closed(scene, "SYSTEM", now_ms), f"{BOT} closed the conversation", now_ms)


def why_time_stops(happened: int, *, in_circles: bool, took_s: float = 0.0) -> str:
    """Why time passes no further than to here, "" where it does.

    `happened` counts the events since it was let pass, which was `took_s` ago by our clock;
    `in_circles` says whether one of them was not handled because the bot had led to it again and
    again.
    """
    if in_circles:
        return "Time stopped here: the bot was going in circles, see the latest event"
    if happened >= MOST_WHILE_WAITING:
        return (
            f"Time stopped here: {happened} events came of it so far, let it pass once more to go "
            "on"
        )
    if happened and took_s > LONGEST_PASSING_S:
        return (
            f"Time stopped here: what came of it took over {LONGEST_PASSING_S:.0f} s, let it pass "
            "once more to go on"
        )
    return ""


def person_id(role: str, name: str) -> str:
    """The id by which somebody of this name is known: the same each time, and for nobody else."""
    folded = name.casefold()
    if re.fullmatch(r"[0-9a-z]+( [0-9a-z]+)*", folded):
        return f"{role}-{folded.replace(' ', '-')}"
    readable = re.sub(r"[^0-9a-z]+", "-", folded).strip("-") or "x"
    return f"{role}-{readable}-{hashlib.sha256(folded.encode()).hexdigest()[:8]}"


# Acts ---------------------------------------------------------------------------------------------


def _changed(scene: Scene, act: Act, now_ms: int) -> tuple[Scene, str]:
    """The scene with what changes beside lines, and a remark on it."""
    changed, remark = scene, ""
    match act:
        case acts.Assign(agent=name):
            changed, remark = _assign(scene, name), f"{name} took the conversation"
        case acts.Suggest(agent=name):
            changed, remark = _suggest(scene, name), f"The conversation was offered to {name}"
        case acts.Join(who=name, role=role):
            changed, remark = _join(scene, name, role), f"{name} joined as {role}"
        case acts.Leave(who=name):
            changed, remark = _leave(scene, name), f"{name} left"
        case acts.BackToQueue():
            agent = _assigned(scene)
            changed = replace(scene, people=_without(scene.people, lambda each: each == agent))
            remark = f"{agent.name} gave the conversation back to the queue"
        case acts.Urgent(on=on):
            changed = _urgent(scene, on=on)
            remark = f"Marked as {'urgent' if on else 'no longer urgent'}"
        case acts.ResponseTime(minutes=minutes):
            due_ms = now_ms + minutes * 60_000
            changed = replace(scene, manual_ettr_ms=due_ms, answer_due_ms=due_ms)
            remark = f"Response time set to {minutes} min"
        case acts.Transfer(skill=skill):
            changed, remark = _transfer(scene, skill), f"Transferred to skill {skill}"
        case acts.SignIn():
            changed, remark = _sign_in(scene), f"{scene.consumer.name} signed in"
        case acts.Close(by=by, survey=survey):
            changed = _closed(scene, CLOSE_REASONS[by], now_ms)
            remark = f"Closed by the {by}"
            if survey:
                changed = replace(changed, stage="OPEN", survey="OPEN")
                remark += ", the survey begins"
    return changed, remark


def _end_survey(scene: Scene, now_ms: int) -> Played:
    if scene.survey != "OPEN":
        raise ActError("no-survey", "Cannot end the survey: none is running")
    ended = replace(scene, survey="CLOSE", stage="CLOSE")
    return _moved(scene, ended, "The survey ended", now_ms)


def _agent_says(scene: Scene, act: acts.AgentSays, now_ms: int) -> Played:
    if act.agent is None:
        return _played_line(scene, _assigned(scene), act.text, now_ms, private=act.private)
    author = _known(scene, act.agent)
    if author is None or author.role == "CONSUMER" or author.suggested:
        raise ActError(
            "not-there", f'Cannot write as "{act.agent}": assign or join this agent first'
        )
    return _played_line(scene, author, act.text, now_ms, private=act.private)


def _known(scene: Scene, name: str) -> Person | None:
    """Who goes by a name, however it is capitalised, or by its id, or has that for a name."""
    ids = {name, person_id("agent", name), person_id("consumer", name)}
    folded = name.casefold()
    found = (each for each in scene.people if each.id in ids or each.name.casefold() == folded)
    return next(found, None)


def _assigned(scene: Scene) -> Person:
    if scene.assigned is None:
        raise ActError("nobody-assigned", "Cannot do this: no agent is assigned, assign one first")
    return scene.assigned


def _assign(scene: Scene, name: str) -> Scene:
    known = _known(scene, name) or Person(person_id("agent", name), name, "")
    if known == scene.assigned:
        raise ActError("assigned-already", f'Cannot assign "{name}": this agent has it already')
    if known.role == "CONSUMER":
        raise ActError("there-already", f'Cannot assign "{name}": this is a consumer')
    # Whoever was proposed or joined keeps their id.
    agent = Person(known.id, known.name, "ASSIGNED_AGENT")
    left = _without(scene.people, lambda each: each.role == "ASSIGNED_AGENT" or each == known)
    return _with(replace(scene, people=left), agent)


def _suggest(scene: Scene, name: str) -> Scene:
    if _known(scene, name):
        raise ActError("there-already", f'Cannot offer it to "{name}": this agent is in it already')
    return _with(scene, Person(person_id("agent", name), name, "ASSIGNED_AGENT", suggested=True))


def _join(scene: Scene, name: str, role: str) -> Scene:
    if _known(scene, name):
        raise ActError("there-already", f'Cannot let "{name}" join: there is one of this name')
    kind = "consumer" if role == "consumer" else "agent"
    return _with(scene, Person(person_id(kind, name), name, JOINED_ROLES[role]))


def _leave(scene: Scene, name: str) -> Scene:
    known = _known(scene, name)
    if known is None or known == scene.consumer:
        raise ActError("not-there", f'Cannot let "{name}" leave: nobody of this name joined')
    if known == scene.assigned:
        raise ActError(
            "assigned", f'Cannot let "{name}" leave: this agent has it, put it back to the queue'
        )
    return replace(scene, people=_without(scene.people, lambda each: each == known))


def _urgent(scene: Scene, *, on: bool) -> Scene:
    if on == (scene.ttr_type == "URGENT"):
        word = "is urgent already" if on else "is not urgent"
        raise ActError("as-it-was", f"Cannot change it: the conversation {word}")
    seconds = URGENT_TTR_S if on else USUAL_TTR_S
    due_ms = scene.answer_due_ms
    if due_ms != -1 and not scene.manual_ettr_ms:
        due_ms += (seconds - scene.ttr_s) * 1000
    return replace(
        scene, ttr_type="URGENT" if on else "NORMAL", ttr_s=seconds, answer_due_ms=due_ms
    )


def _transfer(scene: Scene, skill: str) -> Scene:
    if skill == scene.skill_id:
        raise ActError("as-it-was", f'Cannot transfer it: it is in skill "{skill}" already')
    people = _without(scene.people, lambda each: each.role == "ASSIGNED_AGENT")
    return replace(scene, skill_id=skill, people=people)


def _sign_in(scene: Scene) -> Scene:
    if scene.authenticated:
        raise ActError("as-it-was", "Cannot sign in: the consumer is signed in already")
    known = replace(scene.consumer, id=person_id("consumer", scene.consumer.name))
    if any(each.id == known.id for each in scene.people):
        raise ActError("there-already", f'Cannot sign in as "{known.name}": somebody is here so')
    people = tuple(known if each == scene.consumer else each for each in scene.people)
    return replace(scene, people=people, authenticated=True)


def _closed(scene: Scene, reason: str, now_ms: int) -> Scene:
    return replace(
        scene, state="CLOSE", stage="CLOSE", closed_by=reason, end_ms=now_ms, answer_due_ms=-1
    )


def _with(scene: Scene, person: Person) -> Scene:
    if len(scene.people) >= MOST_PEOPLE:
        raise ActError(
            "too-many-people", f"Cannot add {person.name}: {MOST_PEOPLE} people are in it"
        )
    return replace(scene, people=(*scene.people, person))


def _without(people: tuple[Person, ...], leaves: Callable[[Person], bool]) -> tuple[Person, ...]:
    return tuple(each for each in people if not leaves(each))


# What is told of it -------------------------------------------------------------------------------


def _moved(old: Scene, changed: Scene, remark: str, now_ms: int) -> Played:
    # Two snapshots of one millisecond could not be told apart.
    scene = replace(changed, updated_ms=max(now_ms, old.updated_ms + 1))
    return Played(scene, (NewLine(text=remark),), (telling.conversation(scene),))


def _played_line(
    scene: Scene, author: Person, text: str, now_ms: int, *, private: bool = False
) -> Played:
    said, line, message = _say(scene, author, text, now_ms, private=private)
    if said.answer_due_ms == scene.answer_due_ms:
        return Played(said, (line,), (message,))
    # Only the conversation tells until when the consumer may expect an answer.
    said = replace(said, updated_ms=max(now_ms, scene.updated_ms + 1))
    return Played(said, (line,), (message, telling.conversation(said)))


def _say(
    scene: Scene, author: Person, text: str, now_ms: int, *, private: bool = False
) -> tuple[Scene, NewLine, telling.Notification]:
    event, notification = telling.line(scene, author, text, now_ms, private=private)
    due_ms, promised_ms = scene.answer_due_ms, scene.manual_ettr_ms
    if author.role == "CONSUMER" and due_ms == -1 and scene.state == "OPEN":
        due_ms = now_ms + scene.ttr_s * 1000
    elif author.role not in ("CONSUMER", CONTROLLER) and not private:
        due_ms, promised_ms = -1, 0
    scene = replace(
        scene,
        next_sequence=scene.next_sequence + 1,
        last_line=scene.last_line if private else event,
        answer_due_ms=due_ms,
        manual_ettr_ms=promised_ms,
    )
    line = NewLine(text=text, role=author.role, author=author.name, private=private)
    return scene, line, notification
