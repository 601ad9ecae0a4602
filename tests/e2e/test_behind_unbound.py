"""The blocklist check behind a real unbound, with and without rebinding protection."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check, load
from bot.models import CheckRequest, Finding, LookupFailed, Target
from bot.net.dns_client import DnsClient
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from bot.storage.redis_clock import RedisClock
from tests.e2e.test_unbound import PROGRAM
from tests.e2e.test_unbound import UNBOUND_CONFIG as BELOW_EXAMPLE
from tests.support.dns_server import serve
from tests.support.mail_world import GOOD, LISTED, mail_world
from tests.support.unused_port import unused_port

SETTINGS = BELOW_EXAMPLE.replace('name: "example."', 'name: "."').replace(
    "outbound-msg-retry: 1", "outbound-msg-retry: 5"
)
CONTROLS_BOTH = {item.id for item in load().lists if item.controls == "both"}


@asynccontextmanager
async def resolver_behind(folder: Path, protection: str) -> AsyncIterator[Resolver]:
    assert PROGRAM
    async with serve(mail_world()) as upstream:
        port = unused_port()
        settings = folder / "unbound.conf"
        settings.write_text(
            SETTINGS.format(
                port=port,
                directory=folder,
                protection=protection,
                upstream_host=upstream.host,
                upstream_port=upstream.port,
            )
        )
        process = await asyncio.create_subprocess_exec(PROGRAM, "-d", "-c", str(settings))
        try:
            async with DnsClient([Server("127.0.0.1", port)]) as transport:
                for _ in range(20):
                    with suppress(LookupFailed):
                        await transport.query("example.com", "MX", timeout_s=1.0)
                        break
                yield Resolver(transport, identity=f"127.0.0.1:{port}")
        finally:
            process.terminate()
            await process.wait()


async def blocklist_findings(ip: str, resolver: Resolver) -> list[Finding]:
    check = blocklist_check(load(), {}, InMemoryTrustCache(), resolver.identity, RedisClock(None))
    return list(await check(CheckRequest(Target.of(ip, "example.com")), resolver))


async def test_unprotected_resolver_gives_true_list_states(tmp_path: Path) -> None:
    async with resolver_behind(tmp_path, "") as resolver:
        clean, listed = (await blocklist_findings(GOOD, resolver), await blocklist_findings(LISTED, resolver))
    assert Counter(f.facts["state"] for f in clean) == {"not_listed": len(clean)}
    assert {f.subject for f in listed if f.facts["state"] == "listed"} == {"spamhaus-zen", "spamcop"}


async def test_rebinding_protection_gives_unknown_list_states(tmp_path: Path) -> None:
    async with resolver_behind(tmp_path, "private-address: 127.0.0.0/8") as resolver:
        findings = [*await blocklist_findings(GOOD, resolver), *await blocklist_findings(LISTED, resolver)]
    control_findings = [f for f in findings if f.subject in CONTROLS_BOTH]
    states = Counter((f.facts["state"], f.facts["reason"]) for f in control_findings)
    print(f"{len(control_findings)} cells behind rebinding protection: {dict(states)}")
    assert states == {("unknown", "stripped"): len(control_findings)}
    assert not [f for f in findings if f.facts["state"] == "listed"]
