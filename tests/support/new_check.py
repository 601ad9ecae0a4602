"""A check as a contributor adds it: its module, and its row in the registry of a copy of the source.

`python -m tests.support.new_check REDIS_URL`, with that copy first on the path, watches a domain
that fails the new check for some hours; prints each alert and what it is about.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
REGISTRY = "bot/checks/registry.py"
MODULE = '''"""Whether the domain publishes a greeting."""

from bot.checks.finding_codes import FindingCode
from bot.models import CheckRequest, Finding, Lookup, Verdict

CODES = {
    "greeting.ok": FindingCode(
        "The domain has a greeting.", "mailcheck itself", verdict=Verdict.PASS, summary="There is a greeting."
    ),
    "greeting.missing": FindingCode(
        "The domain has no greeting.",
        "mailcheck itself",
        verdict=Verdict.FAIL,
        summary="There is no greeting.",
        remediation="Publish one.",
    ),
}


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    domain = request.target.domain or ""
    records = (await lookup(f"_greeting.{domain}", "TXT")).records
    code = "greeting.ok" if records else "greeting.missing"
    return [Finding("greeting", domain, CODES[code].verdict, code, *CODES[code].fill({}))]
'''
ROW = """
    CheckSpec("greeting", "Greetings", 55, greeting.check, {Need.DOMAIN}, greeting.CODES, watched=True,
              names={"greeting": "greeting"}),"""
GREETING = {"_greeting.example.com": {"TXT": ["hello"]}}


def copy_with_new_check(folder: Path) -> None:
    """Copy the source to the folder and add the check."""
    for name in ("bot", "handlers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "bot/checks/greeting.py").write_text(MODULE)
    registry = (folder / REGISTRY).read_text()
    for anchor, addition in (("from bot.checks import (", "\n    greeting,"), ("\nROWS = (", ROW)):
        assert registry.count(anchor) == 1
        registry = registry.replace(anchor, anchor + addition)
    (folder / REGISTRY).write_text(registry)


def environment(folder: Path) -> dict[str, str]:
    """Environment of a process that imports `bot` and `handlers` from the folder."""
    path = os.pathsep.join((str(folder), str(ROOT)))
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


async def watch_failing_domain(redis_url: str) -> None:
    from bot.check_runner import CheckRunner
    from bot.checks.registry import Clients, bind
    from bot.models import CheckRequest, Finding, Lookup
    from bot.monitoring.poll import baseline, monitoring_runner
    from bot.monitoring.poller import Poller, PollerConfig
    from bot.monitoring.repository import RedisRepository
    from bot.net.dns_client import DnsClient
    from bot.net.dns_resolver import Resolver
    from bot.net.nameservers import Server
    from bot.storage.redis_client import open_client
    from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
    from handlers.messages.problems import problems_summary
    from tests.support.dns_server import serve
    from tests.support.dns_world import World
    from tests.support.mail_world import DOMAIN
    from tests.support.stored_watches import Clock, watch

    async def no_lists(_request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
        return []

    clock, watched = Clock(), watch(None, "example.com")
    world = World({**DOMAIN, **GREETING}, ttl=0)  # a poll an hour later asks again
    async with (
        open_client(redis_url, 5.0) as redis,
        serve(world) as dns,
        DnsClient([Server(dns.host, dns.port)]) as client,
    ):
        resolver, repository = Resolver(client, identity="here"), RedisRepository(redis, clock)
        interactive = CheckRunner(bind(Clients(no_lists)), resolver, resolver.fresh(), clock)
        runner = monitoring_runner(interactive, resolver.bulk(), resolver.bulk(fresh=True))
        incident, _ = await baseline(watched, runner, clock())
        assert await repository.add(watched, incident, clock() + timedelta(minutes=1))
        poller = Poller(repository, runner, clock, PollerConfig())
        for greeting in (GREETING, dict.fromkeys(GREETING), GREETING):
            dns.update_records(greeting)
            for _ in range(180):
                clock.add(60)
                for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
                    await poller.run_round(schedule)
                for channel in await repository.ready_channels():
                    while message := await repository.peek(channel):
                        alert = message.alert
                        print(alert.reason, problems_summary((*alert.new, *alert.cleared)), sep=": ")
                        await repository.mark_sent(message, f"{clock().timestamp()}")


if __name__ == "__main__":
    asyncio.run(watch_failing_domain(sys.argv[1]))
