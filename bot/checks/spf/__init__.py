"""SPF check (RFC 7208): may the address send for the domain, and is the domain's record valid?"""

from __future__ import annotations

import asyncio

from bot.checks.spf.check_host import check_host, evaluate
from bot.checks.spf.dns_session import DEFAULT_LIMITS, DnsSession
from bot.checks.spf.findings import helo_finding, mail_from_findings
from bot.checks.spf.include_tree import read_include_tree
from bot.checks.spf.lint import lint
from bot.checks.spf.messages import CODES
from bot.checks.spf.misplaced import find_misplaced
from bot.checks.spf.phrases import PROBLEMS
from bot.checks.spf.result import ResultCode, SpfResult, to_json
from bot.models import Address, CheckRequest, Finding, Lookup

__all__ = ["CODES", "PROBLEMS", "ResultCode", "SpfResult", "check", "check_host", "to_json"]


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Check postmaster@domain, the records under the domain, and the HELO name where given."""
    ip, domain = request.target.ip, request.target.domain
    checks = []
    if domain:
        checks.append(_check_domain(request, domain, lookup))
    if ip and request.helo:
        checks.append(_check_helo(ip, request.helo, lookup))
    return [finding for findings in await asyncio.gather(*checks) for finding in findings]


async def _check_domain(request: CheckRequest, domain: str, lookup: Lookup) -> list[Finding]:
    """Evaluate the address and read all records in one DNS session, with one query budget."""
    ip = request.target.ip
    async with DnsSession(lookup, DEFAULT_LIMITS) as session:
        if ip is None:
            return lint(await find_misplaced(await read_include_tree(domain, session), lookup))
        result = await evaluate(ip, f"postmaster@{domain}", request.helo or domain, session)
        include_tree = await find_misplaced(await read_include_tree(domain, session), lookup)
        return mail_from_findings(ip, request.role, result, include_tree)


async def _check_helo(ip: Address, helo: str, lookup: Lookup) -> list[Finding]:
    return [helo_finding(ip, helo, await check_host(ip, "", helo, lookup))]
