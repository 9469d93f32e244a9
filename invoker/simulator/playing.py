"""The simulated platform at work: it keeps its conversations and tells of them by webhook."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from standardwebhooks import Webhook

from invoker.epoch import EPOCH, millis
from invoker.models import (
    Command,
    CommandType,
    Connection,
    Conversation,
    Platform,
    SimulatedAct,
    SimulatedLine,
    Simulation,
    Verdict,
)
from invoker.simulator import acts, scene
from invoker.simulator.acts import Act, ActError

SOURCE: Final = "//houston/simulator"
CONTENT_TYPE: Final = "application/cloudevents+json"
LIVEPERSON_PREFIX: Final = "com.liveperson."
MOST_LINES: Final = 500
LATEST_MS: Final = 4_102_444_800_000
"""The first moment of 2100: no clock goes further."""
EARLIEST_MS: Final = 86_400_000
"""The second day of 1970, so that nothing lies before the first moment of all clocks."""
_OFFICE_REMARKS: Final = {
    "open": "The office opened",
    "closed": "The office closed",
    "account": "The office hours of the account count again",
}
_COMMAND: Final = "sim-command:"

Door = Callable[[Connection, bytes, Mapping[str, str], str], HttpResponse]
"""Takes a request of ours as if it had come by HTTP: connection, body, headers, request id."""


@dataclass(slots=True)
class _Outside:
    """What stands above the platforms, and so is handed down."""

    door: Door
    knock: Callable[[str, list[int]], None]


_outside: list[_Outside] = []


def connect(*, door: Door, knock: Callable[[str, list[int]], None]) -> None:
    """Say where notifications go, and how to have a conversation looked at."""
    _outside[:] = [_Outside(door, knock)]


def is_ready(account_id: str) -> bool:
    """Whether the account has a simulator that is switched on."""
    return _simulators(account_id).exists()


def start(
    account_id: str, act: acts.Start, *, by: str, starts_at: dt.datetime | None = None
) -> Conversation:
    """Open a conversation of the account's simulator.

    Its clock begins at `starts_at`. Without that, one that a known consumer begins goes on where
    the clock of the last one stands, and any other begins now.

    Raises:
        ActError: `no-simulator`, or what the door said; nothing was made.
    """
    connection = _simulators(account_id).order_by("created_at").first()
    if connection is None:
        raise ActError(
            "no-simulator",
            "Cannot start a conversation: the account has no simulator that is switched on, the "
            "account team or an admin can add one under Settings, Connections",
        )
    conv_id = f"sim-{uuid.uuid4()}"
    consumer_id = (
        scene.person_id("consumer", act.consumer)
        if act.authenticated
        else f"visitor-{uuid.uuid4().hex[:12]}"
    )
    our_now = timezone.now()
    now_ms = millis(starts_at or our_now + _ahead_of(connection, consumer_id))
    ahead_ms = now_ms - millis(our_now)
    if not EARLIEST_MS <= now_ms < LATEST_MS:
        raise ActError("too-far", "Cannot start it then: clocks go from 1970 to 2099")
    played = scene.begin(conv_id, consumer_id, act, now_ms)
    with transaction.atomic():
        conversation = Conversation.objects.create(
            account_id=account_id,
            connection=connection,
            conv_id=conv_id,
            consumer_id=consumer_id,
        )
        simulation = Simulation.objects.create(
            conversation=conversation,
            account_id=account_id,
            scene=msgspec.to_builtins(played.scene),
            ahead_ms=ahead_ms,
            started_by=by,
        )
        conversation.simulation = simulation
        row = _write_act(simulation, act, now_ms, by)
        _show(simulation, played.lines, now_ms)
        _tell(connection, played.notifications, now_ms, request_id(row))
    return conversation


def perform(conversation: Conversation, act: Act, *, by: str) -> None:
    """Do something in a simulated conversation, and tell of it as its platform would.

    Raises:
        ActError: `not-simulated`, `clock-moving` while time passes, `changed` when somebody else
            was quicker, what the door said, or what the act itself says; nothing was changed.
    """
    simulation = _fresh(conversation)
    if simulation.goes_to_ms is not None:
        raise ActError("clock-moving", "Cannot do this yet: time is passing, try again in a moment")
    now_ms = millis(conversation.now())
    changes, lines, notifications = _effect(simulation, act, now_ms)
    with transaction.atomic():
        # First of all: whoever is second waits here, and finds that something has changed.
        _change(simulation, **changes)
        row = _write_act(simulation, act, now_ms, by)
        # However long it has become, it can be brought to its end.
        ends = isinstance(act, acts.Close | acts.EndSurvey)
        _show(simulation, lines, now_ms, bounded=not ends)
        if notifications:
            _tell(conversation.connection, notifications, now_ms, request_id(row))
        else:
            _look_again(conversation)


def _effect(
    simulation: Simulation, act: Act, now_ms: int
) -> tuple[dict[str, Any], tuple[scene.NewLine, ...], tuple[dict[str, Any], ...]]:
    """What an act changes in the row, the lines to read, and the notifications to send."""
    match act:
        case acts.Start():
            raise ActError("started-already", "Cannot start it: the conversation has begun")
        case acts.Wait(seconds=seconds):
            to_ms = now_ms + seconds * 1000
            if to_ms > LATEST_MS:
                raise ActError("too-far", "Cannot wait that long: the clock ends in 2099")
            return {"goes_to_ms": to_ms}, (), ()
        case acts.Office(state=state):
            office = "" if state == "account" else state
            if office == simulation.office:
                raise ActError("as-it-was", "Cannot change it: it is so already")
            remark = scene.NewLine(text=_OFFICE_REMARKS[state])
            return {"office": office, "office_since_ms": now_ms}, (remark,), ()
    played = scene.apply(_scene(simulation), act, now_ms)
    return {"scene": msgspec.to_builtins(played.scene)}, played.lines, played.notifications


def pass_time(conversation: Conversation, due_ms: int | None) -> None:
    """Move a clock that is on its way as far as to what is due next, `due_ms` by that clock.

    Where too much came of it, it stands still before it is there, and a remark says why. Call it
    inside the lease's transaction, with nothing left to handle.
    """
    simulation = conversation.simulation
    now_ms = millis(conversation.now())
    to_ms = goal_ms = simulation.goes_to_ms or now_ms
    if due_ms is not None and due_ms > now_ms:
        to_ms = min(goal_ms, due_ms)
    why = _why_time_stops(conversation)
    if why:
        _show(simulation, (scene.NewLine(text=why),), now_ms, bounded=False)
        to_ms = now_ms
    simulation.ahead_ms += max(0, to_ms - now_ms)
    simulation.goes_to_ms = None if why or to_ms >= goal_ms else goal_ms
    Simulation.objects.filter(pk=simulation.pk).update(
        ahead_ms=simulation.ahead_ms, goes_to_ms=simulation.goes_to_ms
    )


def _why_time_stops(conversation: Conversation) -> str:
    # Nobody can do anything else meanwhile, so the latest act is the one that lets time pass.
    wait = conversation.simulation.acts.latest("number")
    began_at = EPOCH + dt.timedelta(milliseconds=wait.at_ms)
    since = conversation.events.filter(occurred_at__gte=began_at)
    verdicts = list(since.values_list("verdict", flat=True))
    return scene.why_time_stops(
        len(verdicts),
        in_circles=Verdict.LOOP in verdicts,
        took_s=(timezone.now() - wait.made_at).total_seconds(),
    )


def carry_out(connection: Connection, command: Command) -> str:
    """What the platform does with a command of the bot, each once however often it comes.

    Returns:
        What it did, in a few words.

    Raises:
        ActError: it cannot be done.
    """
    conversation = command.event.conversation
    simulation = _fresh(conversation)
    now_ms = millis(conversation.now())
    if simulation.lines.filter(command_id=command.pk).exists():
        return "It was done already"
    played, said = do(command, _scene(simulation), now_ms)
    with transaction.atomic():
        _keep(simulation, played, now_ms, command_id=command.pk)
        _tell(connection, played.notifications, now_ms, f"{_COMMAND}{command.pk}")
    return said


def do(command: Command, known: scene.Scene, now_ms: int) -> tuple[scene.Played, str]:
    """What a command of the bot leads to in a scene, and what that is in a few words.

    Raises:
        ActError: it cannot be done.
    """
    fields = command.shown
    match command.type:
        case CommandType.MESSAGE:
            return scene.bot_says(known, fields["text"], now_ms), "Shown to the consumer"
        case CommandType.TRANSFER:
            skill_id, agent_id = fields.get("skillId"), fields.get("agentId")
            return scene.bot_transfers(known, skill_id, agent_id, now_ms), "Transferred"
    return scene.bot_closes(known, now_ms), "Closed"


def request_id(act: SimulatedAct) -> str:
    """By which the notifications of an act can be found again. Ids from outside hold no colon."""
    return f"sim:{act.pk}"


def command_of(request_id: str) -> uuid.UUID | None:
    """Which command of the bot a notification tells of, None when it is of a person's act."""
    return uuid.UUID(request_id[len(_COMMAND) :]) if request_id.startswith(_COMMAND) else None


