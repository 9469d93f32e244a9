"""Our own errors to Sentry, where somebody wants them there: what failed where, and no contents."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from structlog.contextvars import get_contextvars

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

# Everything else that the SDK collects may hold what somebody sent, or who they are.
KEPT = frozenset(
    {"event_id", "timestamp", "level", "logger", "platform", "release", "environment", "sdk",
     "exception", "logentry", "transaction", "type"}
)  # fmt: skip


def begin() -> None:
    """Send errors from now on. Does nothing without HOUSTON_SENTRY_DSN.

    Raises:
        ImproperlyConfigured: what sends them is not installed.
    """
    if not settings.SENTRY_DSN:
        return
    try:
        import sentry_sdk  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise ImproperlyConfigured(
            "Cannot send errors to HOUSTON_SENTRY_DSN: sentry-sdk is missing, install it, or unset "
            "the variable"
        ) from error
    from houston import __version__  # noqa: PLC0415 -- while this package is loaded

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=f"houston@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=scrub,
    )


def scrub(event: "Event", hint: "Hint") -> "Event":  # noqa: ARG001 -- the SDK calls it
    """Keep the kind of error, the places in the code and our ids.

    The text of an error goes too: it may quote what it failed on. The log has it, by these ids.
    """
    found: Event = {key: value for key, value in event.items() if key in KEPT}  # type: ignore[assignment]
    for exception in (found.get("exception") or {}).get("values", []):
        exception["value"] = ""
    if "logentry" in found:
        found["logentry"] = {"message": found["logentry"].get("message", "")}
    found["tags"] = {key: str(value) for key, value in get_contextvars().items() if value != ""}
    return found
