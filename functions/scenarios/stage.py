"""One conversation in memory: its platform, its clock, and the controller bot that answers.

What decides is asked of the parts that decide for real conversations; what they keep in rows is
kept here in the same rows, which nobody writes down.
"""

import uuid
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from functions.scenarios import rules, telling
from functions.scenarios.casting import Cast, Player
from functions.scenarios.documents import Document, Step
from functions.scenarios.outcomes import Came
from functions.scenarios.rules import Rules
from functions.scenarios.running import Ran, Runner, StoppedError
from invoker import commands, conversations, digesting, dispatch, guards, runtime, simulator
from invoker.epoch import EPOCH, millis, moment
from invoker.models import (
    Command,
    CommandState,
    CommandType,
    Conversation,
    Event,
    EventState,
    Invocation,
    Platform,
)
from invoker.platforms import PLATFORMS, Derived, RejectedError
from invoker.simulator import ActError, Played, acts, scene

CONV_ID: Final = "sim-scenario"
STRANGER_ID: Final = "visitor-scenario"
MOST_EVENTS: Final = 1_000
GRACE_MS: Final = 20
"""What the bot does moves its clock by some milliseconds. A timer that is over by so little when
the next step is due was meant to be."""


class ImpossibleError(Exception):
    """A step that cannot be done as things are. `code` is stable, see `ActError`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stage:
    """Plays the steps of a document, one thing at a time: call `go_on` until it says False.

    `came` is what came, by the number of the step that it came of: an event of an act, of what the
    bot did about such an event, or of the silence after the latest act. `performed` counts the
    steps that were done.
    """

    def __init__(
        self, account_id: str, document: Document, given: Rules, cast: Cast, runner: Runner
    ) -> None:
        self.came: dict[int, list[Came]] = defaultdict(list)
        self.performed = 0
        self._account_id = account_id
        self._steps = document.steps
        self._rules = given
        self._hours = given.hours
        self._players = cast.players
        self._runner = runner
        self._start_ms = millis(document.starts_at)
        self._now_ms = self._start_ms
        # Since when the bot is busy, and until when: functions take their time, and people do not
        # wait for them.
        self._busy_since_ms = self._busy_ms = self._start_ms
        self._scene: simulator.Scene | None = None
        self._state: conversations.State | None = None
        self._conversation = Conversation(account_id=account_id, conv_id=CONV_ID)
        self._waiting: deque[Event] = deque()
        self._events: list[Event] = []
        self._step_of: dict[uuid.UUID, int] = {}

    def go_on(self) -> bool:
        """Do the next thing. False when all is done.

        Raises:
            StoppedError: it takes too long, or comes to too much.
            ImpossibleError: the next step cannot be done.
        """
        self._runner.check_time()
        if self._waiting:
            self._handle(self._waiting.popleft())
            return True
        # Nobody did anything while the last function ran, so that it took no time that matters:
        # how busy this machine is must not move what happens later.
        self._busy_since_ms = self._busy_ms = self._now_ms
        if self.performed == 0:
            self._perform()
            return True
        due_ms = self._add_idle_events()
        return True if self._waiting else self._pass_time(due_ms)

    # Time and people ------------------------------------------------------------------------------

    @property
    def _next(self) -> Step | None:
        return self._steps[self.performed] if self.performed < len(self._steps) else None

    def _pass_time(self, due_ms: int | None) -> bool:
        """Go to what comes next: a timer, a step, or the end."""
        step = self._next
        to_ms = self._start_ms + (step.at_ms if step else self._steps[-1].ends_ms)
        if due_ms is not None and self._now_ms < due_ms <= to_ms + GRACE_MS:
            self._now_ms = due_ms
        elif step:
            self._perform()
        else:
            return False
        return True

    def _perform(self) -> None:
        """Do the next step, at its time or, where that is over, a moment after what was before."""
        step = self._steps[self.performed]
        later = self._now_ms + 1 if self.performed else self._now_ms
        self._now_ms = max(self._start_ms + step.at_ms, later)
        try:
            played = self._act(step.act)
        except ActError as error:
            raise ImpossibleError(error.code, str(error)) from error
        number = self.performed
        self.performed += 1
        if played:
            self._take(played, number)

    def _act(self, act: acts.Act) -> Played | None:
        match act:
            case acts.Start():
                known = act.authenticated
                consumer_id = scene.person_id("consumer", act.consumer) if known else STRANGER_ID
                return scene.begin(CONV_ID, consumer_id, act, self._now_ms)
            case acts.Wait():
                return None
            case acts.Office(state=state):
                usual = state == "account"
                self._hours = self._rules.hours if usual else rules.fixed_hours(state, self._now_ms)
                return None
        assert self._scene is not None
        return scene.apply(self._scene, act, self._now_ms)

    def _people_act(self) -> None:
        """Let people do what they do while the bot is busy."""
        while step := self._next:
            if not self._busy_since_ms < self._start_ms + step.at_ms < self._busy_ms:
                return
            try:
                self._perform()
            except ImpossibleError:
                # Perhaps it can be done once the bot is done, else it is said then.
                return

    # Notifications and silence --------------------------------------------------------------------

    def _take(self, played: Played, number: int, cause: Command | None = None) -> None:
        """Take over what was played, by `cause` where the bot did it, and what is told of it."""
        self._scene = played.scene
        platform = PLATFORMS[Platform.SIMULATOR]
        headers = {"content-type": simulator.CONTENT_TYPE}
        for notification in played.notifications:
            body = simulator.cloud_event(notification, self._now_ms)
            for incoming in platform.read(headers, body):
                change = platform.digest(incoming.body)
                assert not isinstance(change, Derived)
                derivation = conversations.derive(self._state, change, self._circumstances())
                self._state = derivation.state
                self._add(derivation.events, number, cause=cause)

    def _add_idle_events(self) -> int | None:
        """Add the silences that are over by now. Returns when the next may be."""
        if self._state is None:
            return None
        found = conversations.idle(self._state, self._circumstances())
        self._state = found.state
        self._add(found.events, self.performed - 1, silent=True)
        return found.due_ms

    def _circumstances(self) -> conversations.Circumstances:
        return conversations.Circumstances(
            now_ms=self._now_ms,
            account_id=self._account_id,
            hours=self._hours,
            idle_times=self._rules.idle_times,
            history_known=True,
        )

    def _add(
        self,
        derived: Sequence[conversations.DerivedEvent],
        number: int,
        *,
        cause: Command | None = None,
        silent: bool = False,
    ) -> None:
        received_at = moment(self._now_ms)
        since = received_at - digesting.LOOP_WINDOW
        recent = [one for one in self._events if one.caused_by and one.occurred_at > since]
        before = digesting.Before(
            position=len(self._events),
            own=[cause] if cause else [],
            caused=len(recent),
            silences=self._silences if silent else None,
        )
        new = digesting.new_events(self._conversation, derived, before, received_at=received_at)
        if len(self._events) + len(new) > MOST_EVENTS:
            raise StoppedError(
                "scenario-too-many-events",
                f"Cannot play on: {MOST_EVENTS:,} events came, shorten the scenario",
            )
        for event in new:
            self._events.append(event)
            self._waiting.append(event)
            self._step_of[event.pk] = number

    def _silences(self, subtype: str) -> int:
        last = self._state.last_consumer_ts if self._state else None
        since = EPOCH if last is None else moment(last)
        return sum(one.subtype == subtype and one.occurred_at > since for one in self._events)

    # The controller bot ---------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        number, at_ms = self._step_of[event.pk], self._now_ms - self._start_ms
        if event.state == EventState.DONE:
            told = telling.tell(event, ())
            self.came[number].append(Came(told=told, at_ms=at_ms, reason=event.detail))
            return
        player, ran = self._run(event)
        self._people_act()
        result = ran.result if ran else None
        invocation = Invocation(event=event, deployment=player.deployment) if player else None
        asked = dispatch.asked_of(event, result)
        rows = commands.led_to(
            event, asked, invocation, self._state, texts=self._rules.texts, now_ms=self._now_ms
        )
        for row in rows:
            if row.state == CommandState.PENDING:
                self._deliver(row, number)
        self.came[number].append(_came(event, rows, player, ran, at_ms=at_ms))

    def _run(self, event: Event) -> tuple[Player | None, Ran | None]:
        """Run the function of an event, again where it failed and the account says so."""
        listening = [one for one in self._players if one.deployment.event_type == event.type]
        chosen = dispatch.listening(event, [one.deployment for one in listening])
        player = next((one for one in listening if one.deployment is chosen), None)
        if player is None:
            return None, None
        before: list[str] = []
        while True:
            self._runner.check_time()
            ran = self._runner.run(player, event, str(event.pk))
            self._busy_ms = max(self._busy_ms, self._now_ms) + round(ran.result.duration_ms)
            outcome = ran.result.outcome
            succeeded = outcome == runtime.Outcome.SUCCEEDED
            if succeeded or not dispatch.may_run_again(self._rules.bot, outcome, before):
                return player, ran
            before.append(outcome)

    def _deliver(self, row: Command, number: int) -> None:
        """Carry a command out, unless it has become pointless. It gets its final state."""
        if commands.is_done(row, self._state):
            row.state = CommandState.SENT
            return
        now = moment(max(self._now_ms, self._busy_ms))
        stale = guards.check(row, self._state, now=now, hours=self._hours)
        if stale:
            row.state, row.reason, row.detail = CommandState.STALE, stale.reason, stale.detail
            return
        assert self._scene is not None
        try:
            played, _ = simulator.do(row, self._scene, self._now_ms)
        except (ActError, RejectedError) as error:
            row.state, row.reason, row.detail = CommandState.FAILED, error.code, str(error)
            return
        row.state = CommandState.SENT
        self._take(played, number, None if row.type == CommandType.MESSAGE else row)


def _came(
    event: Event, rows: list[Command], player: Player | None, ran: Ran | None, *, at_ms: int
) -> Came:
    result = ran.result if ran else None
    failure = result.failure if result else None
    told = telling.tell(
        event,
        rows,
        function=player.name if player else None,
        failure={"code": failure.code, "message": failure.message} if failure else None,
    )
    return Came(
        told=told,
        at_ms=at_ms,
        version=player.version if player else "",
        duration_ms=result.duration_ms if result else None,
        logs=result.logs if result else (),
        dropped=telling.dropped(rows),
        marks=ran.marks if ran else (),
        reason=event.detail,
    )
