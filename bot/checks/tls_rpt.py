"""TLS-RPT: where senders report that encryption on the way to a domain failed (RFC 8460)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.checks.finding_codes import Code, Outcome
from bot.checks.lookups import ask, exchanges, readable
from bot.inputs.domain_names import shown
from bot.models import Finding, Lookup, LookupFailed, Order, Verdict

CODES: Mapping[str, Code] = {
    "tls-rpt.ok": Code(
        "The domain asks for reports about failed TLS, at addresses that senders can use.", "RFC 8460 §3"
    ),
    "tls-rpt.missing": Code(
        "The domain asks for no reports about failed TLS; most domains do not.",
        "RFC 8460 §3",
        "When everything else is right, publish a TXT record at _smtp._tls of the domain: v=TLSRPTv1; rua=mailto:…",
    ),
    "tls-rpt.not-needed": Code("The domain takes no mail, so there is nothing to report about.", "RFC 7505 §3"),
    "tls-rpt.several": Code(
        "There is more than one record, so senders act as if there were none (RFC 8460 §3).",
        "RFC 8460 §3",
        "Leave one of the records and remove the others.",
    ),
    "tls-rpt.bad-record": Code(
        "The record does not follow RFC 8460 §3, so senders send no reports.",
        "RFC 8460 §3",
        "Publish one TXT record of the form v=TLSRPTv1; rua=mailto:…",
    ),
    "tls-rpt.bad-address": Code(
        "The record names an address for reports that is neither mailto nor https.",
        "RFC 8460 §3",
        "Give each address in rua as mailto:… or https://…, with a comma between two.",
    ),
    "tls-rpt.no-answer": Code("The DNS did not answer for the record.", "RFC 8460 §3", "Check again in a few minutes."),
}
VERSION = "v=TLSRPTv1;"  # texts that begin otherwise are not looked at by senders (§3)
ALMOST = re.compile(r"\s*v\s*=\s*tlsrpt", re.IGNORECASE)
FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<-~][ \t!-:<-~]*)")
MAILTO = re.compile(r"mailto:[^\s!,;?@]+@[a-z0-9.-]+(?:\?[^\s!,;]*)?", re.IGNORECASE)
HTTPS = re.compile(r"https://[^\s!,;/]+(?:/[^\s!,;]*)?", re.IGNORECASE)
SPACE = " \t"


# The texts take {domain}, {record_at}, {to} (whom reports go to), {bad}, {why} and {reason}.
OUTCOMES: Mapping[str, Outcome] = {
    "tls-rpt.ok": Outcome(Verdict.PASS, "Senders report failed encryption on the way to {domain} ({to})."),
    "tls-rpt.missing": Outcome(
        Verdict.PASS,
        "{domain} asks for no TLS reports; mail arrives without them, but nobody tells you when encryption fails.",
        "When everything else is right, publish a TXT record at {record_at}: v=TLSRPTv1; rua=mailto:tls@{domain}",
    ),
    "tls-rpt.not-needed": Outcome(Verdict.PASS, "{domain} takes no mail, so it needs no TLS reports."),
    "tls-rpt.several": Outcome(
        Verdict.WARN,
        "There is more than one TLS-RPT record at {record_at}, so senders ignore them all.",
        "Leave one of the records and remove the others.",
    ),
    "tls-rpt.bad-record": Outcome(
        Verdict.WARN,
        "The TLS-RPT record at {record_at} cannot be used, so nobody sends reports: {why}.",
        "Publish one TXT record of the form: v=TLSRPTv1; rua=mailto:tls@{domain}",
    ),
    "tls-rpt.bad-address": Outcome(
        Verdict.WARN,
        "The TLS-RPT record at {record_at} names {bad}, where senders can send no report.",
        "Give each address in rua as mailto:… or https://…, with a comma between two.",
    ),
    "tls-rpt.no-answer": Outcome(
        Verdict.UNKNOWN,
        "The DNS did not answer about TLS reports for {domain} ({reason}), so it is not known whether there are any.",
        "Check again in a few minutes.",
    ),
}


class Unusable(ValueError):
    """Senders act as if the record were not there; the message completes "… cannot be used: "."""


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """One finding about the record of the order's domain."""
    domain = order.target.domain
    if domain is None:
        return []
    reply = await ask(lookup, f"_smtp._tls.{domain}", "TXT")
    if isinstance(reply, LookupFailed):
        return [_finding("tls-rpt.no-answer", domain, reason=reply.reason)]
    records = find_records(reply.records)
    if not records:
        takes_mail = await _takes_mail(lookup, domain)
        return [_finding("tls-rpt.missing" if takes_mail else "tls-rpt.not-needed", domain)]
    return [judge(domain, records)]


def judge(domain: str, records: Sequence[str]) -> Finding:
    """What holds about these records, of which there is at least one."""
    if len(records) > 1:
        return _finding("tls-rpt.several", domain)
    try:
        addresses = read_addresses(records[0])
    except Unusable as bad:
        return _finding("tls-rpt.bad-record", domain, why=str(bad))
    wrong = [address for address in addresses if not is_usable(address)]
    if wrong:
        return _finding(
            "tls-rpt.bad-address", domain, addresses, bad=" and ".join(f"“{readable(one)}”" for one in wrong)
        )
    kinds = dict.fromkeys(address.partition(":")[0].lower() for address in addresses)
    words = {"mailto": "by mail", "https": "to a web address"}
    return _finding("tls-rpt.ok", domain, addresses, to=" and ".join(words[kind] for kind in kinds))


def find_records(texts: Sequence[str]) -> list[str]:
    """The TXT strings that senders take for a record, or else those that were surely meant to be one."""
    return [text for text in texts if text.startswith(VERSION)] or [text for text in texts if ALMOST.match(text)]


def read_addresses(record: str) -> tuple[str, ...]:
    """The URIs of rua, usable or not; raises Unusable."""
    if not record.startswith(VERSION):
        raise Unusable(f"it does not begin with {VERSION}")
    fields: dict[str, str] = {}
    for part in record.removeprefix(VERSION).strip(SPACE).removesuffix(";").split(";"):
        field = FIELD.fullmatch(part.strip(SPACE))
        if field is None:
            raise Unusable(f"“{readable(part.strip(SPACE))}” is not of the form name=value")
        fields.setdefault(field[1], field[2])
    if "rua" not in fields:
        raise Unusable("it says in no rua where reports go")
    return tuple(address.strip(SPACE) for address in fields["rua"].split(","))


def is_usable(address: str) -> bool:
    return bool(MAILTO.fullmatch(address) or HTTPS.fullmatch(address))


async def _takes_mail(lookup: Lookup, domain: str) -> bool:
    """Silence about the mail servers is no word that there are none."""
    try:
        return await exchanges(lookup, domain) != ()
    except LookupFailed:
        return True


def _finding(code: str, domain: str, addresses: Sequence[str] = (), **words: str) -> Finding:
    outcome = OUTCOMES[code]
    known = {"domain": domain, "record_at": f"_smtp._tls.{domain}", **words}
    says, step = outcome.says.format_map({**known, "domain": shown(domain)}), outcome.step.format_map(known)
    facts = {"rua": list(addresses)} if addresses else {}
    return Finding("tls-rpt", domain, outcome.verdict, code, says, step, facts)
