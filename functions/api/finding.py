"""What addresses of the API name, always inside one account."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import QueryDict

from functions.models import Function, State
from invoker.api import PREFIX, ApiError
from invoker.models import Deployment

SERVING = frozenset({State.PRODUCTIVE, State.MODIFIED})


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of functions is asked for; empty means all.

    Names and events match by any part of them. Source: `liveperson-contract.md` §2.1.
    """

    name: str = ""
    event_type: str = ""
    states: Sequence[str] = ()

    @classmethod
    def read(cls, query: QueryDict, *, name: str) -> "Filters":
        """What a request asks for; `name` is the parameter of the name. Empty ones ask nothing."""
        return cls(
            name=query.get(name, ""),
            event_type=query.get("eventId", ""),
            states=[state for state in query.getlist("state") if state],
        )

    def match(self, function: Function) -> bool:
        return (
            self.name in function.name
            and self.event_type in function.event_type
            and (not self.states or function.state in self.states)
        )


def find_function(account_id: str, function_id: uuid.UUID) -> Function:
    """The function with its deployment.

    Raises:
        ApiError: 404, the account has none with this id.
    """
    found = of_account(account_id).filter(pk=function_id).first()
    if found is None:
        raise ApiError(
            404,
            f'Cannot find the function "{function_id}": it was deleted, or never was in this '
            "account",
            v1_code=f"{PREFIX}db.not-found",
            v2_code=f"{PREFIX}function.not-found",
        )
    return found


def of_account(account_id: str) -> QuerySet[Function]:
    """Its functions by name, with as much of their deployments as tells their state."""
    found = Function.objects.filter(account_id=account_id).select_related("deployment")
    return found.defer("deployment__code", "deployment__environment").order_by("name")


def last_deployments(functions: Iterable[Function]) -> dict[uuid.UUID, Deployment]:
    """Of each function what serves, else what served last or failed to. At most one query."""
    found = {}
    others = []
    for function in functions:
        if function.state in SERVING and function.deployment:
            found[function.pk] = function.deployment
        else:
            others.append(function.pk)
    if not others:
        return found
    newest = Deployment.objects.filter(function_id=OuterRef("function_id")).order_by(
        "-created_at", "-pk"
    )
    rows = Deployment.objects.filter(function_id__in=others, pk=Subquery(newest.values("pk")[:1]))
    return found | {row.function_id: row for row in rows.defer("code", "environment")}
