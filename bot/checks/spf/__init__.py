"""SPF (RFC 7208): may this address send for this domain, and is the domain's record in order?"""

from __future__ import annotations

import asyncio

from bot.checks.spf.check_host import check_host, evaluate
from bot.checks.spf.dns_session import OURS, Session
from bot.checks.spf.findings import helo_finding, mail_from_findings
from bot.checks.spf.include_tree import survey
from bot.checks.spf.lint import lint
from bot.checks.spf.messages import CODES
from bot.checks.spf.result import Evaluation, Result, to_json
from bot.models import Address, Finding, Lookup, Order

__all__ = ["CODES", "Evaluation", "Result", "check", "check_host", "to_json"]


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """The identity postmaster@domain, the records under the domain, and the HELO name where one is given."""
    ip, domain = order.target.ip, order.target.domain
    jobs = []
    if domain:
        jobs.append(_domain(order, domain, lookup))
    if ip and order.helo:
        jobs.append(_helo(ip, order.helo, lookup))
    return [finding for findings in await asyncio.gather(*jobs) for finding in findings]


async def _domain(order: Order, domain: str, lookup: Lookup) -> list[Finding]:
    """One session for both: the survey gets the answers of the evaluation, and what its budget has left."""
    ip = order.target.ip
    async with Session(lookup, OURS) as session:
        if ip is None:
            return lint(await survey(domain, session))
        evaluation = await evaluate(ip, f"postmaster@{domain}", order.helo or domain, session)
        return mail_from_findings(ip, order.role, evaluation, await survey(domain, session))


async def _helo(ip: Address, helo: str, lookup: Lookup) -> list[Finding]:
    return [helo_finding(ip, helo, await check_host(ip, "", helo, lookup))]
