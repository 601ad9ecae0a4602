"""Teams' markup, undone: what a person typed. Pure.

What Teams sends, read into errands: what to answer, and where. Pure, and at home with an activity of any shape.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.inputs.targets import BadTarget
from handlers.commands import BadCommand, read_check, split_verb
from handlers.commands.parser import PASTED
from handlers.ports import Ask, File
from handlers.teams.adaptive_card import CHOICE, IN_PLACE
from handlers.teams.conversation_references import Conversation, Kind

BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|pre)>", re.IGNORECASE)
# Known tags only: in a pasted header, `<postmaster@example.com>` is none.
TAG = re.compile(
    r"</?(?:a|at|attachment|b|blockquote|br|code|div|em|font|h[1-6]|i|img|li|ol|p|pre|s|span|strong|u|ul)(?:[\s/][^<>]*)?>",
    re.IGNORECASE,
)
SPACES = re.compile(r"[^\S\n]+")  # the no-break spaces that Teams puts around a mention are among them
MENTION = re.compile(r"<at(?:\s[^<>]*)?>[^<>]*</at>", re.IGNORECASE)
PRIVATE = re.compile(r"^private(?:\s+|$)|\s+private$", re.IGNORECASE)
CHARACTERS_READ = 20_000


def as_typed(text: str) -> str:
    """A message without Teams' markup: mentions left out, tags and entities undone, lines kept."""
    bare = MENTION.sub(" ", text[:CHARACTERS_READ])
    bare = TAG.sub("", BREAK.sub("\n", bare))
    return "\n".join(SPACES.sub(" ", line).strip() for line in html.unescape(bare).splitlines()).strip()


def without_private(text: str) -> tuple[str, bool]:
    """Takes the option word `private` off either end."""
    bare = PRIVATE.sub("", text, count=1)
    return bare.strip(), bare != text


Sent = Mapping[str, Any]  # an activity as Teams sends it

QUEUED = ("user", "text", "thread", "private", "name", "stranger")
FILE = "application/vnd.microsoft.teams.file.download.info"
REFERENCE = "<attachment id="  # in the markup of a message, for a file that Teams does not hand over
MOST_FILES = 5
GONE = ("channelDeleted", "teamDeleted", "teamHardDeleted")


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing a person asked for; an empty string means "there is none".

    `thread` is where the answer belongs; `pressed` is the message whose button it was, whose place the answer takes if it
    is `in_place`; `private` says that only this person is to see it; `name` is what people call them, who are a `stranger`
    where they are of another tenant than the conversation, or its guest. `files` are the secret addresses of what they
    attached, an empty one for a file that Teams kept back, and `opens` is how one is had.
    """

    id: str
    conversation: Conversation
    user: str
    text: str = field(repr=False)
    thread: str = ""
    pressed: str = ""
    in_place: bool = False
    private: bool = False
    name: str = ""
    stranger: bool = False
    files: tuple[str, ...] = field(default=(), repr=False)
    opens: Callable[[str], File] | None = field(default=None, repr=False, compare=False)

    @property
    def ask(self) -> Ask:
        room, files = self.conversation.room, tuple(map(self.opens, self.files)) if self.opens else ()
        return Ask(room, self.user, self.text, self.private, self.name, self.stranger, files, self.replaces)

    @property
    def replaces(self) -> str:
        """The message whose place the answer takes."""
        return self.pressed if self.in_place else ""

    def job(self) -> dict[str, str]:
        """The errand as text, for a queue; what was pressed is answered without one."""
        own = {name: str(getattr(self, name)) for name in QUEUED}
        return {"errand": self.id, **own, "files": json.dumps(self.files), **self.conversation.record()}

    @classmethod
    def of(cls, job: Mapping[str, str]) -> Errand:
        """The errand that `job` made. Raises KeyError or ValueError where it is not one."""
        return cls(
            id=job["errand"],
            conversation=Conversation.of(job),
            user=job["user"],
            text=job["text"],
            thread=job["thread"],
            private=job["private"] == "True",
            name=job["name"],
            stranger=job.get("stranger") == "True",  # a job of the version before knows no strangers and no files
            files=tuple(map(str, json.loads(job.get("files", "[]")))),
        )


def conversation_of(activity: Sent) -> Conversation | None:
    """None for an activity that does not say where it comes from."""
    place, _, _ = said(activity, "conversation", "id").partition(";")
    kind = said(activity, "conversation", "conversationType") or Kind.PERSONAL
    if not place or kind not in tuple(Kind):
        return None
    return Conversation(
        tenant=tenant_of(activity),
        id=place,
        kind=Kind(kind),
        service_url=said(activity, "serviceUrl"),
        bot=said(activity, "recipient", "id"),
        team=said(activity, "channelData", "team", "id"),
    )


def from_message(activity: Sent) -> Errand | None:
    """A message to the bot; None for one that is not: without a mention, of a bot, or with nothing in it but data."""
    errand, text, files = _told(activity), at(activity, "text"), files_of(activity)
    if errand is None or not (isinstance(text, str) or files) or said(activity, "from", "role") == "bot":
        return None
    alone = errand.conversation.kind is Kind.PERSONAL
    if not alone and not is_meant(activity):
        return None
    typed, private = without_private(as_typed(text or ""))
    typed, files = about_files(typed, files)
    return replace(errand, text=typed, private=private and not alone, files=files)


def files_of(activity: Sent) -> tuple[str, ...]:
    """Where to have what was attached; an empty address where there is a file and Teams does not say where."""
    attachments = activity.get("attachments")
    parts = attachments if isinstance(attachments, list) else []
    handed = [said(part, "content", "downloadUrl") for part in parts if said(part, "contentType") == FILE]
    referred = [said(activity, "text"), *(said(part, "content") for part in parts)]
    if not handed and any(REFERENCE in markup for markup in referred):
        return ("",)
    return tuple(handed[:MOST_FILES])


def about_files(text: str, files: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The command, and the files it is about: a log comes with a word or none about it. Pasted lines do without the file
    that Teams kept back, which may be no more than the message they reply to."""
    verb, rest = split_verb(text)
    if not files or (verb in PASTED and rest and not any(files)):
        return text, ()
    if not text or (verb == "check" and not names_target(rest)):
        return f"bounce {text}".strip(), files
    return text, files


