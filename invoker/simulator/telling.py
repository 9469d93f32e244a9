"""Notifications of the simulated platform: LivePerson's, whose shapes say most.

Source: `controller-bot.md` §1.4 and §1.5.
"""

from __future__ import annotations

from typing import Any, Final

from invoker.simulator.shapes import Person, Scene

CONVERSATION: Final = "cqm.ExConversationChangeNotification"
MESSAGE: Final = "ms.MessagingEventNotification"

Notification = dict[str, Any]
"""Decoded, with LivePerson's envelope."""


def line(
    scene: Scene, author: Person, text: str, now_ms: int, *, private: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The next line of a conversation, and the notification of it."""
    event: dict[str, Any] = {
        "sequence": scene.next_sequence,
        "dialogId": scene.conv_id,
        "conversationId": scene.conv_id,
        "serverTimestamp": now_ms,
        "originatorId": author.id,
        "originatorMetadata": {"id": author.id, "role": author.role},
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": text},
    }
    if private:
        event["messageAudience"] = "AGENTS_AND_MANAGERS"
    return event, _envelope(MESSAGE, {"dialogId": scene.conv_id, "changes": [event]})


def conversation(scene: Scene) -> dict[str, Any]:
    """A conversation as it is now."""
    result: dict[str, Any] = {
        "convId": scene.conv_id,
        "effectiveTTR": scene.answer_due_ms,
        "conversationDetails": _details(scene),
    }
    if scene.last_line:
        result["lastContentEventNotification"] = scene.last_line
    return _envelope(CONVERSATION, {"changes": [{"type": "UPSERT", "result": result}]})


def _details(scene: Scene) -> dict[str, Any]:
    details = {
        "state": scene.state,
        "stage": scene.stage,
        "skillId": scene.skill_id,
        "participants": [
            {"id": each.id, "role": each.role} for each in scene.people if not each.suggested
        ],
        "nicknames": {each.id: each.name for each in scene.people},
        "dialogs": _dialogs(scene),
        "startTs": scene.start_ms,
        "metaDataLastUpdateTs": scene.updated_ms,
        "firstConversation": scene.first_time,
        "ttr": {"ttrType": scene.ttr_type, "value": scene.ttr_s},
        "manualETTR": scene.manual_ettr_ms,
        "context": {
            "type": "SharkContext",
            "lang": scene.language,
            "visitorId": scene.consumer.id,
            "sessionId": scene.conv_id,
            "interactionContextId": "1",
            "clientProperties": {
                "type": ".ClientProperties",
                "appId": "houston-simulator",
                "ipAddress": "192.0.2.1",
                "deviceFamily": "DESKTOP",
                "integration": "WEB_SDK",
                "features": ["AUTO_MESSAGES", "MULTI_DIALOG", "QUICK_REPLIES", "RICH_CONTENT"],
            },
        },
    }
    if scene.campaign_id or scene.engagement_id:
        details["campaignInfo"] = {
            "campaignId": scene.campaign_id or None,
            "engagementId": scene.engagement_id or None,
        }
    if scene.state == "CLOSE":
        details |= {"closeReason": scene.closed_by, "endTs": scene.end_ms}
    return details


def _dialogs(scene: Scene) -> list[dict[str, Any]]:
    everybody = [
        {
            "id": each.id,
            "role": each.role,
            "state": "SUGGESTED" if each.suggested else "ACTIVE",
        }
        for each in scene.people
    ]
    main = {
        "dialogId": scene.conv_id,
        "dialogType": "MAIN",
        "channelType": "MESSAGING",
        "state": scene.state,
        "participantsDetails": everybody,
    }
    if not scene.survey:
        return [main]
    survey = {
        "dialogId": f"{scene.conv_id}-survey",
        "dialogType": "POST_SURVEY",
        "channelType": "MESSAGING",
        "state": scene.survey,
    }
    return [main, survey]


def _envelope(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "notification", "type": kind, "body": body}
