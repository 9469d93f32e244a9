"""*Try it*: from wherever an account stands to a conversation that one of its functions answers.

TrialError                   has a stable `code`; the message says what is missing
├── NotSetUpError            a step that others take comes first
└── NotDeployedError         the event has functions, none of which serves; `functions` are they
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from functions import deploying, gallery, offering, services
from functions.models import Function
from invoker import events, simulator
from invoker.conversations import NO_SKILL
from invoker.models import ControllerBot, Conversation, Deployment
from invoker.simulator import acts

EVENT: Final = events.NEW_CONVERSATION


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
    serving = Deployment.objects.filter(account_id=account_id, event_type=EVENT.id, active=True)
    skills = list(serving.values_list("skills", flat=True).order_by("created_at"))
    made = None if skills else _deploy_one(account_id, by)
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


def _deploy_one(account_id: str, by: str) -> Function:
    own = Function.objects.filter(account_id=account_id)
    holders = list(own.filter(event_type=EVENT.id).select_related("deployment").order_by("name"))
    if holders:
        raise NotDeployedError(holders)
    template = next(each for each in gallery.load() if each.event_type == EVENT.id)
    taken = set(own.values_list("name", flat=True))
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
