"""*Try it*: from wherever an account stands to a conversation that one of its functions answers.

TrialError                   has a stable `code`; the message says what is missing
├── NotSetUpError            a step that others take comes first
└── NotDeployedError         the event has functions, none of which serves; `functions` are they
"""

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from functions import deploying, gallery, offering, services
from functions.models import Function, Stage
from invoker import events, simulator
from invoker.conversations import NO_SKILL
from invoker.models import ControllerBot, Conversation, Deployment
from invoker.simulator import acts

EVENT: Final = events.NEW_CONVERSATION
PATIENCE_S: Final = 10.0
"""For a function that somebody else is deploying."""
JUST_MADE: Final = dt.timedelta(seconds=5)
"""Who makes one here deploys it at once. One that is older is what somebody has written."""


class TrialError(Exception):
    """Nothing was made, and no conversation started."""

    code: str


class NotSetUpError(TrialError):
    """`code` is that of the step, as the webhook would have it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotDeployedError(TrialError):
    code = "function-not-deployed"

    def __init__(self, functions: Sequence[Function]) -> None:
        super().__init__(
            f'The event "{EVENT.name}" has a function already, and none is deployed: deploy it, '
            "then try it again"
        )
        self.functions = tuple(functions)


@dataclass(frozen=True, slots=True)
class Trial:
    """The conversation, and the function that was made for it; None where one served already."""

    conversation: Conversation
    made: Function | None


def begin(account_id: str, *, by: str) -> Trial:
    """Start a conversation that a function answers, and where there is none, deploy one first.

    What people have written stays as it is.

    Raises:
        TrialError: nothing was made.
        services.FunctionError: the function could not be made or deployed; a draft of it may be
            there then.
        simulator.ActError: the conversation could not be started.
    """
    _check_set_up(account_id)
    made = None
    skills = _serving(account_id)
    if not skills:
        try:
            made = _deploy_one(account_id, by)
        except (services.NameTakenError, services.EventTakenError):
            # Two pressed at once, and the other one was quicker.
            skills = _serving(account_id)
            if not skills:
                raise
    # One for some skills only answers in these.
    skill = NO_SKILL if made or [] in skills else skills[0][0]
    start = acts.Start(first_time=True, skill=skill)
    return Trial(simulator.start(account_id, start, by=by), made)


def _check_set_up(account_id: str) -> None:
    bot = ControllerBot.objects.filter(pk=account_id).first()
    if bot is None:
        raise NotSetUpError("controller-bot-not-set-up", "The controller bot is not set up")
    if bot.functions_enabled_at is None:
        raise NotSetUpError("functions-not-enabled", "Functions are not enabled")
    if not simulator.is_ready(account_id):
        raise NotSetUpError("no-simulator", "The account has no simulator that is switched on")


def _serving(account_id: str) -> list[list[str]]:
    """The skills of each function that serves the event; none where it has no function at all.

    Waits for one that is about to serve, as somebody else has just pressed, `PATIENCE_S` at most.

    Raises:
        NotDeployedError: there are functions, and none serves.
    """
    until = time.monotonic() + PATIENCE_S
    serving = Deployment.objects.filter(account_id=account_id, event_type=EVENT.id, active=True)
    while True:
        # Before what serves: whatever is no longer on its way here has arrived there.
        holders = list(
            Function.objects.filter(account_id=account_id, event_type=EVENT.id)
            .select_related("deployment")
            .order_by("name")
        )
        skills = list(serving.values_list("skills", flat=True).order_by("created_at"))
        if skills or not holders:
            return skills
        if not any(_is_coming(each) for each in holders) or time.monotonic() > until:
            raise NotDeployedError(holders)
        time.sleep(PATIENCE_S / 100)


def _is_coming(function: Function) -> bool:
    untried = function.stage == Stage.NONE and not function.step
    is_new = function.created_at > timezone.now() - JUST_MADE
    return function.being_deployed or (untried and is_new and function.code == _template().source)


def _template() -> gallery.Template:
    return next(each for each in gallery.load() if each.event_type == EVENT.id)


def _deploy_one(account_id: str, by: str) -> Function:
    template = _template()
    taken = set(Function.objects.filter(account_id=account_id).values_list("name", flat=True))
    function = services.create(
        account_id,
        name=offering.free_name(template.slug, taken),
        description=template.summary[: services.MAX_DESCRIPTION],
        event_type=EVENT.id,
        by=by,
        template=template,
    )
    deploying.deploy(function, version=function.version, by=by, note="Try it")
    return function
