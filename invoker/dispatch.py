"""The controller bot: notifications to events, events to functions, functions to commands.

One worker at a time works on a conversation, under its lease, in the order of arrival. Whatever
it does is written down before it has an effect outside, so whoever takes over resumes and does
not repeat. A lost knock, a doubled one and a dead worker change nothing: rows decide.
"""

import datetime as dt
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection, connections
from django.db.models import Exists, OuterRef
from django.utils import timezone

from invoker import (
    calls,
    commands,
    conversations,
    digesting,
    events,
    giving_up,
    guards,
    invocations,
    runtime,
    statements,
    telemetry,
)
from invoker.models import (
    LONGEST_LEASE,
    Command,
    CommandState,
    Connection,
    ControllerBot,
    Conversation,
    Deployment,
    Event,
    EventState,
    Invocation,
    InvocationState,
    Lease,
    LeaseLostError,
    Simulation,
    Verdict,
    nobody_holds,
)
from invoker.places import Place, places
from invoker.platforms import NO_CALLBACK_URL

logger = logging.getLogger(__name__)

# Short, so that a dead worker's conversations go on while their events are worth an answer. A
# living worker renews its leases, however long a step takes.
LEASE = dt.timedelta(seconds=10)
RENEW_EVERY_S = 3.0
# Give the knock that came with an arrival time to be heard before the sweep repeats it.
SWEEP_AFTER = dt.timedelta(seconds=1)
# Enough to start with: who has a place goes on with what waits.
SWEEP_EACH = 5
# A worker that is to end waits for what it does, so no thread goes on with other work for long.
NO_MORE_AFTER_S = 3.0
AFTER_ERROR = dt.timedelta(seconds=5)
# The database was away for a moment: what waits is still worth an answer.
AFTER_PASSING_FAULT = dt.timedelta(seconds=1)
# What failed in Houston's own machinery gets a moment to recover, a function's error does not.
PLATFORM_PAUSE = dt.timedelta(seconds=0.5)
SKILLS_SHOWN = 20
GIVE_UP_AFTER = 5


@dataclass(frozen=True, slots=True)
class Due:
    """A conversation with work that nobody does."""

    account_id: str
    conversation_pk: int


def waiting() -> list[Due]:
    """What nobody has looked at for a while: of each account what waits longest, in turn.

    Costs the same however much one account has, so that a flood hides nobody.
    """
    before = timezone.now() - SWEEP_AFTER
    free = Conversation.objects.filter(nobody_holds(timezone.now()), due_at__lt=before)
    has_some = Exists(free.filter(account_id=OuterRef("account_id")))
    accounts = Connection.objects.filter(has_some).values_list("account_id", flat=True).distinct()
    found = [
        [Due(account_id, pk) for pk in pks]
        for account_id in accounts.order_by("account_id")
        for pks in [
            free.filter(account_id=account_id)
            .order_by("due_at")
            .values_list("pk", flat=True)[:SWEEP_EACH]
        ]
    ]
    return [each for turn in zip_longest(*found) for each in turn if each]


def due_conversations() -> list[int]:
    """The conversations of `waiting`, in that order."""
    return [each.conversation_pk for each in waiting()]


def serve(account_id: str, conversation_pk: int) -> Due | None:
    """Handle a conversation if its account may have a place, and then whatever else waits.

    Not everything is knocked for, see `invoker.ingest.knock`, and whoever was refused a place is
    not knocked for again: those who have one go on with what waits.

    Returns:
        What to knock for next, when this has taken so long that somebody may wait for its end.
    """
    stop_at = time.monotonic() + NO_MORE_AFTER_S
    place = places.take(account_id)
    pk: int | None = conversation_pk
    while place is not None:
        try:
            if pk is None:
                pk = _next_of(place)
            while pk is not None:
                drain(pk)
                if is_stopping():
                    # There may be more to do in it, and that is for others.
                    return Due(place.account_id, pk)
                pk = _next_of(place)
                if pk is not None and time.monotonic() > stop_at:
                    return Due(place.account_id, pk)
        finally:
            places.give_back(place)
        place = places.take_refused()
    return None


def _next_of(place: Place) -> int | None:
    """What waits longest of the account. None, with the place given back, when it has to go."""
    while places.may_stay(place):
        seen = place.refused
        pk = _longest_waiting(place.account_id)
        if pk is not None:
            return pk
        if places.leave(place, seen=seen):
            return None
    places.give_back(place)
    return None


def _longest_waiting(account_id: str) -> int | None:
    found = _waiting_of(account_id)
    return found[0][0] if found else None


