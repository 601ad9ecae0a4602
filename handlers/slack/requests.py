"""Parses Slack payloads into requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.ports import Channel, ChatRequest, File
from handlers.slack.mrkdwn import extract_targets, iter_texts, strip_markup
from handlers.slack.payload_shape import SlackPayload, well_formed
from handlers.verbs import Command, Refusal, VerbTable

MAX_FILES = 5
NO_TARGETS = "That message names no address and no domain."


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
    command: Command = field(repr=False)
    requested_at: float
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
        return ChatRequest(self.chat_channel, self.user, self.command, self.name, self.is_external, files)

    @property
    def chat_channel(self) -> Channel:
        return Channel("slack", self.team, self.channel)

    def to_job(self, verbs: VerbTable[Any]) -> dict[str, str]:
        """Serialize for the queue; the inverse of `from_job`."""
        return {
            "id": self.id,
            "team": self.team,
            "channel": self.channel,
            "user": self.user,
            "asked": str(self.requested_at),
            "thread": self.thread,
            "response_url": self.response_url,
            "replaces": str(self.replaces),
            "posts_first": str(self.posts_first),
            "name": self.name,
            "stranger": str(self.is_external),
            "files": " ".join(self.files),
            "at_home": str(self.from_app_home),
            **verbs.to_job(self.command),
        }

    @classmethod
    def from_job(cls, job: Mapping[str, str], verbs: VerbTable[Any]) -> SlackRequest:
        """Request from its serialized form. Raises KeyError or ValueError."""
        return cls(
            id=job["id"],
            team=job["team"],
            channel=job["channel"],
            user=job["user"],
            command=verbs.from_job(job),
            requested_at=float(job["asked"]),
            thread=job["thread"],
            response_url=job["response_url"],
            replaces=job["replaces"] == "True",
            posts_first=job["posts_first"] == "True",
            name=job.get("name", ""),  # jobs of older versions lack these keys
            is_external=job.get("stranger") == "True",
            files=tuple(job.get("files", "").split()),
            from_app_home=job.get("at_home") == "True",
        )


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a payload does not say: the time, the verbs, the bot's workspace, and how to open a file.

    In a Slack Connect channel the payload names the user's workspace, which may be another one
    than the bot's; that is empty where many workspaces share the bot.
    """

    now: float
    verbs: VerbTable[Any]
    workspace: str = ""
    open_file: Callable[[str, str], File] | None = None

    def complete(self, request: SlackRequest) -> SlackRequest:
        """The request under the bot's workspace, able to open its files."""
        request = replace(request, open_file=self.open_file)
        if self.workspace in ("", request.team):
            return request
        return replace(request, team=self.workspace, is_external=True)


@well_formed
def from_command(payload: SlackPayload, context: RequestContext) -> SlackRequest:
    """A slash command; its text has no markup, unless the app escapes it (`should_escape`)."""
    return context.complete(
        SlackRequest(
            id=payload["trigger_id"],
            team=payload["team_id"],
            channel=payload["channel_id"],
            user=payload["user_id"],
            command=context.verbs.parse(strip_markup(payload.get("text") or "")),
            requested_at=context.now,
            response_url=payload["response_url"],
            replaces=True,
            name=payload.get("user_name", ""),
        )
    )


@well_formed
def from_mention(body: SlackPayload, context: RequestContext) -> SlackRequest:
    """A mention of the bot, answered in its thread or in a new one."""
    return _from_event(body, context, thread=body["event"].get("thread_ts") or body["event"]["ts"])


@well_formed
def from_direct_message(body: SlackPayload, context: RequestContext) -> SlackRequest | None:
    """A direct message; None for bots, edits, joins and deletions, and outside of DMs."""
    event = body["event"]
    if (
        event.get("channel_type") != "im"
        or event.get("subtype", "file_share") != "file_share"
        or event.get("bot_id")
        or not event.get("user")
    ):
        return None
    return _from_event(body, context, thread=event.get("thread_ts", ""))


@well_formed
def from_shortcut(shortcut: SlackPayload, context: RequestContext) -> SlackRequest:
    """Message shortcut that checks the message's targets and answers in its thread."""
    targets = " ".join(extract_targets(" \n".join(iter_texts(shortcut["message"]))))
    command = context.verbs.read("check", targets) if targets else Command("check", Refusal(NO_TARGETS))
    return _from_message_action(shortcut, context, command)


@well_formed
def from_bounce(shortcut: SlackPayload, context: RequestContext) -> SlackRequest:
    """Message shortcut on a bounce, in the text or in an attached file."""
    message = shortcut["message"]
    text = strip_markup(message.get("text") or "") or "\n".join(iter_texts(message))
    return _from_message_action(shortcut, context, context.verbs.read("bounce", text), file_ids(message))


def _from_message_action(
    shortcut: SlackPayload, context: RequestContext, command: Command, files: tuple[str, ...] = ()
) -> SlackRequest:
    message = shortcut["message"]
    return context.complete(
        SlackRequest(
            id=shortcut["trigger_id"],
            team=shortcut["team"]["id"],
            channel=shortcut["channel"]["id"],
            user=shortcut["user"]["id"],
            command=command,
            requested_at=context.now,
            thread=message.get("thread_ts") or message.get("ts") or shortcut.get("message_ts", ""),
            response_url=shortcut["response_url"],
            posts_first=True,
            name=user_name(shortcut["user"]),
            is_external=is_external_user(shortcut),
            files=files,
        )
    )


@well_formed
def from_button(body: SlackPayload, action: SlackPayload, context: RequestContext) -> SlackRequest:
    """A button action as the command it carries.

    In an ephemeral message the answer replaces it; an action on an alert is answered in its thread.
    """
    source_message = body.get("message") or {}
    is_ephemeral = bool((body.get("container") or {}).get("is_ephemeral"))
    command = context.verbs.parse(action["value"])
    starts_thread = context.verbs[command.verb].in_thread and not is_ephemeral
    return context.complete(
        SlackRequest(
            id=body["trigger_id"],
            team=body["team"]["id"],
            channel=body["channel"]["id"],
            user=body["user"]["id"],
            command=replace(command, private=command.private or is_ephemeral),
            requested_at=context.now,
            thread=source_message.get("thread_ts") or (source_message.get("ts", "") if starts_thread else ""),
            response_url=body["response_url"],
            replaces=is_ephemeral,
            name=user_name(body["user"]),
            is_external=is_external_user(body),
        )
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


@well_formed
def installed_team(body: SlackPayload) -> str:
    """Workspace that installed the bot; shared-channel events may come under another one."""
    installed: SlackPayload = next(iter(body.get("authorizations") or ()), {})
    team: str = installed.get("team_id") or body["team_id"]
    team.encode()
    return team


def _from_event(body: SlackPayload, context: RequestContext, thread: str) -> SlackRequest:
    event, team = body["event"], installed_team(body)
    files = file_ids(event)
    return context.complete(
        SlackRequest(
            # Not event_id: Slack redelivers a message under another one.
            id=f"{event['channel']}:{event['ts']}",
            team=team,
            channel=event["channel"],
            user=event["user"],
            command=context.verbs.parse(strip_markup(event.get("text") or ""), has_files=bool(files)),
            requested_at=context.now,
            thread=thread,
            posts_first=True,
            is_external=(event.get("user_team") or event.get("team") or team) != team,
            files=files,
        )
    )
