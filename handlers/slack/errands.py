"""What Slack sends, read into errands: what to answer, and every way to answer it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from handlers.platform import Ask, Room
from handlers.slack.markup import as_typed, named_in, texts_of, without_private

IN_THREAD = ("ack", "mute", "unmute")

Sent = Mapping[str, Any]  # a payload as Slack sends it


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing a person asked for. `asked` is in Unix seconds; an empty string means "there is none".

    `thread` is where the answer belongs. `replaces` says that what only this person is to see takes the place of what only
    they see now: the acknowledgement, or the message whose button they pressed. `posts_first` says that the answer is tried
    as a message of the bot before the response URL is used. `name` is what people call the user, who is a `stranger` where
    they are of another workspace than the bot.
    """

    id: str
    team: str
    channel: str
    user: str
    text: str = field(repr=False)
    asked: float
    private: bool = False
    thread: str = ""
    response_url: str = field(default="", repr=False)
    replaces: bool = False
    posts_first: bool = False
    name: str = field(default="", repr=False)
    stranger: bool = False

    @property
    def ask(self) -> Ask:
        return Ask(self.room, self.user, self.text, self.private, self.name, self.stranger)

    @property
    def room(self) -> Room:
        return Room("slack", self.team, self.channel)

    def job(self) -> dict[str, str]:
        """The errand as text, for a queue."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, job: Mapping[str, str]) -> Errand:
        """The errand that `job` made. Raises KeyError or ValueError where it is not one."""
        return cls(
            id=job["id"],
            team=job["team"],
            channel=job["channel"],
            user=job["user"],
            text=job["text"],
            asked=float(job["asked"]),
            private=job["private"] == "True",
            thread=job["thread"],
            response_url=job["response_url"],
            replaces=job["replaces"] == "True",
            posts_first=job["posts_first"] == "True",
            name=job.get("name", ""),  # a job of the version before has neither
            stranger=job.get("stranger") == "True",
        )


def from_command(command: Sent, now: float) -> Errand:
    """A slash command. Its text is as typed (`should_escape: false` in the manifest)."""
    text, private = without_private(command.get("text") or "")
    return Errand(
        id=command["trigger_id"],
        team=command["team_id"],
        channel=command["channel_id"],
        user=command["user_id"],
        text=text,
        asked=now,
        private=private,
        response_url=command["response_url"],
        replaces=True,
        name=command.get("user_name", ""),
    )


def from_mention(body: Sent, now: float) -> Errand:
    """A mention of the bot: answered in its thread, which it opens where there is none."""
    return _from_event(body, now, thread=body["event"].get("thread_ts") or body["event"]["ts"])


def from_direct_message(body: Sent, now: float) -> Errand | None:
    """Something written to the bot; None for what a bot wrote, for edits, joins and deletions, and outside of a DM."""
    event = body["event"]
    if event.get("channel_type") != "im" or event.get("subtype") or event.get("bot_id") or not event.get("user"):
        return None
    return _from_event(body, now, thread=event.get("thread_ts", ""))


def from_shortcut(shortcut: Sent, now: float) -> Errand:
    """The message shortcut: checks what the message names, and answers in the thread of the message."""
    message = shortcut["message"]
    return Errand(
        id=shortcut["trigger_id"],
        team=shortcut["team"]["id"],
        channel=shortcut["channel"]["id"],
        user=shortcut["user"]["id"],
        text=" ".join(named_in(" \n".join(texts_of(message)))),
        asked=now,
        thread=message.get("thread_ts") or message.get("ts") or shortcut.get("message_ts", ""),
        response_url=shortcut["response_url"],
        posts_first=True,
        name=called(shortcut["user"]),
        stranger=is_stranger(shortcut),
    )


def from_button(body: Sent, action: Sent, now: float) -> Errand:
    """A pressed button is the command it carries. One in a message that only this person sees is answered there, and what
    was done about an alert is said in the alert's thread."""
    message = body.get("message") or {}
    about_alert = action["value"].partition(" ")[0] in IN_THREAD
    hidden = bool((body.get("container") or {}).get("is_ephemeral"))
    return Errand(
        id=body["trigger_id"],
        team=body["team"]["id"],
        channel=body["channel"]["id"],
        user=body["user"]["id"],
        text=action["value"],
        asked=now,
        private=hidden,
        thread=message.get("thread_ts") or (message.get("ts", "") if about_alert and not hidden else ""),
        response_url=body["response_url"],
        replaces=hidden,
        name=called(body["user"]),
        stranger=is_stranger(body),
    )


def called(user: Sent) -> str:
    return str(user.get("name") or user.get("username") or "")


def is_stranger(interaction: Sent) -> bool:
    """In a channel that several workspaces share, whoever pressed may be of another one."""
    home = interaction["team"]["id"]
    return bool(interaction["user"].get("team_id", home) != home)


def home_of(body: Sent) -> str:
    """The workspace that has the bot: an event of a shared channel may come under the name of another."""
    installed: Sent = next(iter(body.get("authorizations") or ()), {})
    return str(installed.get("team_id") or body["team_id"])


def _from_event(body: Sent, now: float, thread: str) -> Errand:
    event = body["event"]
    text, private = without_private(as_typed(event.get("text") or ""))
    return Errand(
        id=f"{event['channel']}:{event['ts']}",  # not event_id: Slack sends one message again under another id
        team=home_of(body),
        channel=event["channel"],
        user=event["user"],
        text=text,
        asked=now,
        private=private,
        thread=thread,
        posts_first=True,
        stranger=(event.get("user_team") or event.get("team") or home_of(body)) != home_of(body),
    )
