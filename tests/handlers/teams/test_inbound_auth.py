"""Authentication of Teams requests: signature, bot, service and tenant; cost of forgeries."""

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
from handlers.teams.app import TeamsPlatform, is_loopback
from handlers.teams.cloud import Cloud
from handlers.teams.outbound_auth import Credentials
from tests.handlers.slack.conftest import ScriptedCommands
from tests.handlers.teams.conftest import BEGUN, Tenant
from tests.support.fake_microsoft import token
from tests.support.memory_conversations import MemoryConversationReferences
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
async def test_invalid_token_is_rejected(kind: str, tenant: Tenant) -> None:
    answer = await tenant.send(message("example.com", tenant.service), BAD[kind](tenant.claims))
    assert (answer.status_code, tenant.jobs) == (401, [])


@pytest.mark.parametrize("claims", [{}, {"exp": int(BEGUN) - 240}, {"nbf": int(BEGUN) + 240}])
async def test_valid_token_is_accepted_with_five_minutes_leeway(claims: dict[str, Any], tenant: Tenant) -> None:
    signed = f"Bearer {token(tenant.claims(**claims))}"
    assert (await tenant.send(message("example.com", tenant.service), signed)).status_code == 200
    assert len(tenant.jobs) == 1


@pytest.mark.parametrize("channel", ["", "emulator", None])
async def test_token_for_another_channel_is_rejected(channel: str | None, tenant: Tenant) -> None:
    sent = message("example.com", tenant.service) | {"channelId": channel}
    assert (await tenant.send(sent)).status_code == 401


async def test_key_not_endorsed_for_teams_is_rejected(tenant: Tenant) -> None:
    tenant.microsoft.known["k1"] = {"endorsements": ["webchat"]}
    assert (await tenant.send(message("example.com", tenant.service))).status_code == 401


async def test_keys_are_fetched_daily_and_for_unknown_ids_per_minute(tenant: Tenant) -> None:
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


async def test_cached_keys_stay_valid_while_unreachable(tenant: Tenant) -> None:
    assert (await tenant.send(message("example.com", tenant.service))).status_code == 200
    tenant.slept.append(48 * HOUR)
    tenant.microsoft.known["broken"] = {"n": "not a number"}
    assert (await tenant.send(message("example.com", tenant.service))).status_code == 200
    assert tenant.microsoft.calls["keys"] == 2


async def test_concurrent_requests_share_one_key_fetch(tenant: Tenant) -> None:
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
async def test_forged_tokens_cause_no_fetch(kind: str, tenant: Tenant) -> None:
    await tenant.send(message("example.com", tenant.service))  # so that the real keys are there
    had = Counter(tenant.microsoft.calls)
    sent = json.dumps(message("x" * 100_000, tenant.service)).encode()
    forged = [STORMS[kind](tenant.claims, n) for n in range(STORM)]
    signed = [token(one["claims"], signed_with="forged", kid=one.get("kid", "k1")) for one in forged]

    async def forger(tokens: list[str]) -> set[int]:
        bearers = ({"Authorization": f"Bearer {one}"} for one in tokens)
        return {(await tenant.http.post("/api/messages", content=sent, headers=one)).status_code for one in bearers}

    async with healthz_cpu(tenant) as alive:
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
async def healthz_cpu(tenant: Tenant) -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """Query `/healthz` on an open connection; returns the CPU milliseconds before the response.

    CPU time, because forgers, bot and Microsoft share this process and the machine may be busy.
    """
    async with httpx.AsyncClient(base_url=tenant.http.base_url) as client:

        async def query() -> float:
            worked = time.process_time()
            assert (await client.get("/healthz")).text == "alive"
            return (time.process_time() - worked) * 1e3

        await query()
        gc.collect()
        gc.freeze()
        yield query
        gc.unfreeze()


async def test_unknown_key_ids_share_one_fetch(tenant: Tenant) -> None:
    tenant.microsoft.slow.clear()
    signed = token(tenant.claims(), signed_with="forged", kid="k9")
    async with healthz_cpu(tenant) as alive:
        storm = [
            asyncio.create_task(tenant.send(message("example.com", tenant.service), f"Bearer {signed}"))
            for _ in range(50)
        ]
        await tenant.microsoft.asked.wait()
        assert await alive() < 100
    tenant.microsoft.slow.set()
    assert {(await call).status_code for call in storm} == {401}
    assert tenant.microsoft.calls["openid"] == 1


async def test_invalid_token_is_rejected_before_the_body(tenant: Tenant) -> None:
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
async def test_token_is_not_sent_to_forged_service_url(address: str, tenant: Tenant) -> None:
    """Even where Microsoft had signed for it."""
    address = address.format(port=tenant.service.split(":")[2].split("/")[0])
    signed = f"Bearer {token(tenant.claims(serviceurl=address))}"
    answer = await tenant.send(message("nonsense", address), signed)
    await tenant.teams.drain()
    assert answer.status_code in (401, 403)
    assert not Cloud().trusts_service(address)
    assert tenant.microsoft.calls["login"] == tenant.microsoft.calls["connector"] == 0


@pytest.mark.parametrize(
    "address", ["https://smba.trafficmanager.net/emea/", f"https://smba.trafficmanager.net/de/{TENANT}/"]
)
def test_teams_service_urls_are_trusted(address: str) -> None:
    assert Cloud().trusts_service(address)


@pytest.mark.parametrize(
    "change",
    [
        {"conversation": {"id": "1", "conversationType": "personal", "tenantId": "another"}},
        {"conversation": {"id": "1", "conversationType": "personal"}, "channelData": {}},
    ],
)
async def test_other_tenant_gets_403(change: dict[str, Any], tenant: Tenant) -> None:
    assert (await tenant.send(message("example.com", tenant.service) | change)).status_code == 403
    assert tenant.jobs == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b"", 400), (b" " * 300_000, 413)],
    ids=["cut", "list", "no text", "deep", "empty", "large"],
)
async def test_malformed_body_gets_400(body: bytes, status: int, tenant: Tenant) -> None:
    headers = {"Authorization": f"Bearer {token(tenant.claims())}"}
    assert (await tenant.http.post("/api/messages", content=body, headers=headers)).status_code == status


async def test_endpoint_accepts_post_only(tenant: Tenant) -> None:
    assert (await tenant.http.get("/api/messages")).status_code == 405


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "bot.example.com"])
async def test_endpoint_without_secret_is_loopback_only(host: str) -> None:
    teams = TeamsPlatform(
        Credentials(CLIENT_ID), ScriptedCommands(), lambda _: asyncio.sleep(0), MemoryConversationReferences()
    )
    with pytest.raises(CannotServe, match="accepts every caller"):
        teams.routes(host)
    assert teams.routes("127.0.0.1")
    await teams.close()


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)])
def test_is_loopback_accepts_local_hosts_only(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_secret_is_not_in_repr() -> None:
    assert "hush" not in repr(Credentials(CLIENT_ID, "hush"))
    assert "hush" not in json.dumps(str(Credentials(CLIENT_ID, "hush")))
