"""check_host() of RFC 7208: may the address send mail for the domain?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from bot.checks.finding_codes import Problem
from bot.checks.lookups import reverse_name
from bot.checks.spf.dns_session import DEFAULT_LIMITS, BudgetExceeded, DnsSession, Limits, Query
from bot.checks.spf.macros import BadSyntax, MacroString, expand, is_queryable, macro_values, parse_explanation, to_name
from bot.checks.spf.prefetch import ADDRESS_RDTYPES, mx_hosts, prefetch_terms
from bot.checks.spf.record import (
    All,
    Directive,
    Exists,
    Hosts,
    Include,
    Mechanism,
    Network,
    Ptr,
    Record,
    is_spf,
    parse_record,
)
from bot.checks.spf.result import (
    MAX_LOOKUP_TERMS,
    MAX_NAMES,
    MAX_VOID_LOOKUPS,
    PermErrorCause,
    ResultCode,
    SpfResult,
    join_names,
)
from bot.inputs.domain_names import quoted
from bot.models import Address, Lookup, LookupFailed

MAX_TEXT = 4096  # characters of a term or an explanation; macros can expand to megabytes
QUALIFIERS: Mapping[str, ResultCode] = {
    "+": ResultCode.PASS,
    "-": ResultCode.FAIL,
    "~": ResultCode.SOFTFAIL,
    "?": ResultCode.NEUTRAL,
}


class PermError(Exception):
    """The records are invalid and every receiver stops here; the problem is a key of `phrases.PROBLEMS`."""

    def __init__(self, cause: PermErrorCause, problem: Problem) -> None:
        super().__init__(cause)
        self.cause = cause
        self.problem = problem


async def check_host(
    ip: Address,
    sender: str,
    helo: str,
    lookup: Lookup,
    limits: Limits = DEFAULT_LIMITS,
    clock: Callable[[], float] = time.time,
) -> SpfResult:
    """Evaluate RFC 7208 check_host for one address.

    An empty sender means postmaster@helo. `clock` supplies the macro %{t}.
    """
    async with DnsSession(lookup, limits) as session:
        return await evaluate(ip, sender, helo, session, clock)


async def evaluate(
    ip: Address, sender: str, helo: str, session: DnsSession, clock: Callable[[], float] = time.time
) -> SpfResult:
    """Evaluate check_host within an open session.

    DNS errors and invalid records become part of the result; they are not raised.
    """
    address = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
    local_part, _, domain = (sender or helo).rpartition("@")
    domain = domain.removesuffix(".")
    evaluation = _Evaluation(
        address, macro_values(address, f"{local_part or 'postmaster'}@{domain}", helo, domain, int(clock())), session
    )
    try:
        async with asyncio.timeout_at(session.deadline):
            match = await evaluation.check(domain, ())
    except PermError as error:
        return evaluation.ended(ResultCode.PERMERROR, error.problem, error.cause)
    except LookupFailed as failure:
        problem = Problem("unanswered", {"query": failure.question, "reason": failure.reason})
        return evaluation.ended(ResultCode.TEMPERROR, problem)
    except BudgetExceeded as error:
        return evaluation.ended(ResultCode.UNKNOWN, error.problem)
    except TimeoutError:
        return evaluation.ended(ResultCode.UNKNOWN, Problem("slow"))
    return (
        evaluation.matched(match, await evaluation.explanation(match)) if match else evaluation.ended(ResultCode.NONE)
    )


@dataclass(frozen=True, slots=True)
class _Match:
    """A result and the term that produced it (None: no term matched).

    `chain` is the path of domains to its record, `exp` the exp= of that record.
    """

    result: ResultCode
    term: str | None
    chain: tuple[str, ...]
    exp: MacroString | None = None


class _Evaluation:
    """One evaluation: counts the limits of RFC 7208 §4.6.4 and tries the mechanisms of §5."""

    def __init__(self, ip: Address, values: Mapping[str, str], session: DnsSession) -> None:
        self.ip = ip
        self.values = values
        self.session = session
        self.address_rdtype = ADDRESS_RDTYPES[ip.version]
        self.term_count = 0
        self.void_queries: list[Query] = []
        self.path: list[str] = []
        self.counts_voids = True

    def ended(
        self, result: ResultCode, problem: Problem | None = None, cause: PermErrorCause | None = None
    ) -> SpfResult:
        return SpfResult(
            result,
            lookups=self.term_count,
            void_queries=tuple(self.void_queries),
            queries=self.session.queries,
            path=tuple(self.path),
            problem=problem,
            cause=cause,
        )

    def matched(self, match: _Match, explanation: str | None) -> SpfResult:
        return SpfResult(
            match.result,
            explanation,
            match.term and match.term[:MAX_TEXT],
            match.chain,
            self.term_count,
            tuple(self.void_queries),
            self.session.queries,
            tuple(self.path),
        )

    async def check(self, domain: str, chain: tuple[str, ...]) -> _Match | None:
        """Evaluate the record of a domain reached over `chain`; None if it has no record."""
        record = await self.read(domain)
        if record is None:
            return None
        chain = (*chain, domain)
        for directive in record.directives:
            if match := await self.try_directive(directive, record, chain):
                return match
        if record.redirect is None:
            return _Match(ResultCode.NEUTRAL, None, chain)
        self.count_term()
        target = await self.target_name(record.redirect, domain)
        match = await self.check(target, chain)
        if match is None:
            problem = Problem("redirect", {"domain": domain, "target": quoted(target)})
            raise PermError(_missing(record.redirect), problem)
        return match

    async def read(self, domain: str) -> Record | None:
        """Read the record of a domain (§4.3 to §4.6) and prefetch what its terms need."""
        if "." not in domain or "[" in domain or not is_queryable(domain):
            return None
        spf_texts = [text for text in (await self.session.query(domain, "TXT")).records if is_spf(text)]
        if not spf_texts:
            return None
        self.path.append(domain)
        if len(spf_texts) > 1:
            problem = Problem("multiple", {"domain": domain, "count": len(spf_texts)})
            raise PermError(PermErrorCause.MULTIPLE_RECORDS, problem)
        try:
            record = parse_record(spf_texts[0])
        except BadSyntax as error:
            raise PermError(PermErrorCause.SYNTAX, error.problem) from None
        prefetch_terms(self.session, record, self.ip, {**self.values, "d": domain})
        return record

    async def try_directive(self, directive: Directive, record: Record, chain: tuple[str, ...]) -> _Match | None:
        own_match = _Match(QUALIFIERS[directive.qualifier], directive.text, chain, record.exp)
        if not isinstance(directive.mechanism, Include):
            return own_match if await self.matches(directive.mechanism, chain[-1]) else None
        inner = await self.include(directive.mechanism, chain)
        # The inner term is more specific, but unless the include means "pass" only the include
        # explains the result.
        return inner if inner is None or own_match.result is ResultCode.PASS else own_match

    async def include(self, mechanism: Include, chain: tuple[str, ...]) -> _Match | None:
        self.count_term()
        target = await self.target_name(mechanism.domain, chain[-1])
        inner = await self.check(target, chain)
        if inner is None:
            problem = Problem("include", {"domain": chain[-1], "target": quoted(target)})
            raise PermError(_missing(mechanism.domain), problem)
        return inner if inner.result is ResultCode.PASS else None

    async def matches(self, mechanism: Mechanism, domain: str) -> bool:
        match mechanism:
            case All():
                return True
            case Network(network=network):
                return self.ip in network
        self.count_term()
        target = await self.target_name(mechanism.domain, domain)
        match mechanism:
            case Exists():
                return bool(await self.records(target, "A"))
            case Ptr():
                names = [name for name in await self.reverse_names() if _is_below(name, target)]
                return await self.first_validated(names) is not None
            case Hosts():
                return await self.matches_hosts(mechanism, target)
        raise TypeError(mechanism)

    async def matches_hosts(self, mechanism: Hosts, target: str) -> bool:
        names = [target] if mechanism.name == "a" else mx_hosts(await self.records(target, "MX"))
        if len(names) > MAX_NAMES:
            problem = Problem("mx-hosts", {"domain": target, "count": len(names)})
            raise PermError(PermErrorCause.MX_HOSTS, problem)
        self.start_queries(names)
        prefix = mechanism.v4 if self.ip.version == 4 else mechanism.v6
        addresses = [address for name in names for address in await self.records(name, self.address_rdtype)]
        return any(self.ip in ip_network((address, prefix), strict=False) for address in addresses)

    async def reverse_names(self) -> list[str]:
        """Look up at most ten PTR names of the address; none on a DNS error (§5.5)."""
        try:
            records = await self.records(reverse_name(self.ip), "PTR")
        except LookupFailed:
            return []
        return [name.rstrip(".") for name in records[:MAX_NAMES]]

    async def first_validated(self, names: Iterable[str]) -> str | None:
        """Return the first of the PTR names that resolves back to the address."""
        names = list(names)
        self.start_queries(names)
        for name in names:
            try:
                addresses = await self.records(name, self.address_rdtype)
            except LookupFailed:  # §5.5: the name is skipped
                continue
            if any(ip_address(address) == self.ip for address in addresses):
                return name
        return None

    async def target_name(self, spec: MacroString | None, domain: str) -> str:
        """Return the name a term refers to: its expanded domain-spec, or the current domain."""
        return domain if spec is None else to_name(await self.fill(spec, domain))

    async def fill(self, text: MacroString, domain: str) -> str:
        values = {**self.values, "d": domain}
        if "p" in text.variables:
            values["p"] = await self.first_validated(_ranked(await self.reverse_names(), domain)) or "unknown"
        return expand(text, values)

    async def explanation(self, match: _Match) -> str | None:
        """Return the text of exp= for a fail; errors in it do not change the result (§6.2)."""
        if match.result is not ResultCode.FAIL or match.exp is None:
            return None
        self.counts_voids = False
        domain = match.chain[-1]
        try:
            async with asyncio.timeout_at(self.session.deadline):
                texts = await self.records(await self.target_name(match.exp, domain), "TXT")
                text = await self.fill(parse_explanation(texts[0]), domain) if len(texts) == 1 else ""
        except (BadSyntax, LookupFailed, BudgetExceeded, TimeoutError):
            return None
        return text[:MAX_TEXT] if text.isascii() and text else None

    def start_queries(self, names: Iterable[str]) -> None:
        for name in filter(is_queryable, names):
            self.session.start(name, self.address_rdtype)

    async def records(self, name: str, rdtype: str) -> tuple[str, ...]:
        if not is_queryable(name):
            return ()
        records = (await self.session.query(name, rdtype)).records
        if not records and self.counts_voids:
            self.void_queries.append((name, rdtype))
            if len(self.void_queries) > MAX_VOID_LOOKUPS:
                names = join_names(list(dict.fromkeys(name for name, _ in self.void_queries)))
                raise PermError(PermErrorCause.VOID_LOOKUPS, Problem("voids", {"names": names}))
        return records

    def count_term(self) -> None:
        self.term_count += 1
        if self.term_count > MAX_LOOKUP_TERMS:
            self.term_count = MAX_LOOKUP_TERMS
            raise PermError(PermErrorCause.LOOKUPS, Problem("lookups"))


def _ranked(names: Iterable[str], domain: str) -> list[str]:
    """Sort names as %{p} prefers them: the domain itself, names below it, others (§7.3)."""
    return sorted(names, key=lambda name: (name.lower() != domain.lower(), not _is_below(name, domain)))


def _is_below(name: str, domain: str) -> bool:
    return f".{name}".lower().endswith(f".{domain}".lower())


def _missing(name: MacroString) -> PermErrorCause:
    """Return the cause if a record is missing: a name that macros make is not in the text of the record."""
    return PermErrorCause.MISSING_FROM_MACRO if name.variables else PermErrorCause.MISSING_RECORD