def names_target(words: str) -> bool:
    try:
        read_check(words)
    except (BadCommand, BadTarget):
        return False
    return True


def from_button(activity: Sent) -> Errand | None:
    """A pressed button is the command it carries, with what was chosen beside it; None for one that carries none."""
    errand, data = _told(activity), at(activity, "value", "action", "data")
    command, pressed = said(data, "command"), said(activity, "replyToId")
    if errand is None or not command:
        return None
    text = f"{command} {said(data, CHOICE)}".strip()
    return replace(
        errand, text=text, thread=errand.thread or pressed, pressed=pressed, in_place=at(data, IN_PLACE) is True
    )


def _told(activity: Sent) -> Errand | None:
    """Who speaks, and where; None where that is not said."""
    conversation, user = conversation_of(activity), said(activity, "from", "id")
    if conversation is None or not user:
        return None
    return Errand(
        id=f"{conversation.id}:{said(activity, 'id')}",
        conversation=conversation,
        user=user,
        text="",
        thread=thread_of(activity),
        name=said(activity, "from", "name"),
        stranger=is_stranger(activity),
    )


def is_stranger(activity: Sent) -> bool:
    """Of another tenant than the one that holds the conversation, or of none. The role of a guest is not told here.

    Source: "Agents and tab apps for shared and private channels" at learn.microsoft.com/microsoftteams.
    """
    theirs = said(activity, "channelData", "tenant", "id")
    return theirs not in ("", tenant_of(activity)) or not said(activity, "from", "aadObjectId")


def is_arrival(activity: Sent) -> bool:
    """The bot was installed, or was added to a conversation; Teams often tells both. An upgrade is no arrival."""
    if activity.get("type") == "installationUpdate":
        return activity.get("action") == "add"
    return said(activity, "recipient", "id") in ids(activity.get("membersAdded"))


def departed(activity: Sent) -> str:
    """The id of the conversation or the team in which the bot can no longer speak; empty for other news."""
    removed = said(activity, "recipient", "id") in ids(activity.get("membersRemoved"))
    if removed or (activity.get("type"), activity.get("action")) == ("installationUpdate", "remove"):
        return said(activity, "channelData", "team", "id") or said(activity, "conversation", "id").partition(";")[0]
    event = said(activity, "channelData", "eventType")
    return (
        said(activity, "channelData", "channel" if event == "channelDeleted" else "team", "id") if event in GONE else ""
    )


def tenant_of(activity: Sent) -> str:
    """The one that holds the conversation; in a shared channel whoever speaks may be of another."""
    return said(activity, "conversation", "tenantId") or said(activity, "channelData", "tenant", "id")


def thread_of(activity: Sent) -> str:
    return said(activity, "conversation", "id").partition(";messageid=")[2]


def is_meant(activity: Sent) -> bool:
    """Named by mention, or by a slash command, which Teams sends to the bot alone."""
    bot = said(activity, "recipient", "id")
    entities = activity.get("entities")
    mentions = [e for e in entities if at(e, "type") == "mention"] if isinstance(entities, list) else []
    return any(said(e, "mentioned", "id") == bot for e in mentions) or at(activity, "recipient", "isTargeted") is True


def ids(members: object) -> set[str]:
    return {said(member, "id") for member in members} - {""} if isinstance(members, list) else set()


def said(part: object, *path: str) -> str:
    """The text at the end of a path; empty where there is none."""
    found = at(part, *path)
    return found if isinstance(found, str) else ""


def at(part: object, *path: str) -> Any:
    for name in path:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part
