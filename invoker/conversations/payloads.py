"""What functions receive: the payload documents of derived events."""

from __future__ import annotations

from typing import Any

import msgspec

from invoker import events
from invoker.conversations.changes import ClientProperties, Line, Snapshot, as_text
from invoker.conversations.circumstances import Circumstances, IdleTimer
from invoker.conversations.states import State, role_of
from invoker.events import IdleTime, Participant


class Cause(msgspec.Struct, frozen=True):
    """What an event is about: kind of the change, dialog, moment, and line where there is one."""

    type: str
    dialog_id: str
    at_ms: int
    line: Line | None = None


def messaging_payload(
    subtype: str, cause: Cause, old: State, new: State, now: Circumstances
) -> dict[str, Any]:
    """Build the document of controller-bot functions, complete whatever the event."""
    line = cause.line
    times = now.idle_times(new.skill_id)
    client = new.context.client_properties or ClientProperties()
    waiting = new.first_unanswered_consumer_ts is not None
    payload = events.Payload(
        general=events.General(
            cbot_event_type=subtype,
            type=cause.type,
            conv_id=new.conv_id,
            dialog_id=cause.dialog_id,
            session_id=as_text(new.context.session_id),
            start_ts=new.start_ts,
            effective_ttr=str(new.effective_ttr),
            old_conv_state=old.state,
            new_conv_state=new.state,
            context_type=new.context.type,
            campaign_info=new.campaign,
            client_language=new.context.lang,
            client_features=client.features or (),
            in_off_hours=not now.hours.shift(new.skill_id, cause.at_ms).open,
            visitor_id=as_text(new.context.visitor_id),
            originator_id=line.originator_id if line else None,
            originator_pid=line.originator_pid if line else None,
            originator_metadata=Participant(line.originator_pid or "", role_of(new, line))
            if line
            else None,
            server_timestamp=line.ts_ms if line else None,
            client_ip_adress=client.ip_address,
            manual_ettr=str(new.manual_ettr) if new.manual_ettr else None,
            last_message_composer=new.last_msg_role,
            last_message_ts=new.last_msg_ts,
            last_agent_msg_ts=new.last_agent_ts,
            back_to_queue_ts=new.at.back_to_queue_ts,
        ),
        start=events.Start(new.first_conversation),
        end=events.End(new.close_reason or None),
        ttr=events.TtrChange(old.ttr, new.ttr),
        routing=events.Routing(old.skill_id, new.skill_id),
        participant_change=events.ParticipantChange(old.participants, new.participants),
        mid=events.Mid(new.opened_in_off_hours),
        idle=events.Idle(
            (waiting and new.last_consumer_ts) or False,
            _shown(times.agent_non_responsive),
            _shown(times.consumer_non_responsive),
            _shown(times.conv_awaiting_in_queue),
        ),
    )
    return _plain(payload)


def _shown(timer: IdleTimer) -> IdleTime:
    """An idle time in the largest unit that needs no fraction."""
    seconds = timer.length_ms // 1000
    for units, length in (("hours", 3600), ("minutes", 60)):
        if seconds and seconds % length == 0:
            return IdleTime(seconds // length, units)
    return IdleTime(seconds, "seconds")


def survey_payload(new: State, snapshot: Snapshot, now: Circumstances) -> dict[str, Any]:
    """Build the flat document of survey functions; the survey bot alone knows its questions."""
    document = {
        "conversationId": new.conv_id,
        "accountId": now.account_id or snapshot.brand_id,
        "surveyId": None,
        "surveyRevision": None,
        "skillId": new.skill_id,
        "effectiveTTR": new.effective_ttr,
        "lastContentEventNotification": snapshot.last_content,
        "campaignInfo": {
            "campaignId": new.campaign.id,
            "engagementId": new.campaign.engagement_id,
        },
        "closeReason": new.close_reason or None,
        "context": new.context,
        "dialogs": snapshot.dialogs or (),
        "firstConversation": new.first_conversation,
        "participants": new.participants,
        "state": new.state,
        "startTs": new.start_ts,
        "ttr": new.ttr,
        "lastQuestionId": None,
    }
    return _plain(document)


def _plain(document: object) -> dict[str, Any]:
    """Reduce a document to what JSON knows, lists instead of tuples among it."""
    return msgspec.json.decode(msgspec.json.encode(document), type=dict[str, Any])