def others_wait(account_id: str, conversation_pk: int) -> bool:
    """Whether another conversation of the account has work that nobody does yet.

    Whoever is going to do that looks for more afterwards: see `serve`.
    """
    return bool(_waiting_of(account_id, conversation_pk))


def _waiting_of(account_id: str, but: int = 0) -> list[tuple[int]]:
    """The conversation that is due and free for longest, as `nobody_holds` has it.

    Without an order PostgreSQL reads the table until it comes across one.
    """
    now = timezone.now()
    moments = (now, now, now + LONGEST_LEASE)
    return statements.values(
        "SELECT id FROM invoker_conversation WHERE account_id = %s AND due_at <= %s"
        " AND (lease_until IS NULL OR lease_until < %s OR lease_until > %s) AND id <> %s"
        " ORDER BY due_at LIMIT 1",
        [
            account_id,
            *(statements.value(Conversation, "due_at", each) for each in moments),
            but,
        ],
    )


def drain(conversation_pk: int) -> int:
    """Handle everything that waits in one conversation.

    Returns:
        How many events were finished. 0 when another worker holds the conversation or nothing
        was due.
    """
    lease = Lease.claim(conversation_pk, LEASE)
    if lease is None:
        return 0
    try:
        with telemetry.bound(conversation_pk=conversation_pk, account_id=""), _renewer.keep(lease):
            return _drain(lease)
    except LeaseLostError:
        logger.warning("lease lost", extra={"conversation_pk": conversation_pk})
        return 0
    except BaseException as error:
        # Not at once again: what failed here would most likely fail again.
        passing = isinstance(error, digesting.PASSING_FAULTS)
        _give_back(lease, AFTER_PASSING_FAULT if passing else AFTER_ERROR)
        raise


def _give_back(lease: Lease, wait: dt.timedelta) -> None:
    if not connection.in_atomic_block:
        # It may be what was cut; the next statement opens another then.
        connection.close_if_unusable_or_obsolete()
    try:
        lease.postpone(wait)
    except digesting.PASSING_FAULTS as error:
        logger.warning(
            "cannot give a conversation back, its lease ends by itself",
            extra={"conversation_pk": lease.conversation_pk, "reason": type(error).__name__},
        )


def stop() -> None:
    """Have every drain of this process end after the event that it is at."""
    _stopping.set()


def is_stopping() -> bool:
    return _stopping.is_set()


def let_go() -> list[Due]:
    """Give back every conversation that this process works on, because it ends in this moment.

    Whoever takes one goes on where the rows say: a run that was not recorded is made again.

    Returns:
        The conversations, due at once.
    """
    leases = _renewer.leases()
    for lease in leases:
        _give_back(lease, dt.timedelta(0))
    pks = [lease.conversation_pk for lease in leases]
    found = Conversation.objects.filter(pk__in=pks).values_list("account_id", "pk")
    return [Due(account_id, pk) for account_id, pk in found]


_stopping = threading.Event()


class _Renewer:
    """Renews the leases of this process while they are worked under, from a thread of its own."""

    def __init__(self) -> None:
        self._leases: set[Lease] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, lease: Lease) -> Iterator[None]:
        with self._lock:
            self._leases.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._leases.discard(lease)

    def leases(self) -> list[Lease]:
        with self._lock:
            return list(self._leases)

    def _renew(self) -> None:
        while True:
            time.sleep(RENEW_EVERY_S)
            kept = self.leases()
            try:
                for lease in kept:
                    lease.renew()
            except AnyDatabaseError:
                # The lease ends by itself, and whoever takes over resumes.
                logger.warning("cannot renew leases", extra={"leases": len(kept)})
            except Exception:
                # No other thread renews, so this one goes on.
                logger.exception("cannot renew leases", extra={"leases": len(kept)})
            finally:
                connections.close_all()


_renewer = _Renewer()


