"""`mailcheck spf` and `mailcheck dmarc`: questions in, cards and verdicts out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from bot.checks.dmarc import Discovery
from bot.checks.spf import Evaluation, Result
from bot.model import Address, Verdict
from handlers.card import Card, Fact, Tone
from handlers.messages import TONES

AT_ONCE = 32

VERDICTS = {
    Result.PASS: Verdict.PASS,
    Result.FAIL: Verdict.FAIL,
    Result.PERMERROR: Verdict.FAIL,
    Result.SOFTFAIL: Verdict.WARN,
    Result.NEUTRAL: Verdict.WARN,
    Result.NONE: Verdict.WARN,
    Result.TEMPERROR: Verdict.UNKNOWN,
    Result.UNKNOWN: Verdict.UNKNOWN,
}

Q = TypeVar("Q")
A = TypeVar("A")


class BadQuestion(ValueError):
    """The input is no question; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class SpfQuestion:
    """What check_host is asked; an empty sender stands for postmaster at the HELO name."""

    ip: Address
    sender: str
    helo: str


def read_spf_question(ip: str, sender: str, helo: str) -> SpfQuestion:
    try:
        address = ip_address(ip.strip())
    except ValueError:
        raise BadQuestion(f"{ip[:60]} is not an IP address; write one like 203.0.113.5.") from None
    if not (sender.strip() or helo.strip()):
        raise BadQuestion("SPF needs a sender or a HELO name; give --sender postmaster@example.com, --helo, or both.")
    return SpfQuestion(address, sender.strip(), helo.strip())


def read_spf_lines(lines: Iterable[str]) -> Iterator[SpfQuestion]:
    """JSON lines of `{"ip", "sender", "helo"}`; raises BadQuestion, which names the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield read_spf_question(str(row["ip"]), str(row.get("sender") or ""), str(row.get("helo") or ""))
        except BadQuestion as wrong:
            raise BadQuestion(f"line {number}: {wrong}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            form = '{"ip": "203.0.113.5", "sender": "a@example.com", "helo": "mail.example.com"}'
            raise BadQuestion(f"line {number} is not an object like {form}.") from None


async def in_order(questions: Iterable[Q], ask: Callable[[Q], Awaitable[A]]) -> AsyncIterator[tuple[Q, A]]:
    """Each question with its answer, in the order of the questions; AT_ONCE are under way."""
    waiting: list[tuple[Q, asyncio.Task[A]]] = []

    async def answered(question: Q) -> A:
        return await ask(question)

    try:
        for question in questions:
            waiting.append((question, asyncio.create_task(answered(question))))
            if len(waiting) >= AT_ONCE:
                first, task = waiting.pop(0)
                yield first, await task
        while waiting:
            first, task = waiting.pop(0)
            yield first, await task
    finally:
        for _, task in waiting:
            task.cancel()


def spf_card(question: SpfQuestion, found: Evaluation) -> Card:
    facts = [
        Fact("Matched", f"{found.mechanism} in the record of {found.matched_in}") if found.mechanism else None,
        Fact("Records read", " → ".join(found.path)) if found.path else None,
        Fact("Terms that need DNS", f"{found.lookups} of 10"),
        Fact("Lookups that found nothing", f"{found.voids} of 2"),
        Fact("The domain says", found.explanation) if found.explanation else None,
    ]
    return Card(
        f"SPF {found.result} for {question.ip} sending as {question.sender or question.helo}",
        TONES[VERDICTS[found.result]],
        step=found.problem,
        facts=tuple(fact for fact in facts if fact),
        footnote=f"{found.queries} questions asked",
    )


def dmarc_verdict(found: Discovery) -> Verdict:
    if found.unanswered:
        return Verdict.UNKNOWN
    return Verdict.PASS if found.policy else Verdict.WARN


def dmarc_card(found: Discovery) -> Card:
    if found.unanswered:
        return Card(f"DMARC of {found.domain} is not known: DNS did not answer ({found.unanswered})", Tone.UNSURE)
    document = found.to_json()
    says = f"the policy is {found.policy}" if found.policy else "no policy applies"
    took = f", in effect {found.effective}" if found.effective != found.policy else ""
    facts = [
        Fact("Record", str(document["record"])) if document["record"] else None,
        Fact("Found at", str(document["record_at"])) if document["record_at"] else None,
        Fact("Organisational domain", found.org_domain),
    ]
    return Card(
        f"DMARC of {found.domain}: {says}{took}",
        TONES[dmarc_verdict(found)],
        facts=tuple(fact for fact in facts if fact),
        footnote=f"{len(document['queries'])} names asked",
    )
