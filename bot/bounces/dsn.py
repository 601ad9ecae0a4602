"""Delivery reports: a whole bounce message, of which only what the servers said is read (RFC 3464)."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.message import Message

from bot.bounces.classify import Bounce, explain

MOST_PARTS = 100  # deeper nesting than any mail server writes; what nests further is read line by line instead
REPORT = re.compile(r"^content-type:\s*(?:multipart/report|message/delivery-status)", re.IGNORECASE | re.MULTILINE)
BOUNDARY = re.compile(r"boundary\s*=", re.IGNORECASE)
REFUSED = ("failed", "delayed", "")


def is_report(text: str) -> bool:
    """Whether the text is a message that holds a delivery report."""
    return bool(REPORT.search(text)) and len(BOUNDARY.findall(text)) <= MOST_PARTS


def read_report(text: str) -> list[Bounce]:
    """One bounce for every recipient that the report says was refused or put off; none where it has no such part."""
    message = email.message_from_string(text)
    blocks = [block for part in message.walk() for block in _blocks(part)]
    return [bounce for block in blocks for bounce in _bounces(block)]


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields in a delivery report: one about the message, then one for each recipient."""
    if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
        yield from (block for block in part.get_payload() if isinstance(block, Message))


def _bounces(block: Message) -> Iterator[Bounce]:
    said, action = _field(block, "Diagnostic-Code"), _field(block, "Action").lower()
    status = _field(block, "Status")
    if action.partition(" ")[0] in REFUSED and (said or status) and _field(block, "Final-Recipient"):
        yield explain(said or f"Status: {status}", status, _host(_field(block, "Remote-MTA")))


def _field(block: Message, name: str) -> str:
    return " ".join(str(block.get(name, "")).split())


def _host(field: str) -> str | None:
    """`dns; mx.example.com (198.51.100.1)` gives the name."""
    name = field.rpartition(";")[2].split()
    return name[0] if name else None
