"""The token with which somebody in the console uses the API, see `static/js/token.js`."""

from typing import cast

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from houston import auth
from houston.middleware import AccountRequest
from houston.views.answers import private


@require_POST
def session_token(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    """What the vendor's console keeps for its command line. Source: `…-contract.md` §1.8."""
    login = auth.log_in_by_session(
        request.user,
        request.account,
        session_key=cast("str", request.session.session_key),
    )
    kept = {"glob": auth.login_token(login), "config": {"userId": str(request.user.pk)}}
    return private(JsonResponse(kept))
