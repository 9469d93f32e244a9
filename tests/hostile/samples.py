"""Valid notifications of every kind, for every door, which are then spoilt."""

import json
import time
from typing import Any

from invoker import events
from invoker.platforms.generic import EVENT_PREFIX, EVENT_WORDS
from tests.invoker import notifications, senders, test_chatwoot

CAPTURED = (
    "liveperson_raw_message",
    "liveperson_raw_opened",
    "liveperson_raw_survey_running",
    "liveperson_webhook_closed",
    "liveperson_webhook_message",
    "liveperson_webhook_opened",
    "liveperson_webhook_typing",
)


def generic() -> dict[str, Any]:
    """CloudEvents, by what they tell."""
    at = senders.now_ms()
    full = {
        "participants": [senders.CONSUMER, senders.AGENT],
        "manualETTR": at + 60_000,
        "effectiveTTR": at + 600_000,
        "nicknames": {"agent-1": "Kim"},
        "campaignInfo": {"campaignId": "11", "engagementId": "12"},
        "context": _context(),
    }
    told = {
        "opened": senders.updated(),
        "told in full": senders.updated(**full),
        "closed": senders.updated(state="CLOSE", closeReason="CONSUMER", endTs=at),
        "line": senders.line(),
        "LivePerson's conversation": senders.cloud_event(
            "com.liveperson.cqm.ExConversationChangeNotification",
            notifications.captured("liveperson_webhook_opened")["body"],
        ),
        "LivePerson's message": senders.cloud_event(
            "com.liveperson.ms.MessagingEventNotification",
            notifications.captured("liveperson_webhook_message")["body"],
        ),
    }
    for word, event_id in EVENT_WORDS.items():
        data = events.sample(event_id)["payload"]
        told[f"derived {word}"] = senders.cloud_event(EVENT_PREFIX + word, data)
    for one in told.values():
        one["id"], one["subject"] = "event-1", "c-1"
        one["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return told


def batches() -> dict[str, Any]:
    """Two events in one request, of one conversation and of two."""
    told = generic()
    second = {**told["line"], "id": "event-2"}
    other = json.loads(json.dumps(second).replace("c-1", "c-2"))
    return {"batch": [told["opened"], second], "batch of two": [told["told in full"], other]}


def liveperson() -> dict[str, Any]:
    """Webhooks, as they were captured, and some that hold much more than those."""
    told = {name: notifications.captured(name) for name in CAPTURED}
    told["closed"] = notifications.closed()
    told["told in full"] = notifications.snapshot(
        participants=[notifications.CONSUMER, notifications.AGENT, notifications.SUGGESTED],
        dialogs=[notifications.dialog(participantsDetails=[notifications.SUGGESTED])],
        manualETTR=notifications.T0,
        firstConversation=True,
        campaignInfo={"campaignId": "11", "engagementId": "12"},
        context=_context(),
        nicknames={"agent-1": "Kim"},
        last=notifications.event(),
    )
    two = notifications.snapshot()
    two["body"]["changes"] *= 2
    told["two changes"] = two
    return told


def chatwoot() -> dict[str, Any]:
    """Webhooks of conversations and messages."""
    return {
        "opened": test_chatwoot.told(event="conversation_created", timestamp=int(time.time())),
        "changed": test_chatwoot.told(),
        "resolved": test_chatwoot.told(event="conversation_status_changed", status="resolved"),
        "message": test_chatwoot.message(),
    }


def _context() -> dict[str, Any]:
    return {
        "type": "SharkContext",
        "lang": "en-US",
        "visitorId": "v",
        "sessionId": "s",
        "interactionContextId": "2",
        "clientProperties": {
            "type": ".ClientProperties",
            "appId": "webAsync",
            "ipAddress": "10.0.0.1",
            "deviceFamily": "DESKTOP",
            "os": "LINUX",
            "osVersion": "6",
            "integration": "WEB_SDK",
            "integrationVersion": "3.0",
            "browser": "CHROME",
            "browserVersion": "120",
            "timeZone": "Europe/Berlin",
            "features": ["AUTO_MESSAGES", "RICH_CONTENT"],
        },
    }
