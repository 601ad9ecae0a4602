"""check_host(): may this address send mail for this domain? The whole of RFC 7208, asked through one lookup."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from bot.checks.lookups import reverse_name
from bot.checks.spf.dns_session import OURS, Limits, Question, Session, Stopped
from bot.checks.spf.macros import BadSyntax, MacroString, askable, expand, letters, parse_explanation, to_name
from bot.checks.spf.prefetch import ADDRESS_KINDS, exchanges, look_ahead
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
from bot.checks.spf.result import MOST_NAMES, MOST_TERMS, MOST_VOIDS, Cause, Evaluation, Result, names
from bot.inputs.domain_names import quoted
from bot.models import Address, Lookup, LookupFailed

MOST_TEXT = 4096  # characters of a term or an explanation: a page of macros can expand to megabytes
QUALIFIERS: Mapping[str, Result] = {
    "+": Result.PASS,
    "-": Result.FAIL,
    "~": Result.SOFTFAIL,
    "?": Result.NEUTRAL,
}


class PermError(Exception):
    """The records themselves are wrong, and every receiver stops here; the message is one plain sentence."""

    def __init__(self, cause: Cause, problem: str) -> None:
        super().__init__(problem)
        self.cause = cause


async def check_host(
    ip: Address,
    sender: str,
    helo: str,
    lookup: Lookup,
    limits: Limits = OURS,
    clock: Callable[[], float] = time.time,
) -> Evaluation:
    """RFC 7208 check_host for one address; an empty sender stands for postmaster@helo. `clock` feeds the macro %{t}."""
    async with Session(lookup, limits) as session:
        return await evaluate(ip, sender, helo, session, clock)


async def evaluate(
    ip: Address, sender: str, helo: str, session: Session, clock: Callable[[], float] = time.time
) -> Evaluation:
    """check_host over a session that the caller goes on using; never raises for a reason of DNS or of the records."""
    address = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
    local, _, domain = (sender or helo).rpartition("@")
    domain = domain.removesuffix(".")
    run = _Run(address, letters(address, f"{local or 'postmaster'}@{domain}", helo, domain, int(clock())), session)
    try:
        async with asyncio.timeout_at(session.deadline):
            match = await run.check(domain, ())
    except PermError as error:
        return run.ended(Result.PERMERROR, str(error), error.cause)
    except LookupFailed as failure:
        return run.ended(Result.TEMPERROR, f"DNS gave no answer about {failure.question} ({failure.reason}).")
    except (Stopped, TimeoutError) as stop:
        return run.ended(Result.UNKNOWN, str(stop) or "The check stopped by itself because DNS was too slow.")
    return run.found(match, await run.explanation(match)) if match else run.ended(Result.NONE)


@dataclass(frozen=True, slots=True)
class _Match:
    """A result, the term that gave it (None: nothing matched), the way to its record, and that record's exp=."""

    result: Result
    term: str | None
    chain: tuple[str, ...]
    exp: MacroString | None = None