@dataclass(slots=True)
class _Work:
    """What is held while one conversation is worked on.

    `seen` is how often something had arrived when notifications were last looked for, `waiting`
    the events that are not done, `fresh` those of them that came up just now, which nobody can
    have begun before. `begun` has what runs for an event that was begun as it came up.
    """

    lease: Lease
    conversation: Conversation
    rules: digesting.Rules
    seen: int
    waiting: list[Event] = field(default_factory=list)
    fresh: set[uuid.UUID] = field(default_factory=set)
    begun: dict[uuid.UUID, Invocation | None] = field(default_factory=dict)

    def digest(self) -> None:
        """Take note of every notification that waits."""
        # What nothing else waits before is handled next.
        begin = None if self.waiting else self._begin
        added = digesting.digest(self.lease, self.conversation, self.rules, begin=begin)
        self.waiting += added
        self.fresh |= {event.pk for event in added}

    def _begin(self, event: Event) -> None:
        if self.rules.runs_functions:
            self.begun[event.pk] = _write_down(event)

    def begin(self, event: Event) -> Invocation | None:
        """Write down that the event's function runs now. None when nobody listens."""
        if event.pk in self.begun:
            return self.begun.pop(event.pk)
        return _begin_invocation(self.lease, event, fresh=event.pk in self.fresh)

    def look(self) -> conversations.State | None:
        """The conversation's state with all that has arrived until now."""
        arrived, self.conversation.connection.active = self.lease.look()
        if arrived != self.seen:
            self.seen = arrived
            self.digest()
        return digesting.stored_state(self.conversation)

    def next_event(self) -> Event | None:
        """The first that is not done; those that are tried again come behind all others."""
        found = next((event for event in self.waiting if event.retried_at is None), None)
        return found or next(iter(self.waiting), None)


def _drain(lease: Lease) -> int:
    work = _take_up(lease)
    conversation, simulation = work.conversation, work.conversation.simulated
    telemetry.bind(account_id=conversation.account_id)
    finished = 0
    while True:
        if is_stopping():
            _give_back(lease, dt.timedelta(0))
            return finished
        if simulation:
            # People play while we work: they open its office, and let time pass.
            simulation.refresh_from_db()
            work.rules = digesting.Rules.load(conversation)
        work.waiting = _waiting_events(conversation)
        work.digest()
        due_at = None
        while event := work.next_event():
            event.conversation = conversation
            due_at = _handle_or_give_up(work, event)
            if due_at is None:
                finished += 1
                work.waiting.remove(event)
            elif due_at > timezone.now():
                break
            if simulation or is_stopping():
                break
        if event and (due_at is None or due_at <= timezone.now()):
            work.seen = lease.arrived()
            continue
        # What a person has tried again holds up nothing else, silences neither.
        if event is None or event.retried_at:
            added, due_ms = digesting.add_idle_events(lease, conversation, work.rules)
            if added or (event is None and digesting.pass_time(lease, conversation, due_ms)):
                work.seen = lease.arrived()
                continue
            look_at = digesting.look_again_at(conversation, due_ms)
            due_at = min((each for each in (due_at, look_at) if each), default=None)
        # Not released when something arrived meanwhile: take note of it first.
        if lease.release(seen=work.seen, due_at=due_at):
            return finished
        work.seen = lease.arrived()


def _take_up(lease: Lease) -> _Work:
    """Read what decides about the conversation."""
    found = statements.select_with(
        [Conversation, Connection, Simulation, ControllerBot],
        "JOIN invoker_connection ON invoker_connection.id = invoker_conversation.connection_id"
        " LEFT JOIN invoker_simulation"
        " ON invoker_simulation.conversation_id = invoker_conversation.id"
        " LEFT JOIN invoker_controllerbot"
        " ON invoker_controllerbot.account_id = invoker_conversation.account_id"
        " WHERE invoker_conversation.id = %s",
        [lease.conversation_pk],
    )
    conversation, connection, simulation, bot = found[0]
    conversation.connection = connection
    if simulation:
        simulation.conversation = conversation
    statements.attach(conversation, "simulation", simulation)
    return _Work(lease, conversation, digesting.Rules.beside(conversation, bot), lease.seen)


def _waiting_events(conversation: Conversation) -> list[Event]:
    # The condition is spelled out, as the index has it.
    return statements.select(
        Event,
        "WHERE conversation_id = %s AND NOT (state = 'done') ORDER BY position",
        [conversation.pk],
    )


def _handle_or_give_up(work: _Work, event: Event) -> dt.datetime | None:
    """Handle an event; one that fails us again and again must not hold up those behind it."""
    try:
        with telemetry.step("handle", parent=event.traceparent, event_id=event.pk):
            return _handle(work, event)
    except (LeaseLostError, *digesting.PASSING_FAULTS):
        raise
    except Exception as error:
        logger.exception("cannot handle an event", extra={"event_id": event.pk})
        event.errors += 1
        if event.errors >= GIVE_UP_AFTER:
            _give_up(work.lease, event, error)
            return None
        with work.lease.transaction():
            statements.update(Event, {"errors": event.errors}, {"id": event.pk})
        return timezone.now() + AFTER_ERROR


