"""Builds the chat platforms that the settings name; without any, the web chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from starlette.routing import BaseRoute, Mount

from bot.app import Core
from bot.demo import Demo
from bot.settings import SlackMode
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.deduplicator import Deduplicator
from bot.storage.oauth_tokens import OAuthTokens
from bot.storage.record_store import RecordStore
from bot.storage.redis_client import RedisConnection
from bot.task_queue import TaskQueue
from handlers.commands import CommandRouter
from handlers.commands.overview import OverviewBuilder
from handlers.ports import MessagePoster, Platform
from handlers.request_dispatcher import Enqueue
from handlers.slack.app import Credentials, SlackPlatform
from handlers.slack.oauth import OAuthApp
from handlers.teams.app import TeamsPlatform
from handlers.teams.conversation_store import StoredConversationReferences
from handlers.teams.outbound_auth import Credentials as TeamsCredentials
from handlers.web.app import WebChat
from handlers.web.dashboard import status_page_routes


@dataclass(frozen=True, slots=True)
class PlatformRuntime:
    """A platform with its HTTP routes; `close` releases its connections."""

    platform: Platform
    routes: Sequence[BaseRoute]
    drain: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PlatformDependencies:
    """What the platforms need. `posters` is filled here and read by delivery."""

    core: Core
    store: RedisConnection
    commands: CommandRouter
    task_queue: TaskQueue
    posters: MutableMapping[str, MessagePoster]
    overview_builder: OverviewBuilder
    demo: Demo | None = None


def build_platforms(dependencies: PlatformDependencies) -> list[PlatformRuntime]:
    """Build the platforms. Raises CannotServe where one may not be served on this address."""
    settings = dependencies.core.settings
    platforms = [
        *([_slack(dependencies)] if settings.slack_mode is not SlackMode.NONE else []),
        *([_teams(dependencies)] if settings.serves_teams else []),
    ]
    platforms = platforms or [_web(dependencies)]
    dependencies.posters.update({chat.platform.name: chat.platform for chat in platforms})
    return platforms


def status_routes(dependencies: PlatformDependencies) -> list[Mount]:
    """The status page, unless the web chat already serves it."""
    return (
        status_page_routes(dependencies.overview_builder.build_all)
        if dependencies.core.settings.status_page and "web" not in dependencies.posters
        else []
    )


def _slack(dependencies: PlatformDependencies) -> PlatformRuntime:
    breaker = dependencies.core.breaker
    home_overview = partial(dependencies.overview_builder.build_for_channels, "slack")
    slack = SlackPlatform(
        _slack_credentials(dependencies),
        dependencies.commands,
        enqueue_jobs(dependencies.task_queue, breaker, "answer_slack", id_key="id"),
        Deduplicator(dependencies.store.interactive, breaker),
        load_overview=home_overview,
    )

    async def answer_slack(payload_id: str) -> None:
        if job := await dependencies.task_queue.payload(payload_id):
            await slack.deliver(job)

    dependencies.task_queue.register(answer_slack)
    return PlatformRuntime(slack, slack.routes(), slack.drain, _no_close)


def _teams(dependencies: PlatformDependencies) -> PlatformRuntime:
    settings, breaker = dependencies.core.settings, dependencies.core.breaker
    redis = dependencies.store.interactive
    secret = settings.teams_client_secret.get_secret_value() if settings.teams_client_secret else ""
    credentials = TeamsCredentials(settings.teams_client_id or "", secret, settings.teams_tenant_id or "")
    enqueue = enqueue_jobs(dependencies.task_queue, breaker, "answer_teams", id_key="errand")
    teams = TeamsPlatform(
        credentials,
        dependencies.commands,
        enqueue,
        StoredConversationReferences(RecordStore(redis, "teams"), breaker),
        Deduplicator(redis, breaker),
    )

    async def answer_teams(payload_id: str) -> None:
        if job := await dependencies.task_queue.payload(payload_id):
            await teams.deliver(job)

    dependencies.task_queue.register(answer_teams)
    return PlatformRuntime(teams, teams.routes(settings.http.host), teams.drain, teams.close)


def _web(dependencies: PlatformDependencies) -> PlatformRuntime:
    settings = dependencies.core.settings
    web = WebChat(dependencies.commands, dependencies.overview_builder.build_all, dependencies.demo)
    password = settings.web_password.get_secret_value() if settings.web_password else ""
    return PlatformRuntime(web, web.routes(settings.http, password, settings.status_page), web.drain, _no_close)


def _slack_credentials(dependencies: PlatformDependencies) -> Credentials:
    settings = dependencies.core.settings
    secrets = (settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret)
    bot, app_token, signing = (secret.get_secret_value() if secret else "" for secret in secrets)
    credentials = Credentials(bot, app_token, signing, settings.slack_api_url)
    if not (settings.slack_client_id and settings.slack_client_secret):
        return credentials
    secret = settings.slack_client_secret.get_secret_value()
    app = OAuthApp(settings.slack_client_id, secret, settings.slack_api_url)
    return replace(credentials, oauth_app=app, token_store=OAuthTokens(dependencies.store.interactive, "slack", secret))


def enqueue_jobs(task_queue: TaskQueue, breaker: CircuitBreaker, task: str, *, id_key: str) -> Enqueue:
    """Submit jobs under the request id in `id_key`; a job with the id of a pending one is dropped."""

    async def enqueue(job: dict[str, str]) -> None:
        await breaker.call(lambda: task_queue.submit(task, job, key=job[id_key]))

    return enqueue


async def _no_close() -> None:
    return
