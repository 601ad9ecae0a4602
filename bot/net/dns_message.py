"""The full reading of a reply, by dnspython: records in text form, aliases followed, contradictions refused.

Some resolvers stop at a CNAME: the rest of the way is ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
from dns.rdatatype import RdataType
from dns.rdtypes.mxbase import MXBase
from dns.rdtypes.nsbase import NSBase
from dns.rdtypes.txtbase import TXTBase

from bot.models import Answer, LookupFailed
from bot.net.dns_wire import HEADER, RCODES, Question, question


class Garbled(Exception):
    """These bytes are no DNS message; a true answer may still be on its way."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The reply ends at a name that it says nothing more about: that name is the next question."""

    target: str
    ttl: int
    authentic: bool


def read(asked: Question, reply: bytes) -> Answer | Alias:
    """Read a reply whose id and question are verified; the thrown letter case of the question does not show in records.

    Raises Garbled for a cut or broken packet, and LookupFailed where the server speaks clearly but gives no answer.
    """
    try:
        message = dns.message.from_wire(reply[:HEADER] + asked.wire + reply[HEADER + len(asked.wire) :])
        if not isinstance(message, dns.message.QueryMessage):
            raise Garbled
        rcode = message.rcode()
    except (dns.exception.DNSException, ValueError) as broken:
        raise Garbled from broken
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise LookupFailed(RCODES.get(int(rcode), "servfail"), _text_of(asked))
    return _answer(asked, message, rcode == dns.rcode.NOERROR)


def _answer(asked: Question, message: dns.message.QueryMessage, exists: bool) -> Answer | Alias:
    if not exists and any(rrset.rdtype not in _BESIDE_NXDOMAIN for rrset in message.answer):
        raise LookupFailed("malformed", _text_of(asked))  # "no such name, and here are its records"
    try:
        chain = message.resolve_chaining()
    except dns.message.ChainTooLong as endless:
        raise LookupFailed("loop", _text_of(asked)) from endless
    except dns.exception.DNSException as broken:
        raise Garbled from broken
    authentic = bool(message.flags & dns.flags.AD)
    if chain.answer is not None:
        records = tuple(text(record) for record in chain.answer)
        return Answer(asked.name, asked.kind, records, True, chain.minimum_ttl, authentic)
    aliased = [alias.ttl for alias in chain.cnames]
    denied = [min(rrset.ttl, rrset[0].minimum) for rrset in message.authority if rrset.rdtype == RdataType.SOA]
    if exists and aliased and not denied:
        return Alias(_without_dot(chain.canonical_name), min(aliased), authentic)
    if exists and not denied and _is_referral(message):
        raise LookupFailed("refused", _text_of(asked))  # "ask somebody else" is not "there is none"
    return Answer(asked.name, asked.kind, (), exists, min(denied + aliased) if denied else 0, authentic)


def text(record: dns.rdata.Rdata) -> str:
    """One record as the rest of the program reads it: see `Answer.records`."""
    match record:
        case TXTBase():
            return b"".join(record.strings).decode("utf-8", "replace")
        case MXBase():
            return f"{record.preference} {_without_dot(record.exchange)}"
        case NSBase():  # PTR, CNAME and DNAME are made like NS
            return _without_dot(record.target)
        case _:
            return record.to_text()


_BESIDE_NXDOMAIN = (RdataType.CNAME, RdataType.DNAME, RdataType.RRSIG)


def _without_dot(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


def _is_referral(message: dns.message.QueryMessage) -> bool:
    told = message.flags & (dns.flags.AA | dns.flags.RA)
    return not told and any(rrset.rdtype == RdataType.NS for rrset in message.authority)


def _text_of(asked: Question) -> str:
    return f"{asked.name} {asked.kind}"


MOST = 9


async def follow(asked: Question, alias: Alias, ask: Callable[[Question], Awaitable[Answer | Alias]]) -> Answer:
    """What stands at the end of the aliases, as the answer to what was asked; raises LookupFailed("loop"), and what `ask` raises."""
    seen, ttl, authentic = {asked.name.lower()}, alias.ttl, alias.authentic
    outcome: Answer | Alias = alias
    while isinstance(outcome, Alias):
        target = outcome.target
        if target.lower() in seen or len(seen) > MOST:
            raise LookupFailed("loop", f"{asked.name} {asked.kind}")
        seen.add(target.lower())
        outcome = await ask(question(target, asked.kind))
        ttl, authentic = min(ttl, outcome.ttl), authentic and outcome.authentic
    return replace(outcome, name=asked.name, ttl=ttl, authentic=authentic)
