"""Full parsing of DNS replies with dnspython: records as text, and CNAME chasing.

Some resolvers stop at a CNAME; the target is then queried from here.
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

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_wire import HEADER_BYTES, MAX_RECORD_CHARS, RCODES, Question, encode_question


class MalformedReply(Exception):
    """The bytes are no DNS message; the true reply may still arrive."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A reply that ends at a CNAME without the records of its target."""

    aliases: tuple[str, ...]
    ttl: int
    authentic: bool

    @property
    def target(self) -> str:
        return self.aliases[-1]


def parse_reply(question: Question, reply: bytes) -> DnsAnswer | Alias:
    """Parse a reply whose id and question are verified; the 0x20 letter case is not in the result.

    Raises MalformedReply for a truncated or broken packet, and LookupFailed for an error reply.
    """
    try:
        message = dns.message.from_wire(
            reply[:HEADER_BYTES] + question.wire + reply[HEADER_BYTES + len(question.wire) :]
        )
        if not isinstance(message, dns.message.QueryMessage):
            raise MalformedReply
        rcode = message.rcode()
    except (dns.exception.DNSException, ValueError) as error:
        raise MalformedReply from error
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise LookupFailed(RCODES.get(int(rcode), "servfail"), _describe(question))
    return _answer(question, message, rcode == dns.rcode.NOERROR)


def _answer(question: Question, message: dns.message.QueryMessage, exists: bool) -> DnsAnswer | Alias:
    if not exists and any(rrset.rdtype not in _ALLOWED_IN_NXDOMAIN for rrset in message.answer):
        raise LookupFailed("malformed", _describe(question))  # NXDOMAIN together with records of that name
    try:
        chain = message.resolve_chaining()
    except dns.message.ChainTooLong as error:
        raise LookupFailed("loop", _describe(question)) from error
    except dns.exception.DNSException as error:
        raise MalformedReply from error
    authentic = bool(message.flags & dns.flags.AD)
    aliases = tuple(_relative_text(rrset[0].target) for rrset in chain.cnames)
    if chain.answer is not None:
        records = tuple(rdata_text(record) for record in chain.answer)
        if any(len(record) > MAX_RECORD_CHARS for record in records):
            raise LookupFailed("malformed", _describe(question))  # cut, it would mean something else
        return DnsAnswer(question.name, question.rdtype, records, True, chain.minimum_ttl, authentic, aliases)
    alias_ttls = [alias.ttl for alias in chain.cnames]
    negative_ttls = [min(rrset.ttl, rrset[0].minimum) for rrset in message.authority if rrset.rdtype == RdataType.SOA]
    if exists and aliases and not negative_ttls:
        return Alias(aliases, min(alias_ttls), authentic)
    if exists and not negative_ttls and _is_referral(message):
        raise LookupFailed("refused", _describe(question))  # a referral is not a denial
    ttl = min(negative_ttls + alias_ttls) if negative_ttls else 0
    return DnsAnswer(question.name, question.rdtype, (), exists, ttl, authentic, aliases)


def rdata_text(record: dns.rdata.Rdata) -> str:
    """One record in the text form of `DnsAnswer.records`."""
    match record:
        case TXTBase():
            return b"".join(record.strings).decode("utf-8", "replace")
        case MXBase():
            return f"{record.preference} {_relative_text(record.exchange)}"
        case NSBase():  # the base class of PTR, CNAME and DNAME too
            return _relative_text(record.target)
        case _:
            return record.to_text()


_ALLOWED_IN_NXDOMAIN = (RdataType.CNAME, RdataType.DNAME, RdataType.RRSIG)


def _relative_text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


def _is_referral(message: dns.message.QueryMessage) -> bool:
    answer_flags = message.flags & (dns.flags.AA | dns.flags.RA)
    return not answer_flags and any(rrset.rdtype == RdataType.NS for rrset in message.authority)


def _describe(question: Question) -> str:
    return f"{question.name} {question.rdtype}"


MAX_CNAME_HOPS = 9


async def follow_cnames(
    question: Question, alias: Alias, query: Callable[[Question], Awaitable[DnsAnswer | Alias]]
) -> DnsAnswer:
    """Query CNAME targets until one has an answer; returned under the name of the first question.

    Raises LookupFailed("loop"), and what `query` raises.
    """
    visited, aliases, ttl, authentic = {question.name.lower()}, alias.aliases, alias.ttl, alias.authentic
    result: DnsAnswer | Alias = alias
    while isinstance(result, Alias):
        target = result.target
        if target.lower() in visited or len(visited) > MAX_CNAME_HOPS:
            raise LookupFailed("loop", f"{question.name} {question.rdtype}")
        visited.add(target.lower())
        result = await query(encode_question(target, question.rdtype))
        aliases += result.aliases
        ttl, authentic = min(ttl, result.ttl), authentic and result.authentic
    return replace(result, name=question.name, ttl=ttl, authentic=authentic, aliases=aliases)
