"""Builds the chat platforms that the settings name; without any, the web chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from starlette.routing import BaseRoute, Mount

from bot.demo import Demo
from bot.settings import secret_text
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.deduplicator import Deduplicator
from bot.storage.record_store import RecordStore
from bot.storage.redis_client import RedisConnection
from bot.task_queue import TaskQueue
from handlers.commands import CommandRouter
from handlers.commands.overview import OverviewBuilder
from handlers.ports import MessagePoster, Platform
from handlers.request_dispatcher import Enqueue
from handlers.settings import ServiceSettings
from handlers.slack.app import Credentials, SlackPlatform
from handlers.slack.oauth import OAuthApp
from handlers.slack.oauth_tokens import OAuthTokens
from handlers.slack.settings import SlackSettings
from handlers.teams.app import TeamsPlatform
from handlers.teams.conversation_store import StoredConversationReferences
from handlers.teams.outbound_auth import Credentials as TeamsCredentials
from handlers.teams.settings import TeamsSettings
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

    settings: ServiceSettings
    store: RedisConnection
    breaker: CircuitBreaker
    commands: CommandRouter
    task_queue: TaskQueue
    posters: MutableMapping[str, MessagePoster]
    overview_builder: OverviewBuilder
    demo: Demo | None = None


def build_platforms(dependencies: PlatformDependencies) -> list[PlatformRuntime]:
    """Build the platforms. Raises CannotServe where one may not be served on this address."""
    settings = dependencies.settings
    platforms = [
        *([_slack(dependencies, settings.slack)] if settings.slack else []),
        *([_teams(dependencies, settings.teams)] if settings.teams else []),
    ]
    platforms = platforms or [_web(dependencies)]
    dependencies.posters.update({chat.platform.name: chat.platform for chat in platforms})
    return platforms


def status_routes(dependencies: PlatformDependencies) -> list[Mount]:
    """The status page, unless the web chat already serves it."""
    return (
        status_page_routes(dependencies.overview_builder.build_all)
        if dependencies.settings.web.status_page and "web" not in dependencies.posters
        else []
    )


def _slack(dependencies: PlatformDependencies, settings: SlackSettings) -> PlatformRuntime:
    breaker = dependencies.breaker
    home_overview = partial(dependencies.overview_builder.build_for_channels, "slack")
    slack = SlackPlatform(
        _slack_credentials(settings, dependencies.store),
        dependencies.commands,
        enqueue_jobs(dependencies.task_queue, breaker, "answer_slack", id_key="id"),
        Deduplicator(dependencies.store.interactive, breaker),
        load_overview=home_overview,
    )
    dependencies.task_queue.register_job("answer_slack", slack.deliver)
    return PlatformRuntime(slack, slack.routes(), slack.drain, _no_close)


def _teams(dependencies: PlatformDependencies, settings: TeamsSettings) -> PlatformRuntime:
    redis, breaker = dependencies.store.interactive, dependencies.breaker
    credentials = TeamsCredentials(
        settings.client_id or "", secret_text(settings.client_secret), settings.tenant_id or ""
    )
    enqueue = enqueue_jobs(dependencies.task_queue, breaker, "answer_teams", id_key="errand")
    teams = TeamsPlatform(
        credentials,
        dependencies.commands,
        enqueue,
        StoredConversationReferences(RecordStore(redis, "teams"), breaker),
        Deduplicator(redis, breaker),
    )
    dependencies.task_queue.register_job("answer_teams", teams.deliver)
    return PlatformRuntime(teams, teams.routes(dependencies.settings.web.http.host), teams.drain, teams.close)


def _web(dependencies: PlatformDependencies) -> PlatformRuntime:
    settings = dependencies.settings.web
    web = WebChat(dependencies.commands, dependencies.overview_builder.build_all, dependencies.demo)
    routes = web.routes(settings.http, secret_text(settings.web_password), settings.status_page)
    return PlatformRuntime(web, routes, web.drain, _no_close)


def _slack_credentials(settings: SlackSettings, store: RedisConnection) -> Credentials:
    bot, app_token, signing = map(secret_text, (settings.bot_token, settings.app_token, settings.signing_secret))
    credentials = Credentials(bot, app_token, signing, settings.api_url)
    if not (settings.client_id and settings.client_secret):
        return credentials
    secret = secret_text(settings.client_secret)
    app = OAuthApp(settings.client_id, secret, settings.api_url)
    return replace(credentials, oauth_app=app, token_store=OAuthTokens(store.interactive, secret))


def enqueue_jobs(task_queue: TaskQueue, breaker: CircuitBreaker, task: str, *, id_key: str) -> Enqueue:
    """Submit jobs under the request id in `id_key`; a job with the id of a pending one is dropped."""

    async def enqueue(job: dict[str, str]) -> None:
        await breaker.call(lambda: task_queue.submit(task, job, key=job[id_key]))

    return enqueue


async def _no_close() -> None:
    return
