"""Validates messages and views against Slack's limits and this project's own rules.

Those are: no markup, no unfurling, no mentions. The numbers are Slack's (Block Kit reference) and
written down a second time, so that a wrong limit in the code is not wrong here too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Faults = Iterator[str]

ENVELOPE = {
    "chat.postMessage": {"channel", "thread_ts", "unfurl_links", "unfurl_media", "metadata", "reply_broadcast"},
    "chat.postEphemeral": {"channel", "user", "thread_ts"},
    "chat.update": {"channel", "ts"},
    "response_url": {"response_type", "replace_original", "thread_ts", "unfurl_links", "unfurl_media"},
    "acknowledgement": {"response_type", "unfurl_links", "unfurl_media"},
}
CONTROL_CHARACTERS = re.compile(
    "[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
MARKUP = re.compile(r"[<>*~`]|&(?!amp;|lt;)|_(?!\w)|://")


def message_faults(payload: Mapping[str, Any], method: str = "chat.postMessage") -> list[str]:
    """All reasons to reject the message; empty for a valid one."""
    return list(_message(payload, method))


def form_faults(view: Mapping[str, Any]) -> list[str]:
    """All reasons to reject a modal (docs.slack.dev, Modal views; Input block)."""
    return list(_form(view))


def home_faults(view: Mapping[str, Any]) -> list[str]:
    """All reasons to reject a Home tab view (docs.slack.dev, Home tab views)."""
    return list(_home(view))


def _home(view: Mapping[str, Any]) -> Faults:
    yield from _keys(view, "home", {"type", "blocks"}, {"private_metadata", "callback_id", "external_id"})
    if view.get("type") != "home":
        yield "not a home"
    yield from _count("blocks", view.get("blocks"), 1, 100)
    for block in view.get("blocks", ()):
        yield from _block(block)
    texts = list(_strings(view.get("blocks", ())))
    if any(CONTROL_CHARACTERS.search(text) for text in texts):
        yield "a control, zero-width or direction character"
    if len(json.dumps(view)) > 250_000:
        yield "more than 250 kB"


def _form(view: Mapping[str, Any]) -> Faults:
    envelope = {"type", "callback_id", "private_metadata", "title", "submit", "close", "blocks"}
    yield from _keys(view, "form", envelope, set())
    yield from _length("callback_id", view.get("callback_id"), 1, 255)
    yield from _length("private_metadata", view.get("private_metadata"), 0, 3_000)
    for edge in ("title", "submit", "close"):
        yield from _plain_text(edge, view.get(edge), 24)
    yield from _count("blocks", view.get("blocks"), 1, 100)
    for block in view.get("blocks", ()):
        yield from _keys(block, "input", {"type", "block_id", "label", "element"}, {"optional", "hint"})
        yield from _plain_text("label", block.get("label"), 2_000)
        if "hint" in block:
            yield from _plain_text("hint", block["hint"], 2_000)
        yield from _element(block.get("element", {}))


def _element(element: Mapping[str, Any]) -> Faults:
    if element.get("type") == "plain_text_input":
        yield from _keys(element, "text input", {"type", "action_id", "placeholder", "max_length"}, {"multiline"})
        yield from _plain_text("placeholder", element.get("placeholder"), 150)
        if not 1 <= element.get("max_length", 0) <= 3_000:
            yield "max_length is not 1 to 3,000"
        return
    if element.get("type") == "file_input":
        yield from _keys(element, "file input", {"type", "action_id", "max_files"}, {"filetypes"})
        if not 1 <= element.get("max_files", 0) <= 10:
            yield "max_files is not 1 to 10"
        return
    if element.get("type") == "conversations_select":
        yield from _keys(element, "channels", {"type", "action_id", "placeholder"}, {"filter"})
        yield from _plain_text("placeholder", element.get("placeholder"), 150)
        if not set(element.get("filter", {}).get("include", ["im"])) <= {"im", "mpim", "private", "public"}:
            yield "an unknown kind of channel"
        return
    yield from _keys(element, "select", {"type", "action_id", "options", "initial_option"}, set())
    yield from _count("options", element.get("options"), 1, 100)
    for option in element.get("options", ()):
        yield from _plain_text("option", option.get("text"), 75)
        yield from _length("option", option.get("value"), 1, 150)
    if element.get("initial_option") not in element.get("options", ()):
        yield "the initial option is none of the options"


def _message(payload: Mapping[str, Any], method: str) -> Faults:
    yield from _keys(payload, "message", {"text"}, {"blocks", "attachments"} | ENVELOPE[method])
    yield from _length("text", payload.get("text"), 1, 4_000)
    if MARKUP.search(str(payload.get("text"))):
        yield "live markup in text"
    for flag in {"unfurl_links", "unfurl_media"} & ENVELOPE[method]:
        if payload.get(flag) is not False:
            yield f"{flag} is not off"
    if payload.get("response_type", "ephemeral") not in ("ephemeral", "in_channel"):
        yield "unknown response_type"
    attachments = payload.get("attachments", [])
    blocks = [
        *payload.get("blocks", []),
        *(block for attachment in attachments for block in attachment.get("blocks", [])),
    ]
    for attachment in attachments:
        yield from _keys(attachment, "attachment", {"color", "blocks"}, set())
        if not re.fullmatch("#[0-9a-f]{6}", str(attachment.get("color"))):
            yield "colour is not #rrggbb"
    if any(
        blocks_list == []
        for blocks_list in (payload.get("blocks"), *(attachment.get("blocks") for attachment in attachments))
    ):
        yield "an empty list of blocks"
    for block in blocks:
        yield from _block(block)
    yield from _all_blocks(blocks, payload)


def _all_blocks(blocks: list[Any], payload: Mapping[str, Any]) -> Faults:
    texts = list(_strings(blocks))
    if len(blocks) > 50:
        yield f"{len(blocks)} blocks"
    if (size := sum(map(len, texts))) > 12_000:
        yield f"{size} characters in all blocks"
    if sum(block.get("type") == "table" for block in blocks) > 1:
        yield "more than one table"
    ids = [
        element.get("action_id") for block in blocks for element in block.get("elements", ()) if "action_id" in element
    ]
    if len(ids) != len(set(ids)):
        yield "an action_id twice"
    if any(CONTROL_CHARACTERS.search(text) for text in [*texts, payload.get("text", "")]):
        yield "a control, zero-width or direction character"
    json.dumps(payload, ensure_ascii=False).encode()


def _block(block: Any) -> Faults:
    check = BLOCKS.get(block.get("type") if isinstance(block, dict) else "")
    yield from check(block) if check else [f"unknown block {block!r:.60}"]


def _header(block: dict[str, Any]) -> Faults:
    yield from _keys(block, "header", {"type", "text"}, {"block_id"})
    yield from _plain_text("header", block.get("text"), 150)


def _section(block: dict[str, Any]) -> Faults:
    yield from _keys(block, "section", {"type", "text"}, {"block_id"})
    yield from _plain_text("section", block.get("text"), 3_000)


def _context(block: dict[str, Any]) -> Faults:
    yield from _keys(block, "context", {"type", "elements"}, {"block_id"})
    yield from _count("context", block.get("elements"), 1, 10)
    for element in block.get("elements", ()):
        yield from _plain_text("context", element, 2_000)


def _actions(block: dict[str, Any]) -> Faults:
    yield from _keys(block, "actions", {"type", "elements"}, {"block_id"})
    yield from _count("actions", block.get("elements"), 1, 25)
    for button in block.get("elements", ()):
        yield from _button(button)


def _button(button: dict[str, Any]) -> Faults:
    yield from _keys(button, "button", {"type", "text", "action_id"}, {"url", "value", "style"})
    yield from _plain_text("button", button.get("text"), 75)
    yield from _length("action_id", button.get("action_id"), 1, 255)
    if button.get("type") != "button" or button.get("style", "primary") not in ("primary", "danger"):
        yield "not a button, or an unknown style"
    if ("url" in button) == ("value" in button):
        yield "a button has a page or a command"
    if "value" in button:
        yield from _length("value", button["value"], 1, 2_000)
    if "url" in button:
        yield from _length("url", button["url"], 1, 3_000)
        if not re.fullmatch(r"https?://[!-~]+", str(button["url"])):
            yield "url is not a web page"


def _table(block: dict[str, Any]) -> Faults:
    yield from _keys(block, "table", {"type", "rows"}, {"column_settings", "block_id"})
    rows = block.get("rows", [])
    yield from _count("rows", rows, 1, 100)
    if len({len(row) for row in rows}) > 1:
        yield "rows of unequal length"
    for row in rows:
        yield from _count("cells", row, 1, 20)
        for cell in row:
            yield from _keys(cell, "cell", {"type", "text"}, set())
            yield from _length("cell", cell.get("text"), 1, 3_000)
            if cell.get("type") != "raw_text":
                yield "a cell that is not raw_text"
    if sum(len(cell["text"]) for row in rows for cell in row) > 10_000:
        yield "more than 10,000 characters in the table"
    yield from _count("column_settings", block.get("column_settings", []), 0, 20)
    for setting in block.get("column_settings", ()):
        yield from _keys(setting, "column setting", set(), {"align", "is_wrapped"})


def _rich_text(block: dict[str, Any]) -> Faults:
    yield from _keys(block, "rich_text", {"type", "elements"}, {"block_id"})
    yield from _count("rich_text", block.get("elements"), 1, 100)
    for section in block.get("elements", ()):
        yield from _keys(section, "rich_text part", {"type", "elements"}, set())
        if section.get("type") not in ("rich_text_section", "rich_text_quote", "rich_text_preformatted"):
            yield f"unknown rich_text part {section.get('type')!r}"
        yield from _count("rich_text part", section.get("elements"), 1, 100)
        for run in section.get("elements", ()):
            yield from _run(run)


def _run(run: dict[str, Any]) -> Faults:
    if run.get("type") == "link":  # from our own tables
        yield from _keys(run, "link", {"type", "text", "url"}, set())
        yield from _length("link", run.get("url"), 1, 3_000)
        return
    yield from _keys(run, "run", {"type", "text"}, {"style"})
    yield from _length("run", run.get("text"), 1, 3_000)
    if run.get("type") != "text":  # user, usergroup, broadcast and channel are markup
        yield f"a run that is not text: {run.get('type')!r}"
    if run.get("style", {"bold": True}) != {"bold": True}:
        yield "unknown style"


def _image(block: dict[str, Any]) -> Faults:
    """An uploaded file; this project sends no image URLs."""
    yield from _keys(block, "image", {"type", "slack_file", "alt_text"}, {"block_id"})
    yield from _length("alt_text", block.get("alt_text"), 1, 2_000)
    yield from _keys(block.get("slack_file", {}), "slack_file", {"id"}, set())
    yield from _length("file", block.get("slack_file", {}).get("id"), 1, 255)


BLOCKS: dict[str, Callable[[dict[str, Any]], Faults]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "table": _table,
    "image": _image,
    "rich_text": _rich_text,
}


def _plain_text(name: str, text: Any, max_length: int) -> Faults:
    if not isinstance(text, dict):
        yield f"{name}: text is not an object"
        return
    yield from _keys(text, name, {"type", "text", "emoji"}, set())
    yield from _length(name, text.get("text"), 1, max_length)
    if text.get("type") != "plain_text" or text.get("emoji") is not False:
        yield f"{name}: text that Slack would read"


def _keys(part: Mapping[str, Any], name: str, needed: set[str], allowed: set[str]) -> Faults:
    if missing := needed - set(part):
        yield f"{name} without {sorted(missing)}"
    if unknown := set(part) - needed - allowed:
        yield f"{name} with {sorted(unknown)}"


def _length(name: str, text: Any, minimum: int, maximum: int) -> Faults:
    if not isinstance(text, str) or not minimum <= len(text) <= maximum:
        yield f"{name} is not {minimum} to {maximum} characters: {text!r:.40}"


def _count(name: str, parts: Any, minimum: int, maximum: int) -> Faults:
    if not isinstance(parts, list) or not minimum <= len(parts) <= maximum:
        yield f"{name} is not {minimum} to {maximum} long"


def _strings(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _strings(inner)
