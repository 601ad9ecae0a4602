"""Many workspaces install one bot, and it speaks in each with that one's token."""

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
from handlers.ports import Later, Room, SpaceGone
from handlers.slack.app import Credentials, Slack
from handlers.slack.oauth import SCOPES, App
from tests.handlers.slack.conftest import Scripted, serving
from tests.support.fake_slack import FakeSlack
from tests.support.slack_payloads import SECRET, as_json, event, mention, signed

CODE, TOKEN = "a-code", "xoxb-of-the-second-workspace"
ELSEWHERE = Room("slack", "T2", "C7")


@dataclass
class Kept:
    """The installations in a dict; `away` is a store that does not answer."""

    tokens: dict[str, str] = field(default_factory=dict)
    away: bool = False

    async def keep(self, space: str, token: str) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.tokens[space] = token

    async def token(self, space: str) -> str | None:
        if self.away:
            raise StoreUnavailable("away")
        return self.tokens.get(space)

    async def forget(self, space: str) -> None:
        self.tokens.pop(space, None)


@dataclass
class Shared:
    slack: Slack
    fake: FakeSlack
    kept: Kept
    commands: Scripted
    http: httpx.AsyncClient

    async def begin(self) -> dict[str, str]:
        """An admin opens the page; what Slack is asked for. Their browser keeps the cookie."""
        answer = await self.http.get("/slack/install")
        assert answer.status_code == 302
        self.http.cookies.clear()
        # Set by hand: the cookie is for https alone, and the server of this test speaks http.
        self.http.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
        assert "Secure; HttpOnly" in answer.headers["set-cookie"]
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    async def finish(self, **query: str) -> httpx.Response:
        return await self.http.get("/slack/oauth_redirect", params=query)

    async def hear(self, happening: dict[str, object]) -> None:
        body, kind = as_json(event(happening) | {"team_id": "T2", "authorizations": [{"team_id": "T2"}]})
        await self.http.post("/slack/events", content=body, headers=signed(body, kind))
        await self.slack.drain()


@asynccontextmanager
async def shared() -> AsyncIterator[Shared]:
    fake, kept, commands = FakeSlack(), Kept(), Scripted()
    fake.installing[CODE] = ("T2", TOKEN)
    commands.free.set()

    async def away(job: dict[str, str]) -> None:
        raise OSError("no queue here: the work is done at once")

    async with serving(fake.app) as url:
        app = App("1.2", "a client secret", f"{url}/api/")
        credentials = Credentials(signing_secret=SECRET, api_url=f"{url}/api/", app=app, installed=kept)
        slack = Slack(credentials, commands, away)
        async with (
            serving(Starlette(routes=slack.routes())) as door,
            httpx.AsyncClient(base_url=door, verify=False) as http,
        ):
            yield Shared(slack, fake, kept, commands, http)


@pytest_asyncio.fixture
async def bot() -> AsyncIterator[Shared]:
    async with shared() as opened:
        yield opened


async def test_a_workspace_that_installs_the_bot_is_answered_with_its_own_token(bot: Shared) -> None:
    asked = await bot.begin()
    assert (asked["client_id"], asked["scope"]) == ("1.2", ",".join(SCOPES))
    done = await bot.finish(state=asked["state"], code=CODE)
    assert done.status_code == 200
    assert bot.kept.tokens == {"T2": TOKEN}

    await bot.hear(mention("<@UBOT> example.com"))
    assert [ask.room.space for ask in bot.commands.asked] == ["T2"]
    assert await bot.slack.post(ELSEWHERE, Card("Listed"))
    assert [way for way, _ in bot.fake.said] == ["chat.postMessage", "chat.postMessage"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"state": "forged", "code": CODE}, 400),
        ({"code": CODE}, 400),
        ({"error": "access_denied"}, 200),
    ],
    ids=["a state of somebody else", "no state", "the admin said no"],
)
async def test_nothing_is_kept_of_an_installation_that_nobody_began_here(
    query: dict[str, str], status: int, bot: Shared
) -> None:
    await bot.begin()
    assert (await bot.finish(**query)).status_code == status
    assert bot.kept.tokens == {}


async def test_a_code_is_good_once(bot: Shared) -> None:
    asked = await bot.begin()
    await bot.finish(state=asked["state"], code=CODE)
    again = await bot.finish(state=asked["state"], code=CODE)
    assert (again.status_code, TOKEN in again.text) == (401, False)


async def test_without_the_store_an_installation_fails_in_words(bot: Shared) -> None:
    asked = await bot.begin()
    bot.kept.away = True
    failed = await bot.finish(state=asked["state"], code=CODE)
    assert (failed.status_code, "storage_error" in failed.text, "Traceback" in failed.text) == (500, True, False)


async def test_a_workspace_that_removes_the_bot_takes_its_token_back(bot: Shared) -> None:
    bot.kept.tokens["T2"] = TOKEN
    await bot.hear({"type": "app_uninstalled"})
    assert bot.kept.tokens == {}
    assert bot.commands.left == [("slack", "T2")]
    with pytest.raises(SpaceGone):
        await bot.slack.post(ELSEWHERE, Card("Listed"))


async def test_a_token_that_was_taken_back_is_thrown_away_and_the_watches_rest_until_there_is_another(
    bot: Shared,
) -> None:
    bot.kept.tokens["T2"] = "revoked"
    await bot.hear({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}})
    assert bot.kept.tokens == {}
    assert (bot.commands.silent, bot.commands.left) == ([("slack", "T2")], [])
    asked = await bot.begin()
    await bot.finish(state=asked["state"], code=CODE)
    async with asyncio.timeout(5):
        assert await bot.commands.back.get() == ("slack", "T2")


async def test_while_the_store_is_away_an_alert_waits(bot: Shared) -> None:
    bot.kept.away = True
    with pytest.raises(Later):
        await bot.slack.post(ELSEWHERE, Card("Listed"))
