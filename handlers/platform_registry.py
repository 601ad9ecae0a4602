"""The chat platforms that the settings call for, each made once; where there is none, the chat on a page of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from starlette.routing import BaseRoute, Mount

from bot.app import MailWing
from bot.demo import DemoWorld
from bot.settings import SlackMode
from bot.storage.oauth_tokens import Installations
from bot.storage.rate_limits import Sightings
from bot.storage.record_store import Directory
from bot.storage.redis_client import Store
from bot.task_queue import Jobs
from handlers.background import Seen
from handlers.commands import Commands
from handlers.commands.overview import Overviews
from handlers.ports import Platform, Speaking
from handlers.request_dispatcher import Enqueue
from handlers.slack.app import Credentials, Slack
from handlers.slack.oauth import App
from handlers.teams.app import Teams
from handlers.teams.conversation_store import Kept
from handlers.teams.outbound_auth import Credentials as TeamsCredentials
from handlers.web.app import Web
from handlers.web.dashboard import status_alone

ENQUEUE_WITHIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Chat:
    """A platform with its doors to the HTTP side; `close` ends what outlives its last word."""

    platform: Platform
    doors: Sequence[BaseRoute]
    drain: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What every platform is made of. `speaking` is filled here and read by whoever speaks unasked."""

    wing: MailWing
    store: Store
    commands: Commands
    jobs: Jobs
    speaking: MutableMapping[str, Speaking]
    overviews: Overviews
    demo: DemoWorld | None = None


def chats(parts: Parts) -> list[Chat]:
    """Raises CannotServe where a platform may not be served on this address."""
    settings = parts.wing.settings
    made = [
        *([_slack(parts)] if settings.slack_mode is not SlackMode.NONE else []),
        *([_teams(parts)] if settings.serves_teams else []),
    ]
    made = made or [_web(parts)]
    parts.speaking.update({chat.platform.name: chat.platform for chat in made})
    return made


def published(parts: Parts) -> list[Mount]:
    """The page to look at, where the chat is elsewhere; the bot's own page brings it along."""
    return (
        status_alone(parts.overviews.of_everything)
        if parts.wing.settings.status_page and "web" not in parts.speaking
        else []
    )


def _slack(parts: Parts) -> Chat:
    seen = Seen(Sightings(parts.store.interactive))
    look = partial(parts.overviews.of_rooms, "slack")
    slack = Slack(_slack_credentials(parts), parts.commands, _enqueue(parts.jobs, "answer_slack"), seen, look=look)

    async def answer_slack(ask_id: str) -> None:
        if job := await parts.jobs.asked(ask_id):
            await slack.deliver(job)

    parts.jobs.register(answer_slack)
    return Chat(slack, slack.routes(), slack.drain, _nothing)


def _teams(parts: Parts) -> Chat:
    settings, redis = parts.wing.settings, parts.store.interactive
    secret = settings.teams_client_secret.get_secret_value() if settings.teams_client_secret else ""
    who = TeamsCredentials(settings.teams_client_id or "", secret, settings.teams_tenant_id or "")
    enqueue = _enqueue(parts.jobs, "answer_teams")
    teams = Teams(who, parts.commands, enqueue, Kept(Directory(redis, "teams")), Sightings(redis))

    async def answer_teams(ask_id: str) -> None:
        if job := await parts.jobs.asked(ask_id):
            await teams.deliver(job)

    parts.jobs.register(answer_teams)
    return Chat(teams, teams.routes(settings.http.host), teams.drain, teams.close)


def _web(parts: Parts) -> Chat:
    settings = parts.wing.settings
    web = Web(parts.commands, parts.overviews.of_everything, parts.demo)
    password = settings.web_password.get_secret_value() if settings.web_password else ""
    return Chat(web, web.routes(settings.http, password, settings.status_page), web.drain, _nothing)


def _slack_credentials(parts: Parts) -> Credentials:
    settings = parts.wing.settings
    secrets = (settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret)
    bot, app_token, signing = (secret.get_secret_value() if secret else "" for secret in secrets)
    one = Credentials(bot, app_token, signing, settings.slack_api_url)
    if not (settings.slack_client_id and settings.slack_client_secret):
        return one
    secret = settings.slack_client_secret.get_secret_value()
    app = App(settings.slack_client_id, secret, settings.slack_api_url)
    return replace(one, app=app, installed=Installations(parts.store.interactive, "slack", secret))


def _enqueue(jobs: Jobs, task: str) -> Enqueue:
    async def enqueue(job: dict[str, str]) -> None:
        await jobs.submit(task, job, key=job["id"], within=ENQUEUE_WITHIN_S)

    return enqueue


async def _nothing() -> None:
    return
