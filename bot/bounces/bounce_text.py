"""Pasted text as it was before quoting, indenting, HTML and lost line ends; the readable parts of a message."""

from __future__ import annotations

import base64
import email
import html
import re
from collections.abc import Iterator, Sequence
from email.message import Message

from bot.bounces.text_input import decode_bytes

MAX_PARTS = 100  # more than any mail server writes; others are read as plain text
MAX_QUOTES = 6  # levels of "> "
QUOTED_SHARE = 0.6
SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
QUOTE = re.compile(r"(?: {0,3}[>|] ?){1,20}")
BOUNDARY = re.compile(r"boundary\s*=", re.IGNORECASE)
FIRST_HEADER = re.compile(r"[!-9;-~]{1,76}[ \t]?:")
LOOSE_PART = re.compile(r"--(?P<boundary>[^\s]{1,70})\nContent-", re.IGNORECASE)
MIME_HEADER = re.compile(r"^(?:content-type|content-transfer-encoding|mime-version)\s?:", re.IGNORECASE | re.MULTILINE)
DEFANGED = re.compile(r"(?<=[A-Za-z0-9])(?:\[\.\]|\(\.\))(?=[A-Za-z0-9])")  # 203[.]0[.]113[.]9
BASE64_LINE = re.compile(r"[A-Za-z0-9+/]{4,100}={0,2}")
MIN_BASE64_CHARS = 200
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})(?:\s[^<>]{0,4000})?/?>")
BLOCK_TAGS = frozenset(
    ("br", "p", "div", "tr", "table", "li", "ul", "ol", "hr", "pre", "h1", "h2", "h3", "h4", "body", "html", "title")
)
CELL_TAGS = frozenset(("td", "th"))
LINE_TAGS = re.compile(r"<(?:br|p|div|tr|li)\b", re.IGNORECASE)
HIDDEN_TAGS = frozenset(("style", "script", "head"))
MIN_TAGS = 4
AUTOMATIC_SENDERS = ("mailer-daemon", "postmaster", "mail delivery", "microsoftexchange", "no-reply", "noreply")
# Fields and parts of a report whose line ends were lost; one that has them has each on a line of its own.
LOST_LINE_END = re.compile(
    r"(?<=\S)[ \t](?=(?:reporting-mta|received-from-mta|arrival-date|last-attempt-date|final-recipient"
    r"|original-recipient|action|status|remote-mta|diagnostic-code|will-retry-until|x-postfix-[a-z-]{1,30}|content-type"
    r"|content-transfer-encoding|content-description|return-path|received|from|to|subject|message-id|mime-version"
    r"|auto-submitted|date): |--[^\s-][^\s]{2,70} content-|<<< |>>> |----- )",
    re.IGNORECASE,
)
MAX_LINES_WITHOUT_ENDS = 3
MIN_LOST_ENDS = 3


def restore_text(lines: Sequence[str]) -> str:
    """The text without quotes, common indent, unusual spaces and, if it is HTML, tags; lost line ends restored."""
    lines = [DEFANGED.sub(".", line) if "[.]" in line or "(.)" in line else line for line in lines]
    cleaned = [
        INVISIBLE.sub("", SPACES.sub(" ", line)).rstrip() if not line.isascii() else line.rstrip() for line in lines
    ]
    for _ in range(MAX_QUOTES):
        filled = [line for line in cleaned if line]
        quoted = sum(line.lstrip().startswith((">", "|")) and not line.startswith(">>> ") for line in filled)
        if not filled or quoted < len(filled) * QUOTED_SHARE:
            break
        cleaned = [QUOTE.sub("", line, count=1) if not line.startswith(">>> ") else line for line in cleaned]
    indent = _common_indent([line for line in cleaned if line])
    text = "\n".join(line[indent:] for line in cleaned).strip("\n")
    if (
        sum(1 for line in cleaned if line) <= MAX_LINES_WITHOUT_ENDS
        and len(LOST_LINE_END.findall(text)) >= MIN_LOST_ENDS
    ):
        text = LOST_LINE_END.sub("\n", text)
    text = _from_base64(text)
    return text if is_mime(text) else _without_tags(text)


def _from_base64(text: str) -> str:
    """The text of a body that was pasted without the header which says that it is base64."""
    lines = text.split("\n")
    if len(text) < MIN_BASE64_CHARS or not all(map(BASE64_LINE.fullmatch, filter(None, lines))):
        return text
    try:
        content = base64.b64decode("".join(lines), validate=True)
    except ValueError:
        return text
    decoded = decode_bytes(content, "utf-8")
    return decoded if decoded.replace("\n", "").replace("\r", "").replace("\t", "").isprintable() else text


