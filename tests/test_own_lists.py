"""A list of one's own beside the built-in ones: from the command line, from a watch, and its key unseen."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import generate_latest
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.app import Core, build_monitoring, open_core
from bot.models import CheckRequest, Target, Verdict
from bot.monitoring.poll import baseline
from bot.report_json import report_to_line
from bot.settings import HostPort, ProbeSmtp, Settings, SpecialAddresses
from bot.storage.watch_store import POLL_SCHEDULE
from handlers.cli.export import all_watches, span_rows, watch_values
from handlers.messages import report_card
from tests.bot.storage.test_watch_scripts import dump
from tests.support.dns_server import DnsServer, serve
from tests.support.dns_world import Zone
from tests.support.mail_world import mail_world
from tests.support.stored_watches import CHANNEL
from tests.support.stored_watches import watch as make_watch
from tests.test_command_line import Cli

EXAMPLE = (Path(__file__).parent.parent / "docs" / "own-lists.toml").read_text(encoding="utf-8")
LIST, ZONE, KEY = "our-blocklist", "bl.mail.example.com", "S3cretOfOurs"
IP = "198.51.100.7"
ENTRY = f"7.100.51.198.{KEY}.{ZONE}".lower()


def own_zone(listed: bool, code: str = "127.0.0.2") -> Zone:
    """The zone as our server has it; its texts and the target of its alias repeat the key, in capitals."""
    zone: dict[str, dict[str, list[str]]] = {f"2.0.0.127.{KEY}.{ZONE}".lower(): {"A": ["127.0.0.2"]}}
    if listed:
        mirror = f"7.{KEY}.mirror.{ZONE}"
        zone[ENTRY] = {"CNAME": [mirror.upper()]}
        zone[mirror.lower()] = {"A": [code], "TXT": [f"you sent {KEY.upper()} and more", "x" * 290 + KEY]}
    return zone


@asynccontextmanager
async def servers(listed: bool) -> AsyncIterator[tuple[DnsServer, DnsServer]]:
    """The resolver, which does not know our zone, and our name server."""
    async with serve(mail_world()) as resolver, serve(own_zone(listed)) as own:
        yield resolver, own


def own_file(folder: Path, server: str) -> Path:
    file = folder / "lists.toml"
    file.write_text(EXAMPLE.replace('server = "10.0.0.53"', f'server = "{server}"'), encoding="utf-8")
    return file


@asynccontextmanager
async def own_core(folder: Path, listed: bool, redis_url: str) -> AsyncIterator[tuple[Core, DnsServer, DnsServer]]:
    async with servers(listed) as (resolver, own):
        settings = Settings(
            redis_url=SecretStr(redis_url),
            blocklists=own_file(folder, own.address),
            list_keys={"our-list": SecretStr(KEY)},
            nameservers=(HostPort(resolver.host, resolver.port),),
            special_addresses=SpecialAddresses.ALLOW,
            probe_smtp=ProbeSmtp.OFF,
            confirm_after=timedelta(seconds=1),
        )
        async with open_core(settings, needs_store=True) as core:
            yield core, resolver, own


async def test_own_list_is_checked_from_the_command_line(tmp_path: Path) -> None:
    async with servers(listed=True) as (resolver, own):
        cli = Cli(resolver, tmp_path)
        file = own_file(tmp_path, own.address)
        extended = {"MAILCHECK_BLOCKLISTS": str(file), "MAILCHECK_KEY_OUR_LIST": KEY, "MAILCHECK_PROBE_SMTP": "off"}
        valid = await cli("lists", "validate", str(file))
        checked = await cli("check", IP, "--json", **extended)
        without_key = await cli("check", IP, "--json", **{**extended, "MAILCHECK_KEY_OUR_LIST": ""})
        health = await cli("lists", "--json", **extended)
        file.write_text(f'{EXAMPLE}\n[[list]]\nid = "another"\n', encoding="utf-8")
        wrong = await cli("lists", "validate", str(file))
        refused = await cli("check", IP, **extended)
    assert (valid.status, valid.out) == (0, f"{file} is valid: 73 lists (1 added, 2 changed, 2 left out).\n")
    findings = {row["about"]: row for row in checked.rows[0]["findings"] if row["check"] == "blocklist"}
    assert (checked.status, findings[LIST]["verdict"], findings[LIST]["facts"]["state"]) == (1, "fail", "listed")
    assert "spamhaus-zen" in findings
    assert not {"kempt", "nosolicitado"} & findings.keys()
    assert LIST not in {row["about"] for row in without_key.rows[0]["findings"]}
    assert {row["id"]: row["health"] for row in health.rows}[LIST] == "good"
    assert wrong.status == refused.status == 2
    assert wrong.errors.splitlines()[0] == f'{file}: list "another": name is missing.'
    assert 'list "another"' in refused.errors
    assert KEY.lower() not in "".join((checked.out, checked.errors, health.out, health.errors)).lower()
    assert not [name for name, _ in resolver.queries if name.lower().endswith(ZONE)]


@pytest.mark.parametrize(
    ("code", "text"),
    [("127.0.0.2", "it sent spam to us"), ("127.0.0.99", "the meaning of 127.0.0.99 is not documented")],
)
async def test_own_list_opens_an_incident_of_a_watch(tmp_path: Path, redis_url: str, code: str, text: str) -> None:
    async with own_core(tmp_path, listed=False, redis_url=redis_url) as (core, resolver, own):
        assert core.store
        monitoring = build_monitoring(core, core.store)
        watched = make_watch(f"{IP}/32")
        first, reports = await baseline(watched, core.check_runner, core.clock())
        assert {finding.verdict for finding in reports[0].findings if finding.subject == LIST} == {Verdict.PASS}
        await monitoring.repository.add(watched, first, core.clock())
        own.update_records(own_zone(listed=True, code=code))
        assert await monitoring.poller.run_round(POLL_SCHEDULE) == 1
        (stored,) = await monitoring.repository.find(CHANNEL, IP)
    assert stored
    (listing,) = [p.last_observation for p in stored.incident.problems if p.last_observation.subject == LIST]
    assert text in listing.summary
    assert listing.links[0].url == f"https://wiki.example.com/blocklist?ip={IP}"
    assert not [name for name, _ in resolver.queries if name.lower().endswith(ZONE)]


async def test_key_of_a_list_is_found_nowhere(
    tmp_path: Path, redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the store with its history, the log, JSON, the export, the metrics, cards and the texts of errors."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        async with own_core(tmp_path, listed=True, redis_url=redis_url) as (core, _, own):
            assert core.store
            monitoring = build_monitoring(core, core.store)
            request = CheckRequest(Target.of(IP))
            reports = [await core.check_runner.run(request), await core.bulk_runner(fresh=True).run(request)]
            watched = make_watch(f"{IP}/32")
            first, _ = await baseline(watched, core.check_runner, core.clock())
            await monitoring.repository.add(watched, first, core.clock())
            await monitoring.poller.run_round(POLL_SCHEDULE)
            own.faults[ENTRY] = "garbage"
            reports.append(await core.check_runner.run(request, fresh=True))
            exported = [
                [*watch_values(stored).values(), *map(str, span_rows(history))]
                async for stored, history in all_watches(monitoring.repository)
            ]
            metrics = generate_latest(core.metrics.registry).decode()
            shown = [repr(core.settings), repr(core.zones), repr(core.catalog)]
            cards = [repr(report_card(report)) for report in reports]
    assert await redis.keys("mc1:dns:*")
    assert any("you sent … and more" in report_to_line(report) for report in reports)
    everything = (
        *map(report_to_line, reports),
        json.dumps(await dump(redis), default=str),
        json.dumps(exported, default=str),
        metrics,
        *shown,
        *cards,
        *map(str, logs),
        caplog.text,
    )
    assert [text[:200] for text in everything if KEY.lower() in text.lower()] == []
