"""Reports of the real checks over test zones, for screenshots and golden files."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from bot.advice.explanation import Explanation, explain
from bot.check_runner import CheckRunner
from bot.checks import sender_requirements
from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.registry import Clients, bind
from bot.models import CheckRequest, DnsAnswer, LookupFailed, Report, Role, Target
from tests.support.audit_world import REQUESTS, FakeServers, audit_checks, audit_runner, audit_zone
from tests.support.builtin_catalog import CATALOG
from tests.support.dns_world import World
from tests.support.mail_world import DYNAMIC, GOOD, LISTED, mail_world
from tests.support.signed_world import SignedWorld

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
UNRESPONSIVE = (
    "spamhaus.org",
    "barracudacentral.org",
    "spamcop.net",
    "sorbs.net",
    "uceprotect.net",
    "spameatingmonkey.net",
)


class HalfUnresponsive(World):
    """Lists under the zones of UNRESPONSIVE time out."""

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        if name.endswith(UNRESPONSIVE):
            raise LookupFailed("timeout", f"{name} {rdtype}")
        return await super().__call__(name, rdtype)


def report(request: CheckRequest, world: World) -> Report:
    list_check = blocklist_check(CATALOG, {}, InMemoryTrustCache(), "resolver", lambda: AT)
    runner = CheckRunner(
        bind(Clients(list_check, allow_special=True)),
        world,
        world,
        lambda: AT,
        judge=sender_requirements.judge,
        allow_special=True,
    )
    return replace(asyncio.run(runner.run(request)), elapsed_ms=412)


def listed() -> Report:
    return report(CheckRequest(Target.of(LISTED, "example.com")), World(mail_world()))


def clean() -> Report:
    return report(CheckRequest(Target.of(GOOD, "example.com")), World(mail_world()))


def half_unknown() -> Report:
    return report(CheckRequest(Target.of(GOOD, "example.com")), HalfUnresponsive(mail_world()))


def pbl_on_a_client() -> Report:
    return report(CheckRequest(Target.of(DYNAMIC), Role.CLIENT), World(mail_world()))


def whole_audit(kind: str) -> Report:
    """Report of every check: `in order`, `in disorder` or `a domain in disorder`."""
    world = SignedWorld(audit_zone())
    runner = audit_runner(world, audit_checks(FakeServers(world)))
    return replace(asyncio.run(runner.run(REQUESTS[kind])), elapsed_ms=812)


def explained() -> Explanation:
    explanation = explain(whole_audit("in disorder"))
    assert explanation
    return explanation
