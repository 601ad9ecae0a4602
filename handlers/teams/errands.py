"""What Teams sends, read into errands: what to answer, and where. Pure, and at home with an activity of any shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.platform import Ask
from handlers.teams.conversations import Conversation, Kind
from handlers.teams.markup import as_typed, without_private

Sent = Mapping[str, Any]  # an activity as Teams sends it

OWN = ("user", "text", "thread", "replaces", "name")
GONE = ("channelDeleted", "teamDeleted", "teamHardDeleted")


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing a person asked for; an empty string means "there is none".

    `thread` is where the answer belongs; `replaces` is the message whose place it takes; `private` says that only this
    person is to see it; `name` is what people call them.
    """

    id: str
    conversation: Conversation
    user: str
    text: str = field(repr=False)
    thread: str = ""
    replaces: str = ""
    private: bool = False
    name: str = ""

    @property
    def ask(self) -> Ask:
        return Ask(self.conversation.room, self.user, self.text, self.private, self.name)

    def job(self) -> dict[str, str]:
        """The errand as text, for a queue."""
        own = {name: str(getattr(self, name)) for name in (*OWN, "private")}
        return {"errand": self.id, **own, **self.conversation.record()}

    @classmethod
    def of(cls, job: Mapping[str, str]) -> Errand:
        """The errand that `job` made. Raises KeyError or ValueError where it is not one."""
        own = {name: job[name] for name in OWN}
        return cls(id=job["errand"], conversation=Conversation.of(job), private=job["private"] == "True", **own)


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
    conversation, text = conversation_of(activity), at(activity, "text")
    user = said(activity, "from", "id")
    if conversation is None or not user or not isinstance(text, str) or said(activity, "from", "role") == "bot":
        return None
    if conversation.kind is not Kind.PERSONAL and not is_meant(activity):
        return None
    typed, private = without_private(as_typed(text))
    return Errand(
        id=f"{conversation.id}:{said(activity, 'id')}",
        conversation=conversation,
        user=user,
        text=typed,
        thread=thread_of(activity),
        name=said(activity, "from", "name"),
        private=private and conversation.kind is not Kind.PERSONAL,
    )


def from_button(activity: Sent) -> Errand | None:
    """A pressed button is the command it carries. Only asking the same again takes the place of the card."""
    conversation = conversation_of(activity)
    command, user = said(activity, "value", "action", "data", "command"), said(activity, "from", "id")
    if conversation is None or not command or not user:
        return None
    return Errand(
        id=f"{conversation.id}:{said(activity, 'id')}",
        conversation=conversation,
        user=user,
        text=command,
        thread=thread_of(activity),
        name=said(activity, "from", "name"),
        replaces=said(activity, "replyToId") if asks_again(command) else "",
    )


def asks_again(command: str) -> bool:
    words = command.split()
    return words[:1] == ["check"] and words[-1:] == ["fresh"]


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


def tenants_of(activity: Sent) -> set[str]:
    """Every tenant that the activity names; of a good one it is exactly one."""
    named = (said(activity, "conversation", "tenantId"), said(activity, "channelData", "tenant", "id"))
    return {tenant for tenant in named if tenant}


def tenant_of(activity: Sent) -> str:
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
