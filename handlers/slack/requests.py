"""Parses Slack payloads into requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.commands.parser import PASTE_VERBS, split_verb, strip_private
from handlers.ports import Channel, ChatRequest, File
from handlers.slack.mrkdwn import extract_targets, iter_texts, strip_markup, strip_pasted_markup

THREAD_VERBS = ("ack", "mute", "unmute")
MAX_FILES = 5

SlackPayload = Mapping[str, Any]  # as Slack sends it


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """A user's request. `requested_at` is a Unix time; an empty string means "none".

    `thread` is where the answer belongs. `replaces` means that an ephemeral answer replaces what
    only the user sees: the acknowledgement, or the message whose button was used. `posts_first`
    means that the answer is posted by the bot, with the response URL as fallback. `is_external`
    users belong to another workspace. `files` are ids of attached files and `open_file` opens one.
    `from_app_home` requests are answered on the App Home.
    """

    id: str
    team: str
    channel: str
    user: str
    text: str = field(repr=False)
    requested_at: float
    private: bool = False
    thread: str = ""
    response_url: str = field(default="", repr=False)
    replaces: bool = False
    posts_first: bool = False
    name: str = field(default="", repr=False)
    is_external: bool = False
    files: tuple[str, ...] = ()
    from_app_home: bool = False
    open_file: Callable[[str, str], File] | None = field(default=None, repr=False, compare=False)

    @property
    def chat_request(self) -> ChatRequest:
        files = tuple(self.open_file(self.team, file) for file in self.files) if self.open_file else ()
        return ChatRequest(self.chat_channel, self.user, self.text, self.private, self.name, self.is_external, files)

    @property
    def chat_channel(self) -> Channel:
        return Channel("slack", self.team, self.channel)

    def to_job(self) -> dict[str, str]:
        """Serialize for the queue; the inverse of `from_job`."""
        return {
            "id": self.id,
            "team": self.team,
            "channel": self.channel,
            "user": self.user,
            "text": self.text,
            "asked": str(self.requested_at),
            "private": str(self.private),
            "thread": self.thread,
            "response_url": self.response_url,
            "replaces": str(self.replaces),
            "posts_first": str(self.posts_first),
            "name": self.name,
            "stranger": str(self.is_external),
            "files": " ".join(self.files),
            "at_home": str(self.from_app_home),
        }

    @classmethod
    def from_job(cls, job: Mapping[str, str]) -> SlackRequest:
        """Request from its serialized form. Raises KeyError or ValueError."""
        return cls(
            id=job["id"],
            team=job["team"],
            channel=job["channel"],
            user=job["user"],
            text=job["text"],
            requested_at=float(job["asked"]),
            private=job["private"] == "True",
            thread=job["thread"],
            response_url=job["response_url"],
            replaces=job["replaces"] == "True",
            posts_first=job["posts_first"] == "True",
            name=job.get("name", ""),  # jobs of older versions lack these keys
            is_external=job.get("stranger") == "True",
            files=tuple(job.get("files", "").split()),
            from_app_home=job.get("at_home") == "True",
        )


def from_command(command: SlackPayload, now: float) -> SlackRequest:
    """A slash command; its text is unescaped (`should_escape: false` in the manifest)."""
    text, private = strip_private(command.get("text") or "")
    return SlackRequest(
        id=command["trigger_id"],
        team=command["team_id"],
        channel=command["channel_id"],
        user=command["user_id"],
        text=text,
        requested_at=now,
        private=private,
        response_url=command["response_url"],
        replaces=True,
        name=command.get("user_name", ""),
    )


def from_mention(body: SlackPayload, now: float) -> SlackRequest:
    """A mention of the bot, answered in its thread or in a new one."""
    return _from_event(body, now, thread=body["event"].get("thread_ts") or body["event"]["ts"])


def from_direct_message(body: SlackPayload, now: float) -> SlackRequest | None:
    """A direct message; None for bots, edits, joins and deletions, and outside of DMs."""
    event = body["event"]
    if (
        event.get("channel_type") != "im"
        or event.get("subtype", "file_share") != "file_share"
        or event.get("bot_id")
        or not event.get("user")
    ):
        return None
    return _from_event(body, now, thread=event.get("thread_ts", ""))


def from_shortcut(shortcut: SlackPayload, now: float) -> SlackRequest:
    """Message shortcut that checks the message's targets and answers in its thread."""
    return _from_message_action(shortcut, now, " ".join(extract_targets(" \n".join(iter_texts(shortcut["message"])))))


