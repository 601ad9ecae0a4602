"""Host rules: foreign names are refused, and every mounted route has a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from bot.settings import HostPort
from handlers.host_check import ROUTE_RULES, HostCheck, HostRule, route_rule
from handlers.http_app import HealthProbes, build_http_app
from handlers.slack.app import Credentials, SlackPlatform
from handlers.slack.oauth import OAuthApp
from handlers.teams.app import TeamsPlatform
from handlers.teams.outbound_auth import Credentials as TeamsCredentials
from handlers.web.dashboard import empty_overview, status_page_routes
from tests.handlers.slack.conftest import ScriptedCommands
from tests.handlers.web.conftest import build_chat
from tests.support.memory_conversations import MemoryConversationReferences

LOOPBACK, ANY_INTERFACE = HostPort("127.0.0.1", 3000), HostPort("0.0.0.0", 3000)
PUBLIC_HOSTS = ("bot.example.com",)
PROBES = ("/healthz", "/readyz", "/metrics")
PAGES = (*("/", "/c/mail", "/status", "/login", "/stream", "/static/chat.css"), *("/api/v1/checks", "/unknown"))
SIGNED = ("/slack/events", "/slack/install", "/api/messages", "/hooks/alertmanager")
OWN = ("localhost:3000", "127.0.0.1", "[::1]:3000", "LOCALHOST", "Bot.Example.com.", "bot.example.com:1")
FOREIGN = ("evil.example", "evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example", "a@127.0.0.1")


class UnusedTokenStore:
    async def save(self, team: str, token: str) -> None:
        raise AssertionError

    async def token(self, team: str) -> str | None:
        raise AssertionError

    async def delete(self, team: str) -> None:
        raise AssertionError


async def enqueue(job: dict[str, str]) -> None:
    raise AssertionError


async def update_gauges() -> None:
    return


def slack_routes() -> Sequence[BaseRoute]:
    credentials = Credentials(
        signing_secret="secret", oauth_app=OAuthApp("1.1", "secret"), token_store=UnusedTokenStore()
    )
    return SlackPlatform(credentials, ScriptedCommands(), enqueue).routes()


def teams_routes() -> Sequence[BaseRoute]:
    credentials = TeamsCredentials("client", "secret", "tenant")
    references = MemoryConversationReferences()
    return TeamsPlatform(credentials, ScriptedCommands(), enqueue, references).routes("127.0.0.1")


def page_routes() -> Sequence[BaseRoute]:
    return build_chat().web.routes(LOOPBACK)


def published_routes() -> Sequence[BaseRoute]:
    return status_page_routes(empty_overview)


def mounted_paths(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Paths of an application and of the applications it mounts, also behind middleware."""
    for route in routes:
        if isinstance(route, Route):
            yield prefix + route.path
            continue
        assert isinstance(route, Mount), f"unknown kind of route: {route}"
        app = route.app
        while app is not None and not isinstance(app, Starlette):
            app = getattr(app, "app", None)
        if app is None:
            yield f"{prefix}{route.path}/file"
        else:
            yield from mounted_paths(app.routes, prefix + route.path)


@pytest.mark.parametrize("build_routes", [slack_routes, teams_routes, page_routes, published_routes])
async def test_mounted_route_has_a_rule(build_routes: Callable[[], Sequence[BaseRoute]]) -> None:
    probes = HealthProbes(lambda: True, {}, CollectorRegistry(), update_gauges)
    paths = list(mounted_paths(build_http_app(probes, build_routes()).routes))
    assert len(paths) > len(PROBES)
    assert [path for path in paths if route_rule(path) is None] == []


@pytest.mark.parametrize("path", ["/new", "/metricsx", "/c", "/apis", "//", ""])
def test_path_outside_the_table_has_no_rule(path: str) -> None:
    assert route_rule(path) is None


def test_rules_name_each_route_once() -> None:
    assert len({route for route, _ in ROUTE_RULES}) == len(ROUTE_RULES)
    assert {rule for _, rule in ROUTE_RULES} == set(HostRule)


async def served(_: Request) -> Response:
    return PlainTextResponse("served")


async def status(address: HostPort, path: str, host: str) -> int:
    """Status of a GET to an application that has every path."""
    app = Starlette(routes=[Route("/{path:path}", served)])
    transport = httpx.ASGITransport(HostCheck(app, address, PUBLIC_HOSTS))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return (await client.get(path, headers={"host": host})).status_code


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", [*PROBES, *PAGES])
@pytest.mark.parametrize("address", [LOOPBACK, ANY_INTERFACE])
async def test_foreign_host_is_refused(address: HostPort, path: str, host: str) -> None:
    assert await status(address, path, host) == 421


@pytest.mark.parametrize("host", OWN)
@pytest.mark.parametrize("path", [*PROBES, *PAGES])
@pytest.mark.parametrize("address", [LOOPBACK, ANY_INTERFACE])
async def test_own_host_is_served(address: HostPort, path: str, host: str) -> None:
    assert await status(address, path, host) == 200


@pytest.mark.parametrize("host", [*FOREIGN, "192.0.2.7", ""])
@pytest.mark.parametrize("path", SIGNED)
async def test_signed_route_with_any_host_is_served(path: str, host: str) -> None:
    assert await status(LOOPBACK, path, host) == 200


@pytest.mark.parametrize("host", ["192.0.2.7:3000", "[2001:db8::7]:3000"])
@pytest.mark.parametrize("path", PROBES)
async def test_probe_by_pod_address_off_loopback_is_served(path: str, host: str) -> None:
    assert await status(ANY_INTERFACE, path, host) == 200
    assert await status(LOOPBACK, path, host) == 421


@pytest.mark.parametrize(("path", "expected"), [("/healthz", 200), ("/metrics", 200), ("/", 421)])
async def test_request_without_host_is_allowed_for_probes(path: str, expected: int) -> None:
    assert await status(LOOPBACK, path, "") == expected


async def test_listen_address_as_host_is_served() -> None:
    address = HostPort("192.0.2.7", 3000)
    assert await status(address, "/status", "192.0.2.7:3000") == 200
