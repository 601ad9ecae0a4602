"""The command `mailcheck` as a process, with a real DNS server and the embedded store."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.dns_server import DnsServer, serve
from tests.support.mail_world import DYNAMIC, GOOD, LISTED, mail_world
from tests.support.reports import FORM

MAILCHECK = Path(sys.executable).with_name("mailcheck")


@dataclass(frozen=True, slots=True)
class CommandResult:
    status: int
    out: str
    errors: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Cli:
    """`await cli("check", "192.0.2.25")` runs `mailcheck` with the DNS zones of `mail_world`."""

    def __init__(self, server: DnsServer, state: Path) -> None:
        self.server = server
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "MAILCHECK_STATE_DIR": str(state / "state"),
            "MAILCHECK_NAMESERVERS": server.address,
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
        }

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> CommandResult:
        process = await asyncio.create_subprocess_exec(
            MAILCHECK,
            *arguments,
            env=self._environment | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, errors = await process.communicate(stdin.encode())
        return CommandResult(process.returncode or 0, out.decode(), errors.decode())


@asynccontextmanager
async def open_cli(tmp_path: Path, faults: dict[str, str] | None = None) -> AsyncIterator[Cli]:
    async with serve(mail_world(), faults=faults or {}) as server:
        yield Cli(server, tmp_path)


def findings_by_subject(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["about"]: finding for finding in row["findings"]}


async def test_check_reports_every_list_and_every_record(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        good = await cli("check", GOOD, "example.com", "--json")
        listed = await cli("check", LISTED, "example.com", "--json")
        mapped = await cli("check", f"::ffff:{LISTED}", "Example.COM", "--json")
        text = await cli("check", LISTED, "example.com")
    assert (good.status, good.rows[0]["verdict"], good.errors) == (0, "pass", "")
    checks = "network blocklist ptr spf dmarc mx dkim mta-sts tls-rpt dane bimi starttls senders"
    findings = good.rows[0]["findings"]
    assert {finding["check"] for finding in findings} == set(checks.split())
    assert sum(finding["check"] == "blocklist" for finding in findings) >= 60

    assert (listed.status, listed.rows[0]["verdict"]) == (1, "fail")
    zen = findings_by_subject(listed.rows[0])["spamhaus-zen"]
    assert zen["facts"]["state"] == "listed"
    assert sorted(zen["facts"]["answers"]) == ["127.0.0.2", "127.0.0.4"]
    assert zen["facts"]["sublists"] == ["spamhaus-sbl", "spamhaus-xbl"]
    assert FORM.replace(GOOD, LISTED) in [link["url"] for link in zen["links"]]

    assert mapped.rows[0]["target"] == {"ip": LISTED, "domain": "example.com"}
    assert mapped.rows[0]["cached"] is True
    assert "on Spamhaus ZEN and 1 more blocklist" in text.out


async def test_policy_listing_fails_for_mta_and_passes_for_client(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        server, client = await asyncio.gather(
            cli("check", DYNAMIC, "--json"), cli("check", DYNAMIC, "--as", "client", "--json")
        )
    assert findings_by_subject(server.rows[0])["spamhaus-zen"]["verdict"] == "fail"
    assert findings_by_subject(client.rows[0])["spamhaus-zen"]["verdict"] == "pass"
    assert (client.rows[0]["as"], client.status) == ("client", 0)


async def test_unknown_check_exits_with_3_and_no_cache_queries_again(tmp_path: Path) -> None:
    async with open_cli(tmp_path, {"zen.spamhaus.org": "silence"}) as cli:
        silent = await cli("check", GOOD, "--json")
        cli.server.faults.clear()
        again = await cli("check", GOOD, "--json", "--no-cache")
    zen = findings_by_subject(silent.rows[0])["spamhaus-zen"]
    assert (silent.status, zen["facts"]["state"], zen["facts"]["reason"]) == (3, "unknown", "timeout")
    assert (again.status, again.rows[0]["cached"]) == (0, False)


async def test_trust_of_lists_is_shared_between_processes(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        await cli("check", GOOD, "--json")
        queries = sum(name.endswith("zen.spamhaus.org") for name, _ in cli.server.queries)
        cli.server.queries.clear()
        # Another report with the same queries.
        other = await cli("check", GOOD, "--as", "client", "--json")
        zones = ("zen.spamhaus.org", "bl.spamcop.net")
        assert [name for name, _ in cli.server.queries if name.endswith(zones)] == []
    assert queries >= 3
    assert other.rows[0]["cached"] is False


BAD = {"nothing": [], "garbage": ["hello world!"], "ten thousand words": ["example.com"] * 10_000}


@pytest.mark.parametrize("targets", BAD.values(), ids=BAD)
async def test_bad_input_is_one_sentence_without_queries(targets: list[str], tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        result = await cli("check", *targets)
        assert (result.status, result.out, cli.server.queries) == (2, "", [])
    assert len(result.errors.strip().splitlines()) == 1
    assert "Traceback" not in result.errors


async def test_file_check_streams_reports_and_names_bad_lines(tmp_path: Path) -> None:
    lines = f"# egress\n{GOOD} example.com\n\nnot an address\n192.0.2.24/30\n"
    async with open_cli(tmp_path) as cli:
        result = await cli("check", "--file", "-", "--json", stdin=lines)
    assert {row["target"]["ip"] for row in result.rows} == {GOOD, "192.0.2.24", "192.0.2.26", "192.0.2.27"}
    assert len(result.rows) == 5
    assert result.errors.startswith("line 4: ")
    assert result.status == 2


async def test_host_check_reports_each_address(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        result = await cli("check", "mail.example.com", "--json")
    assert {row["target"]["ip"] for row in result.rows} == {GOOD, LISTED}


async def test_special_address_is_named_and_domain_still_checked(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        arguments = ("check", "203.0.113.5", "example.com", "--json")
        result = await cli(*arguments, MAILCHECK_SPECIAL_ADDRESSES="refuse")
    (row,) = result.rows
    assert "203.0.113.5 is a documentation address" in findings_by_subject(row)["203.0.113.5"]["says"]
    assert {"spf", "dmarc", "mx"} <= {finding["check"] for finding in row["findings"]}
    assert "spamhaus-zen" not in findings_by_subject(row)


async def test_spf_and_dmarc_json_has_documented_keys(tmp_path: Path) -> None:
    queries = [{"ip": LISTED, "sender": "a@example.com", "helo": "x.example"}, {"ip": GOOD, "sender": "a@example.com"}]
    async with open_cli(tmp_path) as cli:
        spf, dmarc, broken = await asyncio.gather(
            cli("spf", "-", stdin="\n".join(map(json.dumps, queries))),
            cli("dmarc", "example.com", "deep.sub.example.com", "--json"),
            cli("spf", "-", stdin="{}"),
        )
    assert [row["result"] for row in spf.rows] == ["fail", "pass"]
    assert spf.rows[1]["mechanism"] == "ip4:192.0.2.0/27"
    assert spf.rows[1].keys() == {"result", "explanation", "mechanism", "lookups", "voids", "queries", "path"}
    assert spf.status == 1
    assert [row["policy"] for row in dmarc.rows] == ["reject", "reject"]
    assert dmarc.rows[0].keys() == {"domain", "record_at", "org_domain", "record", "policy", "effective", "queries"}
    assert (broken.status, broken.out) == (2, "")


REPLIES = """550 5.7.1 Service unavailable; client host [192.0.2.66] blocked using zen.spamhaus.org
451 4.7.1 Greylisted, please try again in 300 seconds
hello there
"""
HEADER = (
    "Received: from mail.example.com (mail.example.com [192.0.2.25]) by mx.example.net"
    " with ESMTPS; Tue, 24 Nov 2026 06:00:02 +0000\n"
    "Received: from laptop (unknown [10.0.0.7]) by mail.example.com"
    " with ESMTPSA; Tue, 24 Nov 2026 06:00:00 +0000\n"
    "From: Ada <ada@example.com>\n"
)


async def test_bounce_classifies_each_reply_and_headers_find_egress(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        replies, text, header, missing = await asyncio.gather(
            cli("bounce", "-", "--json", stdin=REPLIES),
            cli("bounce", stdin=REPLIES),
            cli("headers", "--json", stdin=HEADER),
            cli("bounce", "nowhere.log"),
        )
    assert [(row["category"], row["list"], row["ip"]) for row in replies.rows] == [
        ("blocklist", "spamhaus-zen", LISTED),
        ("greylist", None, None),
    ]
    assert list(replies.rows[0]) == [
        "line",
        "cause",
        "side",
        "direction",
        "category",
        "ip",
        "list",
        "receiver",
        "smtp_code",
        "enhanced_code",
        "advice_url",
        "says",
    ]
    assert "2 messages not delivered" in text.out
    assert (replies.status, text.status, header.status) == (1, 1, 0)
    assert header.rows[0]["egress"]["ip"] == GOOD
    assert (missing.status, missing.out) == (2, "")


async def test_doctor_detects_resolver_that_strips_answers(tmp_path: Path) -> None:
    async with open_cli(tmp_path) as cli:
        lists, doctor = await asyncio.gather(cli("lists", "--json"), cli("doctor", "--json"))
        assert {row["health"] for row in lists.rows if row["reason"] != "no-key"} == {"good"}
        assert "doctor.spamhaus-answers" in [row["code"] for row in doctor.rows]
        test_points = [zone for zone in mail_world() if zone.split(".")[0] == "2"]
        cli.server.faults.update(dict.fromkeys(test_points, "nodata"))
        doctor = await cli("doctor", "--json")
    assert "doctor.answers-stripped" in [row["code"] for row in doctor.rows]
    assert doctor.status == 1


async def test_invalid_settings_are_all_named_without_secrets(tmp_path: Path) -> None:
    invalid = {"MAILCHECK_HTTP": "nowhere", "MAILCHECK_WATCH_EVERY": "soon", "SLACK_BOT_TOKEN": "hunter2"}
    async with open_cli(tmp_path) as cli:
        result = await cli("check", "example.com", **invalid)
    assert result.status == 2
    assert all(name in result.errors for name in invalid)
    assert "hunter2" not in result.errors
    assert "Traceback" not in result.errors
