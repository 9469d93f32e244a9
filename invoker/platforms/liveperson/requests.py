"""What the bot asks of the platform: the same bodies as the vendor's own client sends.

Source: `controller-bot.md` §1.4 to §1.6 and §4.2.
"""

from dataclasses import dataclass
from typing import Any

_UPDATE = ".ams.cm.UpdateConversationField"


@dataclass(frozen=True, slots=True)
class Request:
    type: str
    body: dict[str, Any]


def get_clock() -> Request:
    return Request(".GetClock", {})


def subscribe(since_ms: int | None) -> Request:
    """Every open conversation; with `since_ms`, all that changes from then on, closed ones too."""
    body: dict[str, Any] = {"convState": ["OPEN"]}
    if since_ms is not None:
        body = {"convState": ["OPEN", "CLOSE"], "minLastUpdatedTime": since_ms}
    return Request(".ams.aam.SubscribeExConversations", body)


def query_messages(dialog_id: str, newer_than: int | None) -> Request:
    body: dict[str, Any] = {"dialogId": dialog_id}
    if newer_than is not None:
        body["newerThanSequence"] = newer_than
    return Request(".ams.ms.QueryMessages", body)


def publish(dialog_id: str, text: str) -> Request:
    event = {"type": "ContentEvent", "contentType": "text/plain", "message": text}
    return Request(".ams.ms.PublishEvent", {"dialogId": dialog_id, "event": event})


def join(conv_id: str, user_id: str) -> Request:
    return _update(conv_id, _participant("ADD", "MANAGER", user_id))


def transfer(
    conv_id: str, *, skill_id: str, agent_id: str | None, assigned: tuple[str, ...]
) -> Request:
    """To a skill, and within it to one agent when `agent_id` (`<account>.<user>`) is given.

    `assigned` are those who have the conversation now. The platform refuses the whole request
    when it should remove somebody who is not there.
    """
    fields = [_participant("REMOVE", "ASSIGNED_AGENT", one) for one in assigned]
    if agent_id is not None:
        fields.append(_participant("SUGGEST", "ASSIGNED_AGENT", agent_id))
    return _update(conv_id, *fields, {"field": "Skill", "type": "UPDATE", "skill": skill_id})


def close_conversation(conv_id: str) -> Request:
    """Close it with all its dialogs, so that no survey starts."""
    return _update(conv_id, {"field": "ConversationStateField", "conversationState": "CLOSE"})


def close_dialog(conv_id: str, dialog_id: str) -> Request:
    """Close one dialog. When it is the main one, a survey may start."""
    dialog = {"dialogId": dialog_id, "state": "CLOSE"}
    return _update(conv_id, {"field": "DialogChange", "type": "UPDATE", "dialog": dialog})


def _update(conv_id: str, *fields: dict[str, Any]) -> Request:
    return Request(_UPDATE, {"conversationId": conv_id, "conversationField": list(fields)})


def _participant(change: str, role: str, user_id: str) -> dict[str, Any]:
    # Always with an id: the vendor's client puts its own user in where there is none.
    return {"field": "ParticipantsChange", "type": change, "role": role, "userId": user_id}
