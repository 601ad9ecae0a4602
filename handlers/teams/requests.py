"""Reads Teams activities into requests. Pure; accepts activities of any shape."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.ports import ChatRequest, File
from handlers.teams.adaptive_card import IN_PLACE, SELECT_ID
from handlers.teams.conversation_references import ConversationReference, ConversationType
from handlers.verbs import Command, VerbTable

BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|pre)>", re.IGNORECASE)
# Known tags only: `<postmaster@example.com>` in a pasted header is not one.
TAG = re.compile(
    r"</?(?:a|at|attachment|b|blockquote|br|code|div|em|font|h[1-6]|i|img|li|ol|p|pre|s|span|strong|u|ul)(?:[\s/][^<>]*)?>",
    re.IGNORECASE,
)
SPACES = re.compile(r"[^\S\n]+")  # includes the no-break spaces that Teams puts around a mention
MENTION = re.compile(r"<at(?:\s[^<>]*)?>[^<>]*</at>", re.IGNORECASE)
CHARACTERS_READ = 20_000


def plain_command(text: str) -> str:
    """The message without mentions, tags and entities; line breaks stay."""
    bare = MENTION.sub(" ", text[:CHARACTERS_READ])
    bare = TAG.sub("", BREAK.sub("\n", bare))
    return "\n".join(SPACES.sub(" ", line).strip() for line in html.unescape(bare).splitlines()).strip()


ActivityJson = Mapping[str, Any]  # an activity as Teams sends it

FILE = "application/vnd.microsoft.teams.file.download.info"
REFERENCE = "<attachment id="  # in the markup, for a file that Teams does not give to the bot
MAX_FILES = 5
DELETED_EVENTS = ("channelDeleted", "teamDeleted", "teamHardDeleted")


@dataclass(frozen=True, slots=True)
class TeamsRequest:
    """A request from Teams; empty strings mean "none".

    `thread` is where the answer goes; `action_message` is the message whose button was used, which
    the answer replaces if `in_place`. `is_external` users belong to another tenant or are guests.
    `files` are secret download URLs, an empty one for a file that Teams withheld; `open_file`
    opens one.
    """

    id: str
    conversation: ConversationReference
    user: str
    command: Command = field(repr=False)
    thread: str = ""
    action_message: str = ""
    in_place: bool = False
    name: str = ""
    is_external: bool = False
    files: tuple[str, ...] = field(default=(), repr=False)
    open_file: Callable[[str], File] | None = field(default=None, repr=False, compare=False)

    @property
    def chat_request(self) -> ChatRequest:
        room, files = (self.conversation.channel, tuple(map(self.open_file, self.files)) if self.open_file else ())
        return ChatRequest(room, self.user, self.command, self.name, self.is_external, files, self.replaces)

    @property
    def replaces(self) -> str:
        """Id of the message that the answer replaces."""
        return self.action_message if self.in_place else ""

    def to_job(self, verbs: VerbTable[Any]) -> dict[str, str]:
        """Serialize for the queue; card actions are answered without one."""
        return {
            "errand": self.id,
            "user": self.user,
            "thread": self.thread,
            "name": self.name,
            "stranger": str(self.is_external),
            "files": json.dumps(self.files),
            **self.conversation.to_record(),
            **verbs.to_job(self.command),
        }

    @classmethod
    def from_job(cls, job: Mapping[str, str], verbs: VerbTable[Any]) -> TeamsRequest:
        """Request from its serialized form. Raises KeyError or ValueError."""
        return cls(
            id=job["errand"],
            conversation=ConversationReference.from_record(job),
            user=job["user"],
            command=verbs.from_job(job),
            thread=job["thread"],
            name=job["name"],
            is_external=job.get("stranger") == "True",  # absent in jobs of the previous version
            files=tuple(map(str, json.loads(job.get("files", "[]")))),
        )


def conversation_of(activity: ActivityJson) -> ConversationReference | None:
    """None for an activity without a conversation."""
    conversation_id, _, _ = text_at(activity, "conversation", "id").partition(";")
    kind = text_at(activity, "conversation", "conversationType") or ConversationType.PERSONAL
    if not conversation_id or kind not in tuple(ConversationType):
        return None
    return ConversationReference(
        tenant=tenant_of(activity),
        id=conversation_id,
        kind=ConversationType(kind),
        service_url=text_at(activity, "serviceUrl"),
        bot=text_at(activity, "recipient", "id"),
        team=text_at(activity, "channelData", "team", "id"),
    )


def from_message(activity: ActivityJson, verbs: VerbTable[Any]) -> TeamsRequest | None:
    """A message to the bot; None if it has no mention, no text, or is from a bot."""
    conversation, text, files = conversation_of(activity), value_at(activity, "text"), files_of(activity)
    if conversation is None or not (isinstance(text, str) or files) or text_at(activity, "from", "role") == "bot":
        return None
    is_personal = conversation.kind is ConversationType.PERSONAL
    if not is_personal and not is_addressed(activity):
        return None
    command = verbs.parse(plain_command(text if isinstance(text, str) else ""), has_files=bool(files))
    if verbs[command.verb].pastes and command.arguments and not any(files):
        files = ()  # a withheld file may be only the message that this one replies to
    request = _from_sender(activity, conversation, replace(command, private=command.private and not is_personal))
    return replace(request, files=files) if request else None


def files_of(activity: ActivityJson) -> tuple[str, ...]:
    """Download URLs of the attachments; an empty one where Teams withholds the file."""
    attachments = activity.get("attachments")
    parts = attachments if isinstance(attachments, list) else []
    available = [text_at(part, "content", "downloadUrl") for part in parts if text_at(part, "contentType") == FILE]
    markups = [text_at(activity, "text"), *(text_at(part, "content") for part in parts)]
    if not available and any(REFERENCE in markup for markup in markups):
        return ("",)
    return tuple(available[:MAX_FILES])


def from_action(activity: ActivityJson, verbs: VerbTable[Any]) -> TeamsRequest | None:
    """The command of a card action with its selected value; None without a command."""
    conversation, data = conversation_of(activity), value_at(activity, "value", "action", "data")
    text, action_message = text_at(data, "command"), text_at(activity, "replyToId")
    if conversation is None or not text:
        return None
    request = _from_sender(activity, conversation, verbs.parse(f"{text} {text_at(data, SELECT_ID)}"))
    return request and replace(
        request,
        thread=request.thread or action_message,
        action_message=action_message,
        in_place=value_at(data, IN_PLACE) is True,
    )


def _from_sender(activity: ActivityJson, conversation: ConversationReference, command: Command) -> TeamsRequest | None:
    """None without a sender."""
    user = text_at(activity, "from", "id")
    if not user:
        return None
    return TeamsRequest(
        id=f"{conversation.id}:{text_at(activity, 'id')}",
        conversation=conversation,
        user=user,
        command=command,
        thread=thread_of(activity),
        name=text_at(activity, "from", "name"),
        is_external=is_external_sender(activity),
    )


def is_external_sender(activity: ActivityJson) -> bool:
    """Whether the sender is of another tenant, or of none. Activities do not carry the guest role.

    Source: "Agents and tab apps for shared and private channels" at learn.microsoft.com.
    """
    sender_tenant = text_at(activity, "channelData", "tenant", "id")
    return sender_tenant not in ("", tenant_of(activity)) or not text_at(activity, "from", "aadObjectId")


def is_added(activity: ActivityJson) -> bool:
    """Whether the bot was installed or added; Teams often sends both. Upgrades do not count."""
    if activity.get("type") == "installationUpdate":
        return activity.get("action") == "add"
    return text_at(activity, "recipient", "id") in ids(activity.get("membersAdded"))


def left_conversation(activity: ActivityJson) -> str:
    """Id of the conversation or team that the bot left; empty for other activities."""
    removed = text_at(activity, "recipient", "id") in ids(activity.get("membersRemoved"))
    if removed or (activity.get("type"), activity.get("action")) == ("installationUpdate", "remove"):
        return (
            text_at(activity, "channelData", "team", "id") or text_at(activity, "conversation", "id").partition(";")[0]
        )
    event = text_at(activity, "channelData", "eventType")
    return (
        text_at(activity, "channelData", "channel" if event == "channelDeleted" else "team", "id")
        if event in DELETED_EVENTS
        else ""
    )


def tenant_of(activity: ActivityJson) -> str:
    """Tenant of the conversation; in a shared channel the sender may be of another."""
    return text_at(activity, "conversation", "tenantId") or text_at(activity, "channelData", "tenant", "id")


def thread_of(activity: ActivityJson) -> str:
    return text_at(activity, "conversation", "id").partition(";messageid=")[2]


def is_addressed(activity: ActivityJson) -> bool:
    """Whether the bot is mentioned or targeted by a slash command."""
    bot = text_at(activity, "recipient", "id")
    entities = activity.get("entities")
    mentions = [e for e in entities if value_at(e, "type") == "mention"] if isinstance(entities, list) else []
    return (
        any(text_at(e, "mentioned", "id") == bot for e in mentions)
        or value_at(activity, "recipient", "isTargeted") is True
    )


def ids(members: object) -> set[str]:
    return {text_at(member, "id") for member in members} - {""} if isinstance(members, list) else set()


def text_at(node: object, *path: str) -> str:
    """The string at a path; empty where there is none."""
    value = value_at(node, *path)
    return value if isinstance(value, str) else ""


def value_at(node: object, *path: str) -> Any:
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node