# Rows ---------------------------------------------------------------------------------------------


def _simulators(account_id: str) -> QuerySet[Connection]:
    return Connection.objects.filter(
        account_id=account_id, platform=Platform.SIMULATOR, active=True
    )


def _ahead_of(connection: Connection, consumer_id: str) -> dt.timedelta:
    """How far the clock of this consumer's last conversation is before ours."""
    last = (
        Conversation.objects.filter(connection=connection, consumer_id=consumer_id)
        .select_related("connection", "simulation")
        .order_by("-pk")
        .first()
    )
    return last.ahead if last else dt.timedelta(0)


def _fresh(conversation: Conversation) -> Simulation:
    simulation: Simulation | None = conversation.simulated
    if simulation is None:
        raise ActError(
            "not-simulated", "Cannot do this: the conversation is not one of the simulator"
        )
    simulation.refresh_from_db()
    return simulation


def _scene(simulation: Simulation) -> scene.Scene:
    return msgspec.convert(simulation.scene, scene.Scene)


def _change(simulation: Simulation, **changes: Any) -> None:
    """Write where nobody else has written since it was read.

    Raises:
        ActError: `changed`.
    """
    unchanged = Simulation.objects.filter(pk=simulation.pk, version=simulation.version)
    if not unchanged.update(version=simulation.version + 1, **changes):
        raise ActError("changed", "Cannot do this: something else happened just now, try again")
    simulation.version += 1


