"""The command `mailcheck` as people and programs use it: a process of its own, a real DNS server, a real Valkey."""

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
class Ran:
    status: int
    out: str
    errors: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Door:
    """`await door("check", "192.0.2.25")` runs the command against the little world of mail."""

    def __init__(self, server: DnsServer, state: Path) -> None:
        self.server = server
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "MAILCHECK_STATE_DIR": str(state / "state"),
            "MAILCHECK_NAMESERVERS": server.address,
            "MAILCHECK_SPECIAL_ADDRESSES": "allow",
        }

    async def __call__(self, *words: str, typed: str = "", **environment: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            MAILCHECK,
            *words,
            env=self._environment | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, errors = await process.communicate(typed.encode())
        return Ran(process.returncode or 0, out.decode(), errors.decode())


@asynccontextmanager
async def opened(tmp_path: Path, faults: dict[str, str] | None = None) -> AsyncIterator[Door]:
    async with serve(mail_world(), faults=faults or {}) as server:
        yield Door(server, tmp_path)


def by_about(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["about"]: finding for finding in row["findings"]}


async def test_a_check_answers_with_every_list_and_every_record(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        good = await door("check", GOOD, "example.com", "--json")
        listed = await door("check", LISTED, "example.com", "--json")
        mapped = await door("check", f"::ffff:{LISTED}", "postmaster@Example.COM", "--json")
        drawn = await door("check", LISTED, "example.com")
    assert (good.status, good.rows[0]["verdict"], good.errors) == (0, "pass", "")
    checks = "network blocklist ptr spf dmarc mx dkim mta-sts tls-rpt dane bimi starttls senders"
    assert {f["check"] for f in good.rows[0]["findings"]} == set(checks.split())
    assert sum(f["check"] == "blocklist" for f in good.rows[0]["findings"]) >= 60

    assert (listed.status, listed.rows[0]["verdict"]) == (1, "fail")
    zen = by_about(listed.rows[0])["spamhaus-zen"]
    assert zen["facts"]["state"] == "listed"
    assert sorted(zen["facts"]["answers"]) == ["127.0.0.2", "127.0.0.4"]
    assert zen["facts"]["sublists"] == ["spamhaus-sbl", "spamhaus-xbl"]
    assert FORM.replace(GOOD, LISTED) in [link["url"] for link in zen["links"]]

    assert mapped.rows[0]["target"] == {"ip": LISTED, "domain": "example.com"}
    assert mapped.rows[0]["cached"] is True
    assert "on Spamhaus ZEN and 1 more blocklist" in drawn.out


async def test_policy_is_a_fault_of_a_mail_server_and_none_of_a_client(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        server, client = await asyncio.gather(
            door("check", DYNAMIC, "--json"), door("check", DYNAMIC, "--as", "client", "--json")
        )
    assert by_about(server.rows[0])["spamhaus-zen"]["verdict"] == "fail"
    assert by_about(client.rows[0])["spamhaus-zen"]["verdict"] == "pass"
    assert (client.rows[0]["as"], client.status) == ("client", 0)


async def test_silence_ends_in_3_and_no_cache_asks_again(tmp_path: Path) -> None:
    async with opened(tmp_path, {"zen.spamhaus.org": "silence"}) as door:
        silent = await door("check", GOOD, "--json")
        door.server.faults.clear()
        again = await door("check", GOOD, "--json", "--no-cache")
    zen = by_about(silent.rows[0])["spamhaus-zen"]
    assert (silent.status, zen["facts"]["state"], zen["facts"]["reason"]) == (3, "unknown", "timeout")
    assert silent.rows[0]["elapsed_ms"] < 2_500
    assert (again.status, again.rows[0]["cached"]) == (0, False)


async def test_what_one_process_learned_of_a_list_another_does_not_ask_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        await door("check", GOOD, "--json")
        first = sum(name.endswith("zen.spamhaus.org") for name, _ in door.server.asked)
        door.server.asked.clear()
        other = await door("check", GOOD, "--as", "client", "--json")  # another report over the same questions
        assert [name for name, _ in door.server.asked if name.endswith(("zen.spamhaus.org", "bl.spamcop.net"))] == []
    assert first >= 3
    assert other.rows[0]["cached"] is False


BAD = {
    "nothing": [],
    "garbage": ["hello world!"],
    "half an address": ["1.2.3"],
    "an address as a number": ["2130706433"],
    "an address in hex": ["0x7f.1"],
    "a zone id": ["fe80::1%eth0"],
    "a public suffix": ["co.uk"],
    "the whole Internet": ["0.0.0.0/0"],
    "all of IPv6": ["::/0"],
    "too large a range": ["192.0.2.0/27"],
    "a name too long": [".".join(["a" * 60] * 5)],
    "ten thousand words": ["example.com"] * 10_000,
}


@pytest.mark.parametrize("words", BAD.values(), ids=BAD)
async def test_bad_input_is_one_sentence_and_nothing_is_run(words: list[str], tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        ran = await door("check", *words)
        assert (ran.status, ran.out, door.server.asked) == (2, "", [])
    assert len(ran.errors.strip().splitlines()) == 1
    assert "Traceback" not in ran.errors


async def test_a_file_streams_one_report_a_line_and_names_its_bad_lines(tmp_path: Path) -> None:
    lines = f"# egress\n{GOOD} example.com\n\nnot an address\n192.0.2.24/30\n"
    async with opened(tmp_path) as door:
        ran = await door("check", "--file", "-", "--json", typed=lines)
    assert {row["target"]["ip"] for row in ran.rows} == {GOOD, "192.0.2.24", "192.0.2.26", "192.0.2.27"}
    assert len(ran.rows) == 5
    assert ran.errors.startswith("line 4: ")
    assert ran.status == 2


async def test_a_host_is_checked_with_each_of_its_addresses(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        ran = await door("check", "mail.example.com", "--json")
    assert {row["target"]["ip"] for row in ran.rows} == {GOOD, LISTED}


async def test_a_documentation_address_is_named_and_the_domain_is_checked_all_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        ran = await door("check", "203.0.113.5", "example.com", "--json", MAILCHECK_SPECIAL_ADDRESSES="refuse")
    (row,) = ran.rows
    assert "203.0.113.5 is a documentation address" in by_about(row)["203.0.113.5"]["says"]
    assert {"spf", "dmarc", "mx"} <= {finding["check"] for finding in row["findings"]}
    assert "spamhaus-zen" not in by_about(row)


async def test_spf_and_dmarc_answer_in_the_promised_json(tmp_path: Path) -> None:
    asked = [{"ip": LISTED, "sender": "a@example.com", "helo": "x.example"}, {"ip": GOOD, "sender": "a@example.com"}]
    async with opened(tmp_path) as door:
        spf, dmarc, broken = await asyncio.gather(
            door("spf", "-", typed="\n".join(map(json.dumps, asked))),
            door("dmarc", "example.com", "deep.sub.example.com", "--json"),
            door("spf", "-", typed="{}"),
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
HEADER = """Received: from mail.example.com (mail.example.com [192.0.2.25]) by mx.example.net with ESMTPS; Tue, 24 Nov 2026 06:00:02 +0000
Received: from laptop (unknown [10.0.0.7]) by mail.example.com with ESMTPSA; Tue, 24 Nov 2026 06:00:00 +0000
From: Ada <ada@example.com>
"""


async def test_a_list_of_replies_gives_one_verdict_a_line_and_a_header_its_egress_address(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        replies, drawn, header, missing = await asyncio.gather(
            door("bounce", "-", "--json", typed=REPLIES),
            door("bounce", typed=REPLIES),
            door("headers", "--json", typed=HEADER),
            door("bounce", "nowhere.log"),
        )
    assert [(row["category"], row["list"], row["ip"]) for row in replies.rows] == [
        ("blocklist", "spamhaus-zen", LISTED),
        ("greylist", None, None),
        ("other", None, None),
    ]
    assert list(replies.rows[0]) == [
        "line",
        "category",
        "ip",
        "list",
        "receiver",
        "smtp_code",
        "enhanced_code",
        "advice_url",
        "says",
    ]
    assert "3 refusals in 3 lines" in drawn.out
    assert header.rows[0]["egress"]["ip"] == GOOD
    assert (missing.status, missing.out) == (2, "")


async def test_lists_and_doctor_see_a_resolver_that_strips_answers(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        lists, doctor = await asyncio.gather(door("lists", "--json"), door("doctor", "--json"))
        assert {row["health"] for row in lists.rows if row["reason"] != "no-key"} == {"good"}
        assert "doctor.spamhaus-answers" in [row["code"] for row in doctor.rows]
        door.server.faults.update({zone: "nodata" for zone in mail_world() if zone.split(".")[0] == "2"})
        doctor = await door("doctor", "--json")
    assert "doctor.answers-stripped" in [row["code"] for row in doctor.rows]
    assert doctor.status == 1


async def test_wrong_settings_are_all_named_and_no_secret_is_shown(tmp_path: Path) -> None:
    wrong = {"MAILCHECK_HTTP": "nowhere", "MAILCHECK_WATCH_EVERY": "soon", "SLACK_BOT_TOKEN": "hunter2"}
    async with opened(tmp_path) as door:
        ran = await door("check", "example.com", **wrong)
    assert ran.status == 2
    assert all(name in ran.errors for name in wrong)
    assert "hunter2" not in ran.errors
    assert "Traceback" not in ran.errors
