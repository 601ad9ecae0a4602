"""Who gets in: Microsoft's signature, one bot, one service, one tenant; and what a forger can make the bot do, which is nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from handlers.ports import CannotServe
from handlers.teams.app import Teams, is_loopback
from handlers.teams.cloud import Cloud
from handlers.teams.conversation_references import InThisProcess
from handlers.teams.outbound_auth import Credentials
from tests.handlers.slack.conftest import Scripted
from tests.handlers.teams.conftest import BEGUN, Tenant
from tests.support.fake_microsoft import token
from tests.support.teams_activities import CLIENT_ID, TENANT, message

HOUR = 3_600
STORM = 200
BAD: dict[str, Any] = {
    "none": lambda _: "",
    "garbage": lambda _: "Bearer abc.def.ghi",
    "another scheme": lambda _: "Basic YTpi",
    "unsigned": lambda claims: f"Bearer {token(claims(), algorithm='none')}",
    "signed with a password": lambda claims: f"Bearer {token(claims(), algorithm='HS256')}",
    "another key under a known name": lambda claims: f"Bearer {token(claims(), signed_with='forged')}",
    "an unknown key": lambda claims: f"Bearer {token(claims(), signed_with='forged', kid='k9')}",
    "for another bot": lambda claims: f"Bearer {token(claims(aud='another'))}",
    "another issuer": lambda claims: f"Bearer {token(claims(iss='https://login.microsoftonline.com/evil/v2.0'))}",
    "expired": lambda claims: f"Bearer {token(claims(exp=int(BEGUN) - HOUR))}",
    "without an end": lambda claims: f"Bearer {token(claims(exp=None))}",
    "not yet valid": lambda claims: f"Bearer {token(claims(nbf=int(BEGUN) + HOUR))}",
    "for another service": lambda claims: f"Bearer {token(claims(serviceurl='https://smba.trafficmanager.net/'))}",
    "for no service": lambda claims: f"Bearer {token(claims(serviceurl=None))}",
    "endless": lambda claims: f"Bearer {token(claims(more='x' * 9_000))}",
    "twice": lambda claims: f"Bearer {token(claims())},Bearer {token(claims())}",
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_token_is_refused(kind: str, tenant: Tenant) -> None:
    answer = await tenant.send(message("example.com", tenant.service), BAD[kind](tenant.claims))
    assert (answer.status_code, tenant.jobs) == (401, [])


@pytest.mark.parametrize("claims", [{}, {"exp": int(BEGUN) - 240}, {"nbf": int(BEGUN) + 240}])
async def test_a_good_token_is_let_in_with_five_minutes_of_patience(claims: dict[str, Any], tenant: Tenant) -> None:
    signed = f"Bearer {token(tenant.claims(**claims))}"
    assert (await tenant.send(message("example.com", tenant.service), signed)).status_code == 200
    assert len(tenant.jobs) == 1


@pytest.mark.parametrize("channel", ["", "emulator", None])
async def test_a_token_is_good_for_teams_alone(channel: str | None, tenant: Tenant) -> None:
    sent = message("example.com", tenant.service) | {"channelId": channel}
    assert (await tenant.send(sent)).status_code == 401


async def test_a_key_that_does_not_speak_for_teams_is_refused(tenant: Tenant) -> None:
    tenant.microsoft.known["k1"] = {"endorsements": ["webchat"]}
    assert (await tenant.send(message("example.com", tenant.service))).status_code == 401


async def test_keys_are_fetched_once_a_day_and_for_an_unknown_one_once_a_minute(tenant: Tenant) -> None:
    async def fetched_after(wait: float, kid: str = "k1") -> tuple[int, int]:
        tenant.slept.append(wait)
        signed = token(tenant.claims(), signed_with=kid, kid=kid)
        status = (await tenant.send(message("example.com", tenant.service), f"Bearer {signed}")).status_code
        return status, tenant.microsoft.calls["keys"]

    assert await fetched_after(0) == (200, 1)
    assert await fetched_after(23 * HOUR) == (200, 1)
    assert await fetched_after(2 * HOUR) == (200, 2)
    assert [await fetched_after(1, "k2") for _ in range(50)] == [(401, 2)] * 50
    assert await fetched_after(11, "k2") == (401, 3)
    tenant.microsoft.known["k2"] = {}
    assert await fetched_after(30, "k2") == (401, 3)
    assert await fetched_after(31, "k2") == (200, 4)
    assert await fetched_after(0) == (200, 4)


async def test_old_keys_are_good_while_microsoft_cannot_be_reached(tenant: Tenant) -> None:
    assert (await tenant.send(message("example.com", tenant.service))).status_code == 200
    tenant.slept.append(48 * HOUR)
    tenant.microsoft.known["broken"] = {"n": "not a number"}
    assert (await tenant.send(message("example.com", tenant.service))).status_code == 200
    assert tenant.microsoft.calls["keys"] == 2


async def test_many_at_once_wait_for_one_fetch_and_all_get_in(tenant: Tenant) -> None:
    tenant.microsoft.slow.clear()
    calls = [asyncio.create_task(tenant.send(message("example.com", tenant.service))) for _ in range(20)]
    await tenant.microsoft.asked.wait()
    tenant.microsoft.slow.set()
    assert {(await call).status_code for call in calls} == {200}
    assert tenant.microsoft.calls["keys"] == 1


STORMS: dict[str, Any] = {
    "another issuer": lambda claims, n: {"claims": claims(iss=f"https://login.microsoftonline.com/{n}/v2.0")},
    "an unknown key": lambda claims, n: {"claims": claims(), "kid": f"k{n}"},
    "a known key's name": lambda claims, n: {"claims": claims()},
    "a token of the largest size": lambda claims, n: {"claims": claims(more="x" * 5_000)},
}


@pytest.mark.parametrize("kind", STORMS)
async def test_a_storm_of_forged_tokens_fetches_nothing_and_holds_up_nobody(kind: str, tenant: Tenant) -> None:
    await tenant.send(message("example.com", tenant.service))  # so that the real keys are there
    had = Counter(tenant.microsoft.calls)
    sent = json.dumps(message("x" * 100_000, tenant.service)).encode()
    forged = [STORMS[kind](tenant.claims, n) for n in range(STORM)]
    signed = [token(one["claims"], signed_with="forged", kid=one.get("kid", "k1")) for one in forged]

    async def forger(tokens: list[str]) -> set[int]:
        bearers = ({"Authorization": f"Bearer {one}"} for one in tokens)
        return {(await tenant.http.post("/api/messages", content=sent, headers=one)).status_code for one in bearers}

    async with other_door(tenant) as alive:
        storm = [asyncio.create_task(forger(signed[n::10])) for n in range(10)]
        waits = [await alive()]
        while not all(forging.done() for forging in storm):
            waits.append(await alive())
    waits.sort()
    print(
        f"{STORM} forged tokens, {kind}: another door takes {waits[len(waits) // 2]:.1f} ms, at worst {waits[-1]:.1f}"
    )
    assert {status for forging in storm for status in forging.result()} == {401}
    assert tenant.microsoft.calls == had
    assert waits[-1] < 100


@asynccontextmanager
async def other_door(tenant: Tenant) -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """Asks `/healthz` over a connection that stands already, and says how many milliseconds of work came before its answer.

    Work, because forgers, bot and Microsoft are all in this process, which may itself be kept waiting by others of the
    machine. The storm's own client would queue the question behind its connections; and the garbage of a whole test suite
    is none of the bot's.
    """
    async with httpx.AsyncClient(base_url=tenant.http.base_url) as client:

        async def ask() -> float:
            begun, worked = time.perf_counter(), time.process_time()
            assert (await client.get("/healthz")).text == "alive"
            assert time.perf_counter() - begun < 1.0
            return (time.process_time() - worked) * 1e3

        await ask()
        gc.collect()
        gc.freeze()
        yield ask
        gc.unfreeze()


async def test_unknown_keys_with_the_right_issuer_wait_for_one_fetch_and_hold_up_nobody(tenant: Tenant) -> None:
    tenant.microsoft.slow.clear()
    signed = token(tenant.claims(), signed_with="forged", kid="k9")
    async with other_door(tenant) as alive:
        storm = [
            asyncio.create_task(tenant.send(message("example.com", tenant.service), f"Bearer {signed}"))
            for _ in range(50)
        ]
        await tenant.microsoft.asked.wait()
        assert await alive() < 100
    tenant.microsoft.slow.set()
    assert {(await call).status_code for call in storm} == {401}
    assert tenant.microsoft.calls["openid"] == 1


async def test_a_forger_is_refused_before_the_body_has_come(tenant: Tenant) -> None:
    bearer = token(tenant.claims(iss="https://evil.example"))
    head = f"POST /api/messages HTTP/1.1\r\nHost: bot\r\nContent-Length: 9999\r\nAuthorization: Bearer {bearer}\r\n\r\n"
    reader, writer = await asyncio.open_connection(tenant.http.base_url.host, tenant.http.base_url.port)
    writer.write(head.encode())
    async with asyncio.timeout(5.0):
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


FORGED = [
    "http://smba.trafficmanager.net/teams/",
    "https://smba.trafficmanager.net.evil.example/teams/",
    "https://evil.trafficmanager.net/teams/",
    "https://trafficmanager.net/",
    "https://smba.trafficmanager.net@evil.example/",
    "https://smba.trafficmanager.net:443@evil.example/",
    "https://evil.example@smba.trafficmanager.net/",
    "https://smba.trafficmanager.net:8443/teams/",
    "https://smba.trafficmanager.net:443/teams/",
    "https://smba.trafficmanager.net./teams/",
    "https://SMBA.trafficmanager.net/teams/",
    "https://smba.trafficmanager.net\\@evil.example/",
    "https://evil.example/smba.trafficmanager.net/",
    "https://evil.example#smba.trafficmanager.net/",
    "https://evil.example?https://smba.trafficmanager.net/",
    "https://smba.trafficmanager.net/?to=https://evil.example",
    "https://smba.trafficmanager.net/..//evil.example/",
    "https://smba.trafficmanager.net/%2e%2e/",
    "https://smba.trafficmanager.net/teams/\r\nHost: evil.example",
    " https://smba.trafficmanager.net/teams/",
    "//smba.trafficmanager.net/teams/",
    "https:/smba.trafficmanager.net/teams/",
    "ftp://smba.trafficmanager.net/teams/",
    "https://127.0.0.1:{port}/service/",
    "http://127.0.0.1:{port}@evil.example/service/",
    "http://localhost:{port}/service/",
    "http://127.1:{port}/service/",
    "http://[::ffff:127.0.0.1]:{port}/service/",
    "http://2130706433:{port}/service/",
    "https://smba.infra.gcc.teams.microsoft.com.evil.example/",
    "https://smba.trafficmanager.net\u3002evil.example/",
    "https://smba.trafficmanager.net\u2044evil.example/",
    "",
]


@pytest.mark.parametrize("address", FORGED)
async def test_no_token_leaves_for_a_forged_service_address(address: str, tenant: Tenant) -> None:
    """Even where Microsoft had signed for it."""
    address = address.format(port=tenant.service.split(":")[2].split("/")[0])
    signed = f"Bearer {token(tenant.claims(serviceurl=address))}"
    answer = await tenant.send(message("nonsense", address), signed)
    await tenant.teams.drain()
    assert answer.status_code in (401, 403)
    assert not Cloud().trusts(address)
    assert tenant.microsoft.calls["login"] == tenant.microsoft.calls["connector"] == 0


@pytest.mark.parametrize(
    "address", ["https://smba.trafficmanager.net/emea/", f"https://smba.trafficmanager.net/de/{TENANT}/"]
)
def test_the_service_addresses_of_teams_are_trusted(address: str) -> None:
    assert Cloud().trusts(address)


@pytest.mark.parametrize(
    "change",
    [
        {"conversation": {"id": "1", "conversationType": "personal", "tenantId": "another"}},
        {"conversation": {"id": "1", "conversationType": "personal"}, "channelData": {}},
    ],
)
async def test_another_tenant_is_not_served(change: dict[str, Any], tenant: Tenant) -> None:
    assert (await tenant.send(message("example.com", tenant.service) | change)).status_code == 403
    assert tenant.jobs == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b"", 400), (b" " * 300_000, 413)],
    ids=["cut", "list", "no text", "deep", "empty", "large"],
)
async def test_a_body_that_is_no_activity_is_refused_and_nothing_breaks(
    body: bytes, status: int, tenant: Tenant
) -> None:
    headers = {"Authorization": f"Bearer {token(tenant.claims())}"}
    assert (await tenant.http.post("/api/messages", content=body, headers=headers)).status_code == status


async def test_the_door_takes_posts_only(tenant: Tenant) -> None:
    assert (await tenant.http.get("/api/messages")).status_code == 405


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "bot.example.com"])
async def test_a_bot_that_believes_every_caller_is_not_served_to_others(host: str) -> None:
    teams = Teams(Credentials(CLIENT_ID), Scripted(), lambda _: asyncio.sleep(0), InThisProcess())
    with pytest.raises(CannotServe, match="believes every caller"):
        teams.routes(host)
    assert teams.routes("127.0.0.1")
    await teams.close()


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)])
def test_only_this_machine_is_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_a_secret_is_in_no_representation() -> None:
    assert "hush" not in repr(Credentials(CLIENT_ID, "hush"))
    assert "hush" not in json.dumps(str(Credentials(CLIENT_ID, "hush")))