def _handle(work: _Work, event: Event) -> dt.datetime | None:
    """Run the function of an event and carry out what it asked for.

    Returns:
        None when the event is done, else when to come back to it.
    """
    lease, recorded = work.lease, None
    if event.state == EventState.WAITING:
        bot = work.rules.bot
        if bot is None or not work.rules.runs_functions:
            with lease.transaction():
                done = _finish(event, Verdict.DISABLED)
            _tell(event, Verdict.DISABLED, done=done)
            return None
        invocation = work.begin(event)
        work.fresh.discard(event.pk)
        result = _run(event, invocation) if invocation else None
        # What arrived while the function ran decides whether its commands still make sense.
        state = work.look()
        again_at = _again_at(bot, event, invocation, result) if invocation and result else None
        with lease.transaction():
            if invocation and result:
                invocations.record(invocation, result)
            if again_at is None:
                asked = asked_of(event, result)
                recorded = commands.record(event, asked, invocation, state, work.rules.hours)
                said = {
                    "state": EventState.DELIVERING,
                    "reason": event.reason,
                    "detail": event.detail,
                    "function_id": invocation.function_id if invocation else None,
                }
                statements.update(Event, said, {"id": event.pk})
        if again_at:
            return again_at
        event.state = EventState.DELIVERING

    ended: list[tuple[Verdict, bool]] = []

    def finish() -> None:
        # What was written down just now is all there is, but for what a person has tried again.
        known = None if event.retried_at else recorded
        verdict = _verdict(event, known)
        ended.append((verdict, _finish(event, verdict)))

    due_at = commands.deliver(
        lease, event, work.look, work.rules.hours, finish=finish, recorded=recorded
    )
    if ended:
        verdict, done = ended[-1]
        _tell(event, verdict, done=done)
    return due_at


def _again_at(
    bot: ControllerBot, event: Event, invocation: Invocation, result: runtime.Result
) -> dt.datetime | None:
    """When to run a function that failed once more, by the account's settings. None: not again."""
    if result.outcome == runtime.Outcome.SUCCEEDED:
        return None
    platform = result.outcome == runtime.Outcome.PLATFORM_FAILURE
    failed = event.invocations.exclude(pk=invocation.pk).exclude(
        outcome__in=(InvocationState.UNKNOWN, InvocationState.SUCCEEDED)
    )
    before = list(failed.values_list("outcome", flat=True))
    if not may_run_again(bot, result.outcome, before):
        return None
    wait = PLATFORM_PAUSE if platform else dt.timedelta(0)
    again_at = timezone.now() + wait
    late = again_at + event.conversation.ahead > guards.expires_at(event)
    return None if late else again_at


def may_run_again(bot: ControllerBot, outcome: str, before: Sequence[str]) -> bool:
    """Whether a function that failed is to run again; `before` is how its runs until now failed.

    Every failure counts against the number of its own kind: the two have different reasons.
    """
    platform = outcome == runtime.Outcome.PLATFORM_FAILURE
    alike = [each for each in before if (each == runtime.Outcome.PLATFORM_FAILURE) == platform]
    return len(alike) < (bot.platform_retries if platform else bot.function_retries)


def _begin_invocation(lease: Lease, event: Event, *, fresh: bool) -> Invocation | None:
    with lease.transaction():
        attempt = 1
        if not fresh:
            # A run that another worker began and did not live to record is started again: its
            # commands were not recorded, so nothing of it has left the house.
            lost = event.invocations.filter(outcome=InvocationState.RUNNING).update(
                outcome=InvocationState.UNKNOWN, finished_at=timezone.now()
            )
            telemetry.lost(lost)
            attempt = event.invocations.count() + 1
        return _write_down(event, attempt)


def _write_down(event: Event, attempt: int = 1) -> Invocation | None:
    """Add the run of an event's function, in the lease's transaction. None when nobody listens."""
    deployment = listening(event, _deployed(event))
    if deployment is None:
        return None
    invocation = Invocation(
        account_id=event.account_id,
        event=event,
        deployment=deployment,
        function_id=deployment.function_id,
        attempt=attempt,
    )
    statements.insert(Invocation, [invocation])
    return invocation


def _deployed(event: Event) -> list[Deployment]:
    return statements.select(
        Deployment,
        "WHERE account_id = %s AND event_type = %s AND active ORDER BY created_at",
        [event.account_id, event.type],
    )