def _keep(
    simulation: Simulation, played: scene.Played, now_ms: int, command_id: uuid.UUID | None = None
) -> None:
    _change(simulation, scene=msgspec.to_builtins(played.scene))
    _show(simulation, played.lines, now_ms, command_id)


def _show(
    simulation: Simulation,
    lines: tuple[scene.NewLine, ...],
    now_ms: int,
    command_id: uuid.UUID | None = None,
    *,
    bounded: bool = True,
) -> None:
    count = simulation.lines.count()
    if bounded and count + len(lines) > MOST_LINES:
        raise ActError(
            "too-many-lines", f"Cannot go on: {MOST_LINES} lines are enough, start another one"
        )
    SimulatedLine.objects.bulk_create(
        SimulatedLine(
            simulation=simulation,
            number=number,
            at_ms=now_ms,
            role=line.role,
            author=line.author,
            text=line.text,
            private=line.private,
            command_id=command_id if number == count + 1 else None,
        )
        for number, line in enumerate(lines, start=count + 1)
    )


def _write_act(simulation: Simulation, act: Act, now_ms: int, by: str) -> SimulatedAct:
    return SimulatedAct.objects.create(
        simulation=simulation,
        number=simulation.acts.count() + 1,
        at_ms=now_ms,
        act=acts.write(act),
        made_by=by,
    )


def _look_again(conversation: Conversation) -> None:
    """Have somebody look at the conversation, as after an arrival.

    Raises:
        ActError: the connection was switched off, so nobody would.
    """
    if not Connection.objects.filter(pk=conversation.connection_id, active=True).exists():
        raise ActError(
            "connection-disabled",
            "Cannot do this: the simulator is switched off, an admin can switch it on under "
            "Settings, Connections",
        )
    Conversation.mark_arrivals([conversation.pk])
    transaction.on_commit(
        lambda: _outside[0].knock(conversation.account_id, [conversation.pk]), robust=True
    )


def _tell(
    connection: Connection, notifications: tuple[dict[str, Any], ...], now_ms: int, request_id: str
) -> None:
    """Send notifications to the door, signed, as CloudEvents with LivePerson's data.

    Raises:
        ActError: the door turned one away, with its code and words.
    """
    for notification in notifications:
        body = cloud_event(notification, now_ms)
        key = f"sim_{uuid.uuid4().hex}"
        now = timezone.now()
        headers = {
            "content-type": CONTENT_TYPE,
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(connection.signing_secret).sign(key, now, body.decode()),
        }
        response = _outside[0].door(connection, body, headers, request_id)
        if response.status_code >= 300:  # noqa: PLR2004
            said = json.loads(response.content)
            raise ActError(said["code"], said["message"])


def cloud_event(notification: dict[str, Any], now_ms: int) -> bytes:
    """The body of the request that tells of a notification; its content type is `CONTENT_TYPE`."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": SOURCE,
            "type": LIVEPERSON_PREFIX + notification["type"],
            "time": (EPOCH + dt.timedelta(milliseconds=now_ms)).isoformat(),
            "datacontenttype": "application/json",
            "data": notification["body"],
        }
    )