def from_bounce(shortcut: SlackPayload, now: float) -> SlackRequest:
    """Message shortcut on a bounce, in the text or in an attached file."""
    message = shortcut["message"]
    text = strip_pasted_markup(message.get("text") or "") or "\n".join(iter_texts(message))
    return _from_message_action(shortcut, now, f"bounce {text}".strip(), file_ids(message))


def _from_message_action(shortcut: SlackPayload, now: float, text: str, files: tuple[str, ...] = ()) -> SlackRequest:
    message = shortcut["message"]
    return SlackRequest(
        id=shortcut["trigger_id"],
        team=shortcut["team"]["id"],
        channel=shortcut["channel"]["id"],
        user=shortcut["user"]["id"],
        text=text,
        requested_at=now,
        thread=message.get("thread_ts") or message.get("ts") or shortcut.get("message_ts", ""),
        response_url=shortcut["response_url"],
        posts_first=True,
        name=user_name(shortcut["user"]),
        is_external=is_external_user(shortcut),
        files=files,
    )


def from_button(body: SlackPayload, action: SlackPayload, now: float) -> SlackRequest:
    """A button action as the command it carries.

    In an ephemeral message the answer replaces it; an action on an alert is answered in its thread.
    """
    source_message = body.get("message") or {}
    is_alert_action = action["value"].partition(" ")[0] in THREAD_VERBS
    is_ephemeral = bool((body.get("container") or {}).get("is_ephemeral"))
    return SlackRequest(
        id=body["trigger_id"],
        team=body["team"]["id"],
        channel=body["channel"]["id"],
        user=body["user"]["id"],
        text=action["value"],
        requested_at=now,
        private=is_ephemeral,
        thread=source_message.get("thread_ts")
        or (source_message.get("ts", "") if is_alert_action and not is_ephemeral else ""),
        response_url=body["response_url"],
        replaces=is_ephemeral,
        name=user_name(body["user"]),
        is_external=is_external_user(body),
    )


def user_name(user: SlackPayload) -> str:
    return str(user.get("name") or user.get("username") or "")


def is_external_user(interaction: SlackPayload) -> bool:
    """Whether the user belongs to another workspace, as in Slack Connect channels."""
    home = interaction["team"]["id"]
    return bool(interaction["user"].get("team_id", home) != home)


def file_ids(message: SlackPayload) -> tuple[str, ...]:
    """Ids of the attached files; deleted ones (mode `tombstone`) are skipped."""
    files = message.get("files") or ()
    return tuple(str(file["id"]) for file in files if file.get("mode") != "tombstone")[:MAX_FILES]


def installed_team(body: SlackPayload) -> str:
    """Workspace that installed the bot; shared-channel events may come under another one."""
    installed: SlackPayload = next(iter(body.get("authorizations") or ()), {})
    return str(installed.get("team_id") or body["team_id"])


def _from_event(body: SlackPayload, now: float, thread: str) -> SlackRequest:
    event = body["event"]
    files = file_ids(event)
    text, private = strip_private(strip_markup(event.get("text") or ""))
    verb, _ = split_verb(text)
    if verb in PASTE_VERBS:
        text, _ = strip_private(strip_pasted_markup(event["text"]))
    elif files and (verb == "check" or not text) and not extract_targets(text):  # a mail log, possibly with a comment
        text = f"bounce {text}".strip()
    return SlackRequest(
        # Not event_id: Slack redelivers a message under another one.
        id=f"{event['channel']}:{event['ts']}",
        team=installed_team(body),
        channel=event["channel"],
        user=event["user"],
        text=text,
        requested_at=now,
        private=private,
        thread=thread,
        posts_first=True,
        is_external=(event.get("user_team") or event.get("team") or installed_team(body)) != installed_team(body),
        files=files,
    )
