"""The product's addresses, and a few more that do what no page should."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path

from houston.urls import handler400, handler403, handler404, handler500, urlpatterns
from invoker.encryption import UnreadableSecretError

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

ERRORS = {
    "400": SuspiciousOperation("secret detail"),
    "403": PermissionDenied("You need the role admin here"),
    "413": RequestDataTooBig("secret detail"),
    "500": RuntimeError("secret detail"),
    "database": OperationalError("secret detail"),
    "keys": UnreadableSecretError("secret detail"),
}


@login_not_required
def fail(request, kind):
    raise ERRORS[kind]


@login_not_required
def door(request, account_id):
    return HttpResponse("who are you")


def talk(request, kind):
    messages.success(request, "It is done & <b>dusted</b>")
    if kind == "redirect":
        return redirect("home")
    if kind == "json":
        return JsonResponse({})
    return HttpResponse("<p>fragment</p>", status={"fragment": 200, "invalid": 422}[kind])


urlpatterns = [
    *urlpatterns,
    path("fail/<str:kind>/", fail),
    path("door/<str:account_id>/", door),
    path("talk/<str:kind>/", talk),
]
