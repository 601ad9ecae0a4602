"""Several workspaces install the app; each is served with its own token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from bot.storage import StoreUnavailable
from handlers.message import Card
from handlers.ports import Channel, RetryAfter, WorkspaceUnavailable
from handlers.slack.app import Credentials, SlackPlatform
from handlers.slack.oauth import SCOPES, OAuthApp
from tests.handlers.slack.conftest import ScriptedCommands, serve_app
from tests.support.fake_slack import FakeSlack
from tests.support.slack_payloads import SECRET, event_callback, json_body, mention, signed_headers

CODE, TOKEN = "a-code", "xoxb-of-the-second-workspace"
OTHER_CHANNEL = Channel("slack", "T2", "C7")


@dataclass
class MemoryTokenStore:
    """Tokens in a dict; raises StoreUnavailable while `unavailable`."""

    tokens: dict[str, str] = field(default_factory=dict)
    unavailable: bool = False

    async def save(self, workspace: str, token: str) -> None:
        if self.unavailable:
            raise StoreUnavailable("unavailable")
        self.tokens[workspace] = token

    async def token(self, workspace: str) -> str | None:
        if self.unavailable:
            raise StoreUnavailable("unavailable")
        return self.tokens.get(workspace)

    async def delete(self, workspace: str) -> None:
        self.tokens.pop(workspace, None)


@dataclass
class InstalledBot:
    slack: SlackPlatform
    fake: FakeSlack
    token_store: MemoryTokenStore
    commands: ScriptedCommands
    http: httpx.AsyncClient

    async def start_install(self) -> dict[str, str]:
        """Open the install page as an admin; the query of Slack's authorization URL."""
        answer = await self.http.get("/slack/install")
        assert answer.status_code == 302
        self.http.cookies.clear()
        # Set explicitly: the cookie is Secure, and this test server is plain HTTP.
        self.http.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
        assert "Secure; HttpOnly" in answer.headers["set-cookie"]
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    async def finish_install(self, **query: str) -> httpx.Response:
        return await self.http.get("/slack/oauth_redirect", params=query)

    async def send_event(self, inner_event: dict[str, object]) -> None:
        body, kind = json_body(event_callback(inner_event) | {"team_id": "T2", "authorizations": [{"team_id": "T2"}]})
        await self.http.post("/slack/events", content=body, headers=signed_headers(body, kind))
        await self.slack.drain()


@asynccontextmanager
async def installed_bot() -> AsyncIterator[InstalledBot]:
    fake, token_store, commands = FakeSlack(), MemoryTokenStore(), ScriptedCommands()
    fake.pending_installs[CODE] = ("T2", TOKEN)
    commands.released.set()

    async def fail(job: dict[str, str]) -> None:
        raise StoreUnavailable("no queue: run in process")

    async with serve_app(fake.app) as url:
        app = OAuthApp("1.2", "a client secret", f"{url}/api/")
        credentials = Credentials(signing_secret=SECRET, api_url=f"{url}/api/", oauth_app=app, token_store=token_store)
        slack = SlackPlatform(credentials, commands, fail)
        async with (
            serve_app(Starlette(routes=slack.routes())) as bot_url,
            httpx.AsyncClient(base_url=bot_url, verify=False) as http,
        ):
            yield InstalledBot(slack, fake, token_store, commands, http)


@pytest_asyncio.fixture
async def bot() -> AsyncIterator[InstalledBot]:
    async with installed_bot() as opened:
        yield opened


async def test_installed_workspace_is_answered_with_own_token(bot: InstalledBot) -> None:
    authorize_query = await bot.start_install()
    assert (authorize_query["client_id"], authorize_query["scope"]) == ("1.2", ",".join(SCOPES))
    response = await bot.finish_install(state=authorize_query["state"], code=CODE)
    assert response.status_code == 200
    assert bot.token_store.tokens == {"T2": TOKEN}

    await bot.send_event(mention("<@UBOT> example.com"))
    assert [request.channel.workspace for request in bot.commands.requests] == ["T2"]
    assert await bot.slack.post(OTHER_CHANNEL, Card("Listed"))
    assert [method for method, _ in bot.fake.sent] == ["chat.postMessage", "chat.postMessage"]


@pytest.mark.parametrize(
    ("query", "status"),
    [({"state": "forged", "code": CODE}, 400), ({"code": CODE}, 400), ({"error": "access_denied"}, 200)],
    ids=["forged state", "no state", "access denied"],
)
async def test_installation_without_valid_state_stores_nothing(
    query: dict[str, str], status: int, bot: InstalledBot
) -> None:
    await bot.start_install()
    assert (await bot.finish_install(**query)).status_code == status
    assert bot.token_store.tokens == {}


async def test_oauth_code_is_single_use(bot: InstalledBot) -> None:
    authorize_query = await bot.start_install()
    await bot.finish_install(state=authorize_query["state"], code=CODE)
    second = await bot.finish_install(state=authorize_query["state"], code=CODE)
    assert (second.status_code, TOKEN in second.text) == (401, False)


async def test_installation_with_store_down_shows_error_page(bot: InstalledBot) -> None:
    authorize_query = await bot.start_install()
    bot.token_store.unavailable = True
    failed = await bot.finish_install(state=authorize_query["state"], code=CODE)
    assert (failed.status_code, "storage_error" in failed.text, "Traceback" in failed.text) == (500, True, False)


async def test_uninstalled_workspace_token_is_deleted(bot: InstalledBot) -> None:
    bot.token_store.tokens["T2"] = TOKEN
    await bot.send_event({"type": "app_uninstalled"})
    assert bot.token_store.tokens == {}
    assert bot.commands.uninstalled == [("slack", "T2")]
    with pytest.raises(WorkspaceUnavailable):
        await bot.slack.post(OTHER_CHANNEL, Card("Listed"))


async def test_revoked_token_is_deleted_until_reinstall(bot: InstalledBot) -> None:
    bot.token_store.tokens["T2"] = "revoked"
    await bot.send_event({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}})
    assert bot.token_store.tokens == {}
    assert (bot.commands.revoked, bot.commands.uninstalled) == ([("slack", "T2")], [])
    authorize_query = await bot.start_install()
    await bot.finish_install(state=authorize_query["state"], code=CODE)
    async with asyncio.timeout(5):
        assert await bot.commands.restored.get() == ("slack", "T2")


async def test_post_with_store_down_raises_retry_after(bot: InstalledBot) -> None:
    bot.token_store.unavailable = True
    with pytest.raises(RetryAfter):
        await bot.slack.post(OTHER_CHANNEL, Card("Listed"))
