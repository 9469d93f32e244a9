"""The doors that messaging platforms knock on, and where functions are invoked from outside."""

from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path

from invoker import ingest
from invoker.gateway import views

_receive = login_not_required(ingest.receive)

# They prove who they are, nobody signs in here.
event_urls: list[URLPattern] = [
    path("<uuid:connection_id>", _receive, name="events"),
    # Some clients add a slash of their own, and a redirect would lose what they sent.
    path("<uuid:connection_id>/", _receive),
    # For platforms that do not sign: what follows proves them.
    path("<uuid:connection_id>/<str:token>", _receive, name="events-token"),
]

# Below api/account/<account id>/, as the vendor's gateway. Source: `liveperson-contract.md` §2.1.
gateway_urls: list[URLPattern] = [
    path("lambdas/<str:function_id>/invoke", views.InvokeView.as_view(), name="invoke"),
    path("events/<str:event_id>/invoke", views.InvokeEventView.as_view(), name="invoke-event"),
    path(
        "events/<str:event_id>/isImplemented",
        views.ImplementedView.as_view(),
        name="is-implemented",
    ),
]
