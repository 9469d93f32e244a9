"""The view that all others are: who asks, for which account, in which dialect."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar, cast

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from invoker.api.errors import PREFIX, ApiError
from invoker.api.parsers import JsonParser, check_length
from invoker.api.rates import CallerThrottle
from invoker.permissions import Caller, Permission, allowed, permits


class Dialect(StrEnum):
    """Which generation of the vendor's clients asks."""

    V1 = "v1"
    V2 = "v2"


class OneKind(BaseContentNegotiation):
    """An address reads and answers one kind of thing, whatever headers say."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:  # noqa: ARG002
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


class ApiRequest(Request):
    """A request whose token is for the account in its address."""

    id: str
    auth: Caller
    dialect: Dialect


class ApiView(APIView):
    """One address below `/api/account/<account id>/`.

    Subclasses say in `permissions` what each of their methods needs.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    permissions: ClassVar[dict[str, Permission]] = {}
    # An address that only one generation of clients knows says which.
    only: ClassVar[Dialect | None] = None
    two_dialects: ClassVar[bool] = False
    parser_classes = [JsonParser]
    throttle_classes = [CallerThrottle]
    content_negotiation_class = OneKind
    # Who may is asked by privilege, in check_permissions.
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        asked = cast("ApiRequest", request)
        asked.dialect = self.only or _dialect(request)
        _check_shape(request)
        super().initial(request, *args, **kwargs)

    def check_permissions(self, request: Request) -> None:
        """Refuse strangers (401), other accounts (404) and whoever lacks the privilege (403)."""
        asked = cast("ApiRequest", request)
        if asked.auth is None:
            self.permission_denied(request)
        caller = asked.auth
        if caller.account_id != self.kwargs["account_id"]:
            # Whether the account exists is nobody else's business.
            raise not_found(
                f'Cannot find the account "{self.kwargs["account_id"]}": this token is for '
                f'"{caller.account_id}", use one of that account'
            )
        method = "GET" if request.method == "HEAD" else request.method or ""
        if method not in self.allowed_methods:
            # Which is answered later, and is not secret.
            return
        permission = self.permissions[method]
        in_v1 = asked.dialect == Dialect.V1
        if not permits(permission, caller.privileges, is_team=caller.is_team, in_v1=in_v1):
            wanted = " or ".join(sorted(allowed(permission, in_v1=in_v1)))
            raise ApiError(
                403,
                f"Cannot {permission}: {caller.name} lacks the privilege {wanted}, ask an admin of "
                "the account",
                v1_code=f"{PREFIX}db.error.authorization",
            )


def not_found(message: str) -> ApiError:
    """404 for what is not there, or is not this caller's."""
    return ApiError(404, message, v1_code=f"{PREFIX}db.not-found")


def no_nul(text: str, what: str) -> str:
    """The text, unless it has a character that no database keeps.

    Raises:
        ApiError: 400.
    """
    if "\0" in text:
        raise ApiError(
            400,
            f"Cannot use {what}: it contains a NUL character",
            v1_code=f"{PREFIX}ui.api.bad-request",
        )
    return text


def _dialect(request: Request) -> Dialect:
    """Every request of V1 has `v=1`, none of V2 has. Source: `liveperson-contract.md` §1.3."""
    return Dialect.V1 if request.query_params.get("v") == "1" else Dialect.V2


def _check_shape(request: Request) -> None:
    for name, values in request.query_params.lists():
        for value in (name, *values):
            no_nul(value, f'the query parameter "{name[:40]}"'.replace("\0", ""))
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        # Without a length the body would be taken for empty.
        raise ApiError(
            411, "Cannot read the body: send a Content-Length", v1_code="length-required"
        )
    check_length(request)