class _Run:
    """One evaluation: the limits of RFC 7208 §4.6.4 are counted here, and the mechanisms of §5 are tried."""

    def __init__(self, ip: Address, values: Mapping[str, str], session: Session) -> None:
        self.ip = ip
        self.values = values
        self.session = session
        self.address_kind = ADDRESS_KINDS[ip.version]
        self.terms = 0
        self.voids: list[Question] = []
        self.path: list[str] = []
        self.counting = True

    def ended(self, result: Result, problem: str = "", cause: Cause | None = None) -> Evaluation:
        return Evaluation(
            result,
            lookups=self.terms,
            void_questions=tuple(self.voids),
            queries=self.session.queries,
            path=tuple(self.path),
            problem=problem,
            cause=cause,
        )

    def found(self, match: _Match, explanation: str | None) -> Evaluation:
        return Evaluation(
            match.result,
            explanation,
            match.term and match.term[:MOST_TEXT],
            match.chain,
            self.terms,
            tuple(self.voids),
            self.session.queries,
            tuple(self.path),
        )

    async def check(self, domain: str, chain: tuple[str, ...]) -> _Match | None:
        """The result of a domain's record, reached over `chain`; None where the domain has no record."""
        record = await self.read(domain)
        if record is None:
            return None
        chain = (*chain, domain)
        for directive in record.directives:
            if match := await self.try_directive(directive, record, chain):
                return match
        if record.redirect is None:
            return _Match(Result.NEUTRAL, None, chain)
        self.count_term()
        target = await self.name(record.redirect, domain)
        match = await self.check(target, chain)
        if match is None:
            raise PermError(
                Cause.NO_RECORD, f"The record of {domain} hands over to {quoted(target)}, which has no SPF record."
            )
        return match

    async def read(self, domain: str) -> Record | None:
        """The record of a domain (§4.3 to §4.6); what its terms will need is asked for at once."""
        if "." not in domain or "[" in domain or not askable(domain):
            return None
        texts = [text for text in (await self.session.ask(domain, "TXT")).records if is_spf(text)]
        if not texts:
            return None
        self.path.append(domain)
        if len(texts) > 1:
            raise PermError(Cause.SEVERAL_RECORDS, f"{domain} has {len(texts)} SPF records; one is allowed.")
        try:
            record = parse_record(texts[0])
        except BadSyntax as error:
            raise PermError(Cause.SYNTAX, str(error)) from None
        look_ahead(self.session, record, self.ip, {**self.values, "d": domain})
        return record

    async def try_directive(self, directive: Directive, record: Record, chain: tuple[str, ...]) -> _Match | None:
        here = _Match(QUALIFIERS[directive.qualifier], directive.text, chain, record.exp)
        if not isinstance(directive.mechanism, Include):
            return here if await self.matches(directive.mechanism, chain[-1]) else None
        inner = await self.include(directive.mechanism, chain)
        # The term inside tells more, but where an include does not mean "pass" only the include explains the result.
        return inner if inner is None or here.result is Result.PASS else here

    async def include(self, mechanism: Include, chain: tuple[str, ...]) -> _Match | None:
        self.count_term()
        target = await self.name(mechanism.domain, chain[-1])
        inner = await self.check(target, chain)
        if inner is None:
            raise PermError(
                Cause.NO_RECORD, f"The record of {chain[-1]} includes {quoted(target)}, which has no SPF record."
            )
        return inner if inner.result is Result.PASS else None

    async def matches(self, mechanism: Mechanism, domain: str) -> bool:
        match mechanism:
            case All():
                return True
            case Network(network=network):
                return self.ip in network
        self.count_term()
        target = await self.name(mechanism.domain, domain)
        match mechanism:
            case Exists():
                return bool(await self.records(target, "A"))
            case Ptr():
                names = [name for name in await self.reverse_names() if _is_below(name, target)]
                return await self.validated(names) is not None
            case Hosts():
                return await self.among_hosts(mechanism, target)
        raise TypeError(f"{mechanism} is no mechanism of RFC 7208")

    async def among_hosts(self, mechanism: Hosts, target: str) -> bool:
        names = [target] if mechanism.name == "a" else exchanges(await self.records(target, "MX"))
        if len(names) > MOST_NAMES:
            raise PermError(Cause.MAIL_SERVERS, f"{target} has {len(names)} MX records; SPF looks at no more than 10.")
        self.begin(names)
        prefix = mechanism.v4 if self.ip.version == 4 else mechanism.v6
        addresses = [address for name in names for address in await self.records(name, self.address_kind)]
        return any(self.ip in ip_network((address, prefix), strict=False) for address in addresses)

    async def reverse_names(self) -> list[str]:
        """The names of the address, at most ten; an error here only means that ptr does not match (§5.5)."""
        try:
            records = await self.records(reverse_name(self.ip), "PTR")
        except LookupFailed:
            return []
        return [name.rstrip(".") for name in records[:MOST_NAMES]]

    async def validated(self, names: Iterable[str]) -> str | None:
        """The first of the reverse names that leads back to the address."""
        names = list(names)
        self.begin(names)
        for name in names:
            try:
                addresses = await self.records(name, self.address_kind)
            except LookupFailed:  # §5.5: the name is skipped
                continue
            if any(ip_address(address) == self.ip for address in addresses):
                return name
        return None

    async def name(self, spec: MacroString | None, domain: str) -> str:
        """What a term points at: the name its domain-spec expands to, or the current domain."""
        return domain if spec is None else to_name(await self.fill(spec, domain))

    async def fill(self, text: MacroString, domain: str) -> str:
        values = {**self.values, "d": domain}
        if "p" in text.letters:
            values["p"] = await self.validated(_ranked(await self.reverse_names(), domain)) or "unknown"
        return expand(text, values)

    async def explanation(self, match: _Match) -> str | None:
        """The text of exp= for a fail. Whatever goes wrong with it, the result stays (§6.2)."""
        if match.result is not Result.FAIL or match.exp is None:
            return None
        self.counting = False
        domain = match.chain[-1]
        try:
            async with asyncio.timeout_at(self.session.deadline):
                texts = await self.records(await self.name(match.exp, domain), "TXT")
                text = await self.fill(parse_explanation(texts[0]), domain) if len(texts) == 1 else ""
        except (BadSyntax, LookupFailed, Stopped, TimeoutError):
            return None
        return text[:MOST_TEXT] if text.isascii() and text else None

    def begin(self, names: Iterable[str]) -> None:
        for name in filter(askable, names):
            self.session.begin(name, self.address_kind)

    async def records(self, name: str, kind: str) -> tuple[str, ...]:
        if not askable(name):
            return ()
        records = (await self.session.ask(name, kind)).records
        if not records and self.counting:
            self.voids.append((name, kind))
            if len(self.voids) > MOST_VOIDS:
                dead = names(list(dict.fromkeys(name for name, _ in self.voids)))
                raise PermError(Cause.VOIDS, f"{dead} lead to nothing; SPF allows {MOST_VOIDS} such questions.")
        return records

    def count_term(self) -> None:
        self.terms += 1
        if self.terms > MOST_TERMS:
            self.terms = MOST_TERMS
            raise PermError(Cause.LOOKUPS, f"The record needs more than {MOST_TERMS} terms that ask DNS.")


def _ranked(names: Iterable[str], domain: str) -> list[str]:
    """The order in which %{p} prefers names: the domain itself, names below it, the others (§7.3)."""
    return sorted(names, key=lambda name: (name.lower() != domain.lower(), not _is_below(name, domain)))


def _is_below(name: str, domain: str) -> bool:
    return f".{name}".lower().endswith(f".{domain}".lower())