def _common_indent(lines: Sequence[str]) -> int:
    """How many spaces and tabs all lines start with."""
    indents = [line[: len(line) - len(line.lstrip())] for line in lines] or [""]
    first, last = min(indents), max(indents)
    return next((number for number, char in enumerate(first) if char != last[number]), len(first))


def is_mime(text: str) -> bool:
    """Whether the text is a message with MIME headers, or parts of one."""
    return bool(MIME_HEADER.search(text)) and len(BOUNDARY.findall(text)) <= MAX_PARTS


def parse_message(text: str) -> Message:
    """The text as a message; parts that were pasted without the header before them get one."""
    if not FIRST_HEADER.match(text) and (part := LOOSE_PART.search(text)):
        text = f'Content-Type: multipart/mixed; boundary="{part["boundary"]}"\n\n{text}'
    return email.message_from_string(text)


def text_parts(text: str) -> tuple[list[str], bool]:
    """The texts that a person would read, without the copied original, and whether it was a message."""
    if not is_mime(text):
        header, _, body = text.partition("\n\n")
        is_message = bool(FIRST_HEADER.match(text)) and all(
            FIRST_HEADER.match(line) or line[:1] in " \t" for line in header.split("\n")
        )
        return [body if is_message and body else text], is_message and bool(body)
    parts = [_decoded(part) for part in own_parts(parse_message(text)) if part.get_content_maintype() == "text"]
    return [part for part in parts if part.strip()] or [text], True


def own_parts(message: Message) -> Iterator[Message]:
    """The parts of a message, without those of a message in it, which is the copied original."""
    yield message
    if message.is_multipart() and message.get_content_type() not in ("message/rfc822", "message/delivery-status"):
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from own_parts(part)


def _decoded(part: Message) -> str:
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    payload = part.get_payload(decode=True) if encoding in ("base64", "quoted-printable") else part.get_payload()
    if isinstance(payload, bytes):
        payload = decode_bytes(payload, part.get_content_charset("utf-8"))
    text = str(payload)
    return _without_tags(text) if part.get_content_subtype() == "html" else text


def _without_tags(text: str) -> str:
    """HTML as text; text with only a few tags, or none, as it is."""
    if len(TAG.findall(text)) < MIN_TAGS:
        return text
    parts: list[str] = []
    position, hidden, source_lines = 0, "", not LINE_TAGS.search(text) or "<pre" in text.lower()
    for tag in TAG.finditer(text):
        name = tag[2].lower()
        if not hidden:
            parts.append(_between_tags(text[position : tag.start()], source_lines, parts))
            parts.append("\n" if name in BLOCK_TAGS else "\t" if name in CELL_TAGS and not tag[1] else "")
        if hidden == name and tag[1]:
            hidden = ""
        elif not hidden and name in HIDDEN_TAGS and not tag[1]:
            hidden = name
        position = tag.end()
    parts.append("" if hidden else _between_tags(text[position:], source_lines, parts))
    return html.unescape("".join(parts))


def _between_tags(text: str, source_lines: bool, before: Sequence[str]) -> str:
    """Text between tags; where tags end the lines, a line end of the source is a space, and none after such a tag."""
    if source_lines:
        return text
    if before and before[-1] == "\n":
        text = text.removeprefix("\n")
    return text.replace("\n", " ")


def attached_messages(text: str) -> Iterator[str]:
    """The messages attached to a message, as when a bounce is forwarded; some programs attach them as plain files."""
    if not is_mime(text):
        return
    for part in parse_message(text).walk():
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            yield from (inner.as_string() for inner in part.get_payload() if isinstance(inner, Message))
        elif (part.get_filename() or "").lower().endswith(".eml") and not part.is_multipart():
            payload = part.get_payload(decode=True)
            yield decode_bytes(payload, "utf-8") if isinstance(payload, bytes) else ""


def is_by_a_person(text: str) -> bool:
    """Whether the message was written by a person: it came from an address, and not automatically."""
    message = parse_message(text)
    sender = str(message.get("from", "")).lower()
    automatic = str(message.get("auto-submitted", "no")).strip().lower()
    return (
        is_mime(text)
        and "@" in sender
        and not any(name in sender for name in AUTOMATIC_SENDERS)
        and automatic == "no"
        and str(message.get("return-path", "")).strip() != "<>"
    )
