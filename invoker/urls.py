"""The doors that messaging platforms knock on. They prove who they are, nobody signs in here."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from invoker import ingest

_receive = login_not_required(ingest.receive)

event_urls = [
    path("<uuid:connection_id>", _receive, name="events"),
    # Some clients add a slash of their own, and a redirect would lose what they sent.
    path("<uuid:connection_id>/", _receive),
    # For platforms that do not sign: what follows proves them.
    path("<uuid:connection_id>/<str:token>", _receive, name="events-token"),
]
