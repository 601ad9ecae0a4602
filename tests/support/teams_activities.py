"""Activities as Teams sends them (Bot Framework activity schema)."""

from __future__ import annotations

from itertools import count
from typing import Any

BOT = "28:11111111-2222-4333-8444-555555555555"
CLIENT_ID = "11111111-2222-4333-8444-555555555555"
TENANT = "99999999-0000-4000-8000-000000000001"
ADA = {"id": "29:ada", "name": "Ada", "aadObjectId": "99999999-0000-4000-8000-0000000000ad", "role": "user"}
PERSONAL = "a:1ada"
GROUP = "19:chat@thread.v2"
CHANNEL = "19:mail@thread.tacv2"
TEAM = "19:team@thread.tacv2"

Activity = dict[str, Any]

numbers = count(1_600_000_000_000)


def activity(kind: str, service: str, **more: Any) -> Activity:
    """In the personal chat, unless `more` says otherwise."""
    return {
        "type": kind,
        "id": str(next(numbers)),
        "channelId": "msteams",
        "serviceUrl": service,
        "from": ADA,
        "recipient": {"id": BOT, "name": "mailcheck"},
        "conversation": {"id": PERSONAL, "conversationType": "personal", "tenantId": TENANT},
        "channelData": {"tenant": {"id": TENANT}},
        **more,
    }


def in_group() -> Activity:
    return {"conversation": {"id": GROUP, "conversationType": "groupChat", "tenantId": TENANT, "isGroup": True}}


def in_channel(root: str = "") -> Activity:
    place = f"{CHANNEL};messageid={root}" if root else CHANNEL
    return {
        "conversation": {"id": place, "conversationType": "channel", "tenantId": TENANT, "isGroup": True},
        "channelData": {"tenant": {"id": TENANT}, "team": {"id": TEAM}, "channel": {"id": CHANNEL}},
    }


def message(text: str, service: str, **place: Any) -> Activity:
    return activity("message", service, text=text, textFormat="plain", **place)


def mention(text: str, service: str, **place: Any) -> Activity:
    entity = {"type": "mention", "mentioned": {"id": BOT, "name": "mailcheck"}, "text": "<at>mailcheck</at>"}
    return message(f"<at>mailcheck</at>&nbsp;{text}", service, entities=[entity], **place)


def card_action(action: Activity, service: str, card: str, **place: Any) -> Activity:
    """A card action on the message `card`."""
    told = {"type": "Action.Execute", "verb": action["verb"], "data": action["data"]}
    value = {"action": told, "trigger": "manual"}
    return activity("invoke", service, name="adaptiveCard/action", value=value, replyToId=card, **place)
