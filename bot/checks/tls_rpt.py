"""TLS-RPT: where senders report failed TLS on the way to a domain (RFC 8460)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.checks.finding_codes import BadText, FindingCode
from bot.checks.lookups import lookup_or_failure, mx_hosts, readable
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, Finding, Lookup, LookupFailed, Verdict

# Placeholders: {domain}, {record_at}, {mailbox}, {to} (where reports go), {bad} (addresses), {problem}, {reason}.
CODES: Mapping[str, FindingCode] = {
    "tls-rpt.ok": FindingCode(
        "The domain asks for reports about failed TLS, at addresses that senders can use.",
        "RFC 8460 §3",
        verdict=Verdict.PASS,
        summary="Senders report failed TLS to {domain} ({to}).",
    ),
    "tls-rpt.missing": FindingCode(
        "The domain asks for no reports about failed TLS; most domains do not.",
        "RFC 8460 §3",
        "Once SPF, DKIM, DMARC and TLS work, publish a TXT record at _smtp._tls of the domain: "
        "v=TLSRPTv1; rua=mailto:…",
        verdict=Verdict.PASS,
        summary="{domain} asks for no TLS reports; mail arrives without them, but you do not learn when TLS fails.",
        remediation="Once SPF, DKIM, DMARC and TLS work, publish a TXT record at {record_at}: "
        "v=TLSRPTv1; rua=mailto:{mailbox}",
    ),
    "tls-rpt.not-needed": FindingCode(
        "The domain takes no mail, so there is nothing to report about.",
        "RFC 7505 §3",
        verdict=Verdict.PASS,
        summary="{domain} takes no mail, so it needs no TLS reports.",
    ),
    "tls-rpt.several": FindingCode(
        "There is more than one record, so senders act as if there were none (RFC 8460 §3).",
        "RFC 8460 §3",
        verdict=Verdict.WARN,
        summary="There is more than one TLS-RPT record at {record_at}, so senders ignore them all.",
        remediation="Leave one of the records and remove the others.",
    ),
    "tls-rpt.bad-record": FindingCode(
        "The record does not follow RFC 8460 §3, so senders send no reports.",
        "RFC 8460 §3",
        "Publish one TXT record of the form v=TLSRPTv1; rua=mailto:…",
        verdict=Verdict.WARN,
        summary="The TLS-RPT record at {record_at} is invalid, so senders send no reports: {problem}.",
        remediation="Publish one TXT record of the form: v=TLSRPTv1; rua=mailto:{mailbox}",
    ),
    "tls-rpt.bad-address": FindingCode(
        "The record names an address for reports that is neither mailto nor https.",
        "RFC 8460 §3",
        verdict=Verdict.WARN,
        summary="The TLS-RPT record at {record_at} names {bad}, where senders can send no report.",
        remediation="Give each address in rua as mailto:… or https://…, with a comma between two.",
    ),
    "tls-rpt.no-answer": FindingCode(
        "DNS did not answer for the record.",
        "RFC 8460 §3",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for the TLS-RPT record of {domain} ({reason}), so it is not known whether there "
        "is one.",
        remediation="Check again in a few minutes.",
    ),
}
PROBLEMS: Mapping[str, str] = {
    "version": "it does not begin with v=TLSRPTv1;",
    "field": "“{text}” is not of the form name=value",
    "no-rua": "it has no rua, so it does not say where reports go",
}
REPORT_METHODS: Mapping[str, str] = {"mailto": "by mail", "https": "by HTTPS"}
VERSION = "v=TLSRPTv1;"  # senders ignore other texts (§3)
MALFORMED_RECORD = re.compile(r"\s*v\s*=\s*tlsrpt", re.IGNORECASE)
FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<-~][ \t!-:<-~]*)")
MAILTO = re.compile(r"mailto:[^\s!,;?@]+@[a-z0-9.-]+(?:\?[^\s!,;]*)?", re.IGNORECASE)
HTTPS = re.compile(r"https://[^\s!,;/]+(?:/[^\s!,;]*)?", re.IGNORECASE)
SPACE = " \t"


class BadTlsRptRecord(BadText):
    """Senders ignore the record; the problem is a key of PROBLEMS."""


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """One finding about the TLS-RPT record of the target domain."""
    domain = request.target.domain
    if domain is None:
        return []
    result = await lookup_or_failure(lookup, f"_smtp._tls.{domain}", "TXT")
    if isinstance(result, LookupFailed):
        return [_finding("tls-rpt.no-answer", domain, reason=result.reason)]
    records = find_records(result.records)
    if not records:
        takes_mail = await _takes_mail(lookup, domain)
        missing = _finding("tls-rpt.missing" if takes_mail else "tls-rpt.not-needed", domain)
        return [missing._replace(facts={"records": []})]
    finding = judge(domain, records)
    return [finding._replace(facts={**finding.facts, "records": records})]


def judge(domain: str, records: Sequence[str]) -> Finding:
    """The finding about these records, of which there is at least one."""
    if len(records) > 1:
        return _finding("tls-rpt.several", domain)
    try:
        addresses = parse_rua(records[0])
    except BadTlsRptRecord as error:
        return _finding("tls-rpt.bad-record", domain, problem=error.problem.phrase(PROBLEMS))
    bad_addresses = [address for address in addresses if not is_usable(address)]
    if bad_addresses:
        return _finding(
            "tls-rpt.bad-address",
            domain,
            addresses,
            bad=" and ".join(f"“{readable(address)}”" for address in bad_addresses),
        )
    schemes = dict.fromkeys(address.partition(":")[0].lower() for address in addresses)
    return _finding("tls-rpt.ok", domain, addresses, to=" and ".join(REPORT_METHODS[scheme] for scheme in schemes))


def find_records(texts: Sequence[str]) -> list[str]:
    """The TXT strings that are records, else those that are malformed ones."""
    return [text for text in texts if text.startswith(VERSION)] or [
        text for text in texts if MALFORMED_RECORD.match(text)
    ]


def parse_rua(record: str) -> tuple[str, ...]:
    """The URIs of rua, valid or not. Raises BadTlsRptRecord."""
    if not record.startswith(VERSION):
        raise BadTlsRptRecord("version")
    fields: dict[str, str] = {}
    for part in record.removeprefix(VERSION).strip(SPACE).removesuffix(";").split(";"):
        field = FIELD.fullmatch(part.strip(SPACE))
        if field is None:
            raise BadTlsRptRecord("field", text=readable(part.strip(SPACE)))
        fields.setdefault(field[1], field[2])
    if "rua" not in fields:
        raise BadTlsRptRecord("no-rua")
    return tuple(address.strip(SPACE) for address in fields["rua"].split(","))


def is_usable(address: str) -> bool:
    return bool(MAILTO.fullmatch(address) or HTTPS.fullmatch(address))


async def _takes_mail(lookup: Lookup, domain: str) -> bool:
    """A failed MX lookup counts as yes."""
    try:
        return await mx_hosts(lookup, domain) != ()
    except LookupFailed:
        return True


def _finding(code: str, domain: str, addresses: Sequence[str] = (), **placeholders: str) -> Finding:
    text = CODES[code]
    values = {
        "domain": display_domain(domain),
        "record_at": f"_smtp._tls.{domain}",
        "mailbox": f"tls@{domain}",
        **placeholders,
    }
    facts = {"rua": list(addresses)} if addresses else {}
    return Finding("tls-rpt", domain, text.verdict, code, *text.fill(values), facts)
