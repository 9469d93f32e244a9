"""What is replayed against what, and compared with what."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from django.db.models import QuerySet

from functions.models import Function
from functions.replays.errors import InvalidChoiceError
from invoker.models import Deployment, Event

MOST = 1000
"""Events of one replay."""
LARGEST_NUMBER = 2**31 - 1
MOST_OFFERED = 20
_NUMBER = re.compile(r"[0-9]{1,10}")


class Beside(StrEnum):
    """What the version in question is compared with."""

    HAPPENED = "happened"
    """What really happened; where no function ran, the deployed version runs now."""
    DEPLOYED = "deployed"
    """The deployed version: as it happened where it is what ran, else it runs now."""


@dataclass(frozen=True, slots=True)
class Against:
    """Which version of a function runs. Its text form is what addresses and the API have."""

    kind: Literal["draft", "deployed", "version", "deployment"] = "draft"
    number: int = 0
    deployment_id: uuid.UUID | None = None

    @classmethod
    def read(cls, text: str) -> "Against":
        """From "draft", "deployed", the number of a version or the id of a deployment.

        Raises:
            InvalidChoiceError: it is none of them.
        """
        match text:
            case "draft" | "deployed":
                return cls(text)
        if text.isascii() and _NUMBER.fullmatch(text) and 0 < int(text) <= LARGEST_NUMBER:
            return cls("version", number=int(text))
        try:
            return cls("deployment", deployment_id=uuid.UUID(text))
        except ValueError:
            raise InvalidChoiceError(
                f'Cannot replay against "{text[:60]}": write "draft", "deployed", the number of a '
                "version or the id of a deployment"
            ) from None

    def __str__(self) -> str:
        match self.kind:
            case "version":
                return str(self.number)
            case "deployment":
                return str(self.deployment_id)
        return self.kind

    @property
    def needs_function(self) -> bool:
        """Whether it names something that one function only has."""
        return self.kind in ("version", "deployment")


@dataclass(frozen=True, slots=True)
class Version:
    """Code and variables that run. `deployment_id` is None for what is no deployment."""

    label: str
    number: int
    code: str
    environment: dict[str, str]
    deployment_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody asks for. Read it with `next_slice`.

    `function` narrows it to one; without, every event is for its own. With `others` the events of
    other functions run too, as deployed. `listening` leaves out what would not reach the function,
    without a word, and takes the sample where nothing is left.
    """

    account_id: str
    events: QuerySet[Event]
    most: int = MOST
    function: Function | None = None
    against: Against = Against()
    beside: Beside = Beside.HAPPENED
    network: bool = False
    others: bool = False
    listening: bool = False

    def __post_init__(self) -> None:
        if self.against.needs_function and self.function is None:
            raise InvalidChoiceError(
                f'Cannot replay against "{self.against}": say of which function it is'
            )


def of_deployment(deployment: Deployment, label: str) -> Version:
    return Version(
        label, deployment.version, deployment.code, deployment.environment, deployment.pk
    )


def live(function: Function) -> Version | None:
    """What serves now."""
    found = function.deployment
    return of_deployment(found, f"Deployed, version {found.version}") if found else None


def version(function: Function, against: Against) -> Version | None:
    """The version in question; None where nothing of the function is deployed.

    Raises:
        InvalidChoiceError: the function has no such version or deployment.
    """
    match against.kind:
        case "draft":
            label = f"Draft, version {function.version}"
            return Version(label, function.version, function.code, function.environment)
        case "deployed":
            return live(function)
        case "version":
            saved = function.versions.filter(number=against.number).first()
            if saved:
                return Version(
                    f"Version {saved.number}", saved.number, saved.code, saved.environment
                )
        case "deployment":
            assert against.deployment_id
            served = Deployment.objects.filter(
                account_id=function.account_id, function_id=function.pk, pk=against.deployment_id
            ).first()
            if served:
                label = f"Version {served.version}, deployed {served.created_at:%Y-%m-%d %H:%M} UTC"
                return of_deployment(served, label)
    what, others = "deployment", ""
    if against.kind == "version":
        numbers = function.versions.order_by("-number").values_list("number", flat=True)
        newest = list(numbers[: MOST_OFFERED + 1])
        shown = ", ".join(map(str, newest[:MOST_OFFERED]))
        others = f", choose one of {shown}{' …' if len(newest) > MOST_OFFERED else ''}"
        what = "version"
    raise InvalidChoiceError(
        f'Cannot replay against the {what} "{against}": "{function.name}" has none such{others}'
    )


def versions_of(function: Function) -> Sequence[tuple[str, str]]:
    """What can be chosen, as text form and label: the draft, what is deployed, saved versions."""
    offered = [("draft", f"Draft, version {function.version}")]
    if function.deployment:
        offered.append(("deployed", f"Deployed, version {function.deployment.version}"))
    numbers = function.versions.exclude(number=function.version).order_by("-number")
    offered += [
        (str(number), f"Version {number}")
        for number in numbers.values_list("number", flat=True)[:MOST_OFFERED]
    ]
    return offered