def listening(event: Event, deployed: Sequence[Deployment]) -> Deployment | None:
    """The deployment for this event and the conversation's skill; else say on the event why not.

    `deployed` are those that have the event at all.
    """
    skill = skill_of(event)
    for deployment in deployed:
        if not deployment.skills or skill in deployment.skills:
            event.reason = event.detail = ""
            return deployment
    name = events.EVENT_TYPES[event.type].name
    if not deployed:
        event.reason = "nobody-listens"
        event.detail = f'No deployed function has the event "{name}"'
    else:
        skills = sorted({each for deployment in deployed for each in deployment.skills})
        shown = ", ".join(skills[:SKILLS_SHOWN]) + (" …" if len(skills) > SKILLS_SHOWN else "")
        event.reason = "skill-not-in-set"
        event.detail = (
            f'The conversation is in skill "{skill}", and the deployed functions of the event '
            f'"{name}" are for {shown} only'
        )
    return None


def skill_of(event: Event) -> str:
    """Where the conversation was once the event had happened."""
    payload = event.payload
    routing = payload.get("routing")
    skill = routing.get("newSkillId") if isinstance(routing, dict) else payload.get("skillId")
    return str(skill)


def input_of(event: Event) -> dict[str, Any]:
    """What a function of this event receives."""
    return {
        "timestamp": int(event.occurred_at.timestamp() * 1000),
        "headers": [],
        "payload": event.payload,
    }


def _run(event: Event, invocation: Invocation) -> runtime.Result:
    program = calls.program(invocation.deployment)
    with telemetry.step("invoke", invocation_id=invocation.pk):
        with places.aside():
            result = runtime.run(
                program,
                input_of(event),
                timeout_s=settings.INVOCATION_TIMEOUT_S,
                trace_id=str(invocation.pk),
            )
        telemetry.note(outcome=result.outcome.value)
    well = result.outcome == runtime.Outcome.SUCCEEDED
    logger.log(
        logging.DEBUG if well else logging.INFO,
        "function ran",
        extra={
            "account_id": event.account_id,
            "event_id": event.pk,
            "invocation_id": invocation.pk,
            "outcome": result.outcome.value,
            "ms": round(result.duration_ms, 1),
        },
    )
    return result


def asked_of(event: Event, result: runtime.Result | None) -> list[commands.Asked]:
    """What a run for this event asks for; nothing where it failed, or the event takes nothing."""
    if result is None or result.outcome != runtime.Outcome.SUCCEEDED:
        return []
    if not events.EVENT_TYPES[event.type].runs_commands:
        return []
    return commands.parse(result.value)


def _verdict(event: Event, known: Sequence[Command] | None) -> Verdict:
    """The worst that happened to a command of the event, else the best.

    `known` are those that were to be carried out; None: they are to be read.
    """
    found = known
    if found is None:
        found = statements.select(
            Command, "WHERE event_id = %s", [statements.value(Command, "event_id", event.pk)]
        )
    states = {command.state for command in found}
    if any(command.reason == NO_CALLBACK_URL for command in found):
        return Verdict.NOWHERE
    for wanted, verdict in (
        (CommandState.FAILED, Verdict.FAILED),
        (CommandState.UNCERTAIN, Verdict.UNCERTAIN),
        (CommandState.STALE, Verdict.STALE),
    ):
        if wanted in states:
            return verdict
    sent = [command for command in found if command.state == CommandState.SENT]
    if not sent:
        return Verdict.NOTHING
    by_function = any(command.invocation_id for command in sent)
    return Verdict.DELIVERED if by_function else Verdict.DEFAULT


def _give_up(lease: Lease, event: Event, error: Exception) -> None:
    detail = (
        f"Houston failed on it {GIVE_UP_AFTER} times, the last time with {type(error).__name__}: "
        "its log has the reason"
    )
    with lease.transaction():
        if commands.abandon(event, detail):
            giving_up.event_finished(event, Verdict.BROKEN)
        else:
            giving_up.event_broken(event, detail)
        done = _finish(event, Verdict.BROKEN)
    _tell(event, Verdict.BROKEN, done=done)


def _finish(event: Event, verdict: Verdict) -> bool:
    """Write down what became of an event, in the lease's transaction. False when it goes on."""
    # Who has had something of it tried again since it was read is not done with it.
    done = statements.update(
        Event,
        {"state": EventState.DONE, "verdict": verdict, "finished_at": timezone.now()},
        {"id": event.pk, "retried_at": event.retried_at},
    )
    if done and verdict != Verdict.BROKEN:
        giving_up.event_finished(event, verdict)
    return bool(done)


def _tell(event: Event, verdict: Verdict, *, done: bool) -> None:
    if done:
        logger.info(
            "event done",
            extra={
                "account_id": event.account_id,
                "event_id": event.pk,
                "verdict": verdict.value,
            },
        )
