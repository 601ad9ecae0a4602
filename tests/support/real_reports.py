"""Reports that the real checks give about the little world of mail: what people see, for pictures and goldens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from bot.app import checks
from bot.check_runner import Checkup
from bot.checks import sender_requirements
from bot.checks.dnsbl import ProcessMemory, blocklist_check, load
from bot.models import Answer, LookupFailed, Order, Report, Role, Target
from tests.support.audit_world import ORDERS, Servers, audit, audit_checks, audit_zone
from tests.support.dns_world import World
from tests.support.mail_world import DYNAMIC, GOOD, LISTED, mail_world
from tests.support.signed_world import SignedWorld

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SILENT = ("spamhaus.org", "barracudacentral.org", "spamcop.net", "sorbs.net", "uceprotect.net", "spameatingmonkey.net")


class HalfSilent(World):
    """Lists whose zone ends in one of SILENT do not answer."""

    async def __call__(self, name: str, kind: str, /) -> Answer:
        if name.endswith(SILENT):
            raise LookupFailed("timeout", f"{name} {kind}")
        return await super().__call__(name, kind)


def report(order: Order, world: World) -> Report:
    lists = blocklist_check(load(), {}, ProcessMemory(), "resolver", lambda: AT)
    checkup = Checkup(
        checks(lists, True),
        frozenset({"network"}),
        world,
        world,
        lambda: AT,
        judge=sender_requirements.judge,
        special_allowed=True,
    )
    return replace(asyncio.run(checkup.report(order)), elapsed_ms=412)


def listed() -> Report:
    return report(Order(Target.of(LISTED, "example.com")), World(mail_world()))


def clean() -> Report:
    return report(Order(Target.of(GOOD, "example.com")), World(mail_world()))


def half_unknown() -> Report:
    return report(Order(Target.of(GOOD, "example.com")), HalfSilent(mail_world()))


def pbl_on_a_client() -> Report:
    return report(Order(Target.of(DYNAMIC), Role.CLIENT), World(mail_world()))


def whole_audit(kind: str) -> Report:
    """Every check there is, of the orders of that world: `in order`, `in disorder`, `a domain in disorder`."""
    world = SignedWorld(audit_zone())
    checkup = audit(world, audit_checks(Servers(world)))
    return replace(asyncio.run(checkup.report(ORDERS[kind])), elapsed_ms=812)
