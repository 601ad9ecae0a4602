"""Delivery status notifications (RFC 3464): only what the servers wrote is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message

from bot.bounces.bounce_text import is_mime, own_parts, parse_message
from bot.bounces.classify import Bounce, explain

REPORT_FIELD = re.compile(
    r"(final-recipient|original-recipient|action|status|remote-mta|diagnostic-code|reporting-mta|received-from-mta"
    r"|arrival-date|last-attempt-date|will-retry-until|final-log-id|x-[a-z0-9-]{1,60})\s?:(.*)$",
    re.IGNORECASE,
)
REFUSED_ACTIONS = ("failed", "delayed", "")
DELIVERED_ACTIONS = ("delivered", "relayed", "expanded")
RECIPIENT_FIELDS = ("final-recipient", "original-recipient")


def parse_report(text: str) -> list[tuple[str, Bounce]]:
    """Each recipient that was refused or delayed, with the bounce; none without a delivery-status part."""
    return [bounce for group in _report_groups(text) for bounce in _bounces(group)]


def is_delivered_report(text: str) -> bool:
    """Whether the report says of every recipient that the message was delivered: there is nothing to explain."""
    actions = [_action(group) for group in _report_groups(text) if any(map(group.get, RECIPIENT_FIELDS))]
    return bool(actions) and all(action in DELIVERED_ACTIONS for action in actions)


def _report_groups(text: str) -> list[dict[str, str]]:
    """The groups of fields in the delivery-status parts; none if there is no such part."""
    if not is_mime(text):
        return []
    blocks = [block for part in own_parts(parse_message(text)) for block in _blocks(part)]
    return [{name.lower(): str(block[name]) for name in block} for block in blocks]


def parse_fields(lines: Sequence[str]) -> list[tuple[str, Bounce]]:
    """The same from the fields alone, as people paste them: groups are parted by a blank line or the next recipient."""
    groups: list[dict[str, str]] = [{}]
    name = ""
    for line in lines:
        field = REPORT_FIELD.match(line.strip())
        if field:
            name = field[1].lower()
            if name in groups[-1] and (name in RECIPIENT_FIELDS or "diagnostic-code" in groups[-1]):
                groups.append({})
            groups[-1][name] = field[2].strip()
        elif line.startswith((" ", "\t")) and name:
            groups[-1][name] += f" {line.strip()}"
        else:
            name = ""
            if not line.strip() and groups[-1]:
                groups.append({})
    return [bounce for group in groups for bounce in _bounces(group)]


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields in a delivery report: first per-message, then per-recipient."""
    if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
        yield from (block for block in part.get_payload() if isinstance(block, Message))


def _bounces(fields: Mapping[str, str]) -> Iterator[tuple[str, Bounce]]:
    diagnostic, status = _value(fields, "diagnostic-code"), _value(fields, "status")
    recipient = next((fields[name] for name in RECIPIENT_FIELDS if fields.get(name)), "")
    if _action(fields) in REFUSED_ACTIONS and (diagnostic or status) and recipient:
        bounce = explain(diagnostic or f"Status: {status}", status, _host(_value(fields, "remote-mta")))
        yield recipient.rpartition(";")[2].strip(" <>").lower(), bounce


def _action(fields: Mapping[str, str]) -> str:
    return _value(fields, "action").lower().partition(" ")[0]


def _value(fields: Mapping[str, str], name: str) -> str:
    return " ".join(fields.get(name, "").split())


def _host(field: str) -> str | None:
    """Parse `dns; mx.example.com (198.51.100.1)` to the host name."""
    tokens = field.rpartition(";")[2].split()
    return tokens[0] if tokens else None
