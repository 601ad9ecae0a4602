"""Delivery status notifications (RFC 3464): only what the servers wrote is read."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.message import Message

from bot.bounces.classify import Bounce, explain

MAX_PARTS = 100  # more than any mail server writes; others are read line by line
REPORT = re.compile(r"^content-type:\s*(?:multipart/report|message/delivery-status)", re.IGNORECASE | re.MULTILINE)
BOUNDARY = re.compile(r"boundary\s*=", re.IGNORECASE)
REFUSED_ACTIONS = ("failed", "delayed", "")


def is_report(text: str) -> bool:
    """Whether the text is a message with a delivery report."""
    return bool(REPORT.search(text)) and len(BOUNDARY.findall(text)) <= MAX_PARTS


def parse_report(text: str) -> list[Bounce]:
    """One bounce per recipient that was refused or delayed; none without a delivery-status part."""
    message = email.message_from_string(text)
    blocks = [block for part in message.walk() for block in _blocks(part)]
    return [bounce for block in blocks for bounce in _bounces(block)]


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields in a delivery report: first per-message, then per-recipient."""
    if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
        yield from (block for block in part.get_payload() if isinstance(block, Message))


def _bounces(block: Message) -> Iterator[Bounce]:
    diagnostic, action = _field(block, "Diagnostic-Code"), _field(block, "Action").lower()
    status = _field(block, "Status")
    if action.partition(" ")[0] in REFUSED_ACTIONS and (diagnostic or status) and _field(block, "Final-Recipient"):
        yield explain(diagnostic or f"Status: {status}", status, _host(_field(block, "Remote-MTA")))


def _field(block: Message, name: str) -> str:
    return " ".join(str(block.get(name, "")).split())


def _host(field: str) -> str | None:
    """Parse `dns; mx.example.com (198.51.100.1)` to the host name."""
    tokens = field.rpartition(";")[2].split()
    return tokens[0] if tokens else None
