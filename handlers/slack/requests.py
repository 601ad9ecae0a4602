"""What Slack sends, read into errands: what to answer, and every way to answer it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from handlers.commands.parser import PASTED, split_verb
from handlers.ports import Ask, File, Room
from handlers.slack.mrkdwn import as_pasted, as_typed, named_in, texts_of, without_private

IN_THREAD = ("ack", "mute", "unmute")
MOST_FILES = 5

Sent = Mapping[str, Any]  # a payload as Slack sends it


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing a person asked for. `asked` is in Unix seconds; an empty string means "there is none".

    `thread` is where the answer belongs. `replaces` says that what only this person is to see takes the place of what only
    they see now: the acknowledgement, or the message whose button they pressed. `posts_first` says that the answer is tried
    as a message of the bot before the response URL is used. `name` is what people call the user, who is a `stranger` where
    they are of another workspace than the bot. `files` are ids of what they attached, and `opens` is how one is had.
    `at_home`: asked for on the App Home, which shows the answer.
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
    files: tuple[str, ...] = ()
    at_home: bool = False
    opens: Callable[[str, str], File] | None = field(default=None, repr=False, compare=False)

    @property
    def ask(self) -> Ask:
        files = tuple(self.opens(self.team, file) for file in self.files) if self.opens else ()
        return Ask(self.room, self.user, self.text, self.private, self.name, self.stranger, files)

    @property
    def room(self) -> Room:
        return Room("slack", self.team, self.channel)

    def job(self) -> dict[str, str]:
        """The errand as text, for a queue."""
        told = {one.name: str(getattr(self, one.name)) for one in fields(self) if one.name != "opens"}
        return told | {"files": " ".join(self.files)}

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
            files=tuple(job.get("files", "").split()),
            at_home=job.get("at_home") == "True",
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
    if (
        event.get("channel_type") != "im"
        or event.get("subtype", "file_share") != "file_share"
        or event.get("bot_id")
        or not event.get("user")
    ):
        return None
    return _from_event(body, now, thread=event.get("thread_ts", ""))


def from_shortcut(shortcut: Sent, now: float) -> Errand:
    """The message shortcut: checks what the message names, and answers in the thread of the message."""
    return _about_message(shortcut, now, " ".join(named_in(" \n".join(texts_of(shortcut["message"])))))


def from_bounce(shortcut: Sent, now: float) -> Errand:
    """The shortcut on a message that is a bounce, or has one in a file."""
    message = shortcut["message"]
    text = as_pasted(message.get("text") or "") or "\n".join(texts_of(message))
    return _about_message(shortcut, now, f"bounce {text}".strip(), files_of(message))


def _about_message(shortcut: Sent, now: float, text: str, files: tuple[str, ...] = ()) -> Errand:
    message = shortcut["message"]
    return Errand(
        id=shortcut["trigger_id"],
        team=shortcut["team"]["id"],
        channel=shortcut["channel"]["id"],
        user=shortcut["user"]["id"],
        text=text,
        asked=now,
        thread=message.get("thread_ts") or message.get("ts") or shortcut.get("message_ts", ""),
        response_url=shortcut["response_url"],
        posts_first=True,
        name=called(shortcut["user"]),
        stranger=is_stranger(shortcut),
        files=files,
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


def files_of(message: Sent) -> tuple[str, ...]:
    """The ids of what was attached; of a deleted file nothing is left but its place."""
    files = message.get("files") or ()
    return tuple(str(file["id"]) for file in files if file.get("mode") != "tombstone")[:MOST_FILES]


def home_of(body: Sent) -> str:
    """The workspace that has the bot: an event of a shared channel may come under the name of another."""
    installed: Sent = next(iter(body.get("authorizations") or ()), {})
    return str(installed.get("team_id") or body["team_id"])


def _from_event(body: Sent, now: float, thread: str) -> Errand:
    event = body["event"]
    files = files_of(event)
    text, private = without_private(as_typed(event.get("text") or ""))
    verb, _ = split_verb(text)
    if verb in PASTED:
        text, _ = without_private(as_pasted(event["text"]))
    elif files and (verb == "check" or not text) and not named_in(text):  # a log, with a word or none about it
        text = f"bounce {text}".strip()
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
        files=files,
    )
