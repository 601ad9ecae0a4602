"""Values of the records that a report is about, read from the facts of its findings. Pure.

A record counts while its name is in the zone of the watched domain: what other zones hold changes without the
domain's doing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from bot.checks.dmarc.record import parse as parse_dmarc
from bot.inputs.domain_names import organizational_domain
from bot.models import Finding, Report, Verdict
from bot.monitoring.models import value_digest

DKIM_LABEL = "._domainkey."
MAX_VALUE_LENGTH = 300  # of a value that is shown; fits ten mail servers
DMARC_TAGS = ("p", "sp", "np", "rua", "adkim", "aspf")
KEY_NAMES = {"rsa": "RSA", "ed25519": "Ed25519"}
MX_HOST = "mx."  # before the name of a mail server of the domain's own: key of its addresses


@dataclass(frozen=True, slots=True)
class RecordValue:
    """What one record says.

    `key` names it (`spf`, `dkim.s1`, `mx.mail.example.com`), `check` and `subject` the findings about it. `value` is
    what is compared and shown, empty for no record; `text` is the record as published, to be restored. `earlier` is
    the value as earlier versions stored it. `is_good`: it passed its check. `for_history`: others publish it, so
    its changes are recorded and not reported.
    """

    key: str
    value: str
    text: str = ""
    earlier: str = ""
    for_history: bool = False
    check: str = ""
    subject: str = ""
    is_good: bool = False

    @property
    def is_per_address(self) -> bool:
        return self.check == "ptr"


Reader = Callable[[Finding, str], Iterable[RecordValue]]


def read_records(report: Report) -> tuple[RecordValue, ...]:
    """The records that the report knows, each once."""
    domain = report.request.target.domain or ""
    own_names = {str(report.request.target.ip), domain}
    worst: dict[tuple[str, str], Verdict] = {}
    records: dict[str, RecordValue] = {}
    for finding in report.findings:
        if finding.check not in READERS:
            continue
        about = (finding.check, "" if finding.subject in own_names else finding.subject)
        worst[about] = max(worst.get(about, Verdict.PASS), finding.verdict)
        if finding.verdict is not Verdict.UNKNOWN:
            for record in READERS[finding.check](finding, domain):
                shown = replace(record, value=shorten(record.value), check=about[0], subject=about[1])
                records.setdefault(record.key, shown)
    return tuple(
        replace(record, is_good=worst[record.check, record.subject] is Verdict.PASS) for record in records.values()
    )


def shorten(value: str) -> str:
    """Truncate a long value and append a digest, so that every change is still detected."""
    if len(value) <= MAX_VALUE_LENGTH:
        return value
    return f"{value[:MAX_VALUE_LENGTH]}… ({_digest(value)})"


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="replace"), digest_size=4).hexdigest()


def _is_own(name: str, domain: str) -> bool:
    return name == domain or organizational_domain(name) == organizational_domain(domain)


def _published(finding: Finding) -> list[str] | None:
    """The records that the check found, empty for none; None where it does not tell."""
    records = finding.facts.get("records")
    return None if records is None else list(map(str, records))


def _single(records: list[str]) -> str:
    return records[0] if len(records) == 1 else ""


def _txt(key: str) -> Reader:
    def read(finding: Finding, domain: str) -> Iterator[RecordValue]:
        records = _published(finding)
        if records is not None and _is_own(str(finding.facts.get("record_at") or domain), domain):
            yield RecordValue(key, " | ".join(sorted(records)), _single(records))

    return read


def _spf(finding: Finding, domain: str) -> Iterator[RecordValue]:
    records = finding.facts.get("own_records")
    if records is None:
        return
    texts = list(map(str, records))
    yield RecordValue("spf", " | ".join(sorted(texts)), _single(texts))
    by_domain = finding.facts.get("records", {}).items()
    included = sorted(f"{name} {text}" for name, text in by_domain if not _is_own(name, domain))
    if included and not finding.facts.get("unread"):
        yield RecordValue("spf.includes", value_digest("\n".join(included)), for_history=True)


def _dmarc(finding: Finding, domain: str) -> Iterator[RecordValue]:
    text = finding.facts.get("record")
    if text is None:
        if "record" in finding.facts and finding.code != "dmarc.several":
            yield RecordValue("dmarc", "")
        return
    if (record := parse_dmarc(str(text))) and _is_own(str(finding.facts.get("record_at")), domain):
        tags = {tag: record.tags[tag] for tag in DMARC_TAGS if tag in record.tags}
        if record.testing:
            tags["t"] = "y"
        value = "; ".join(f"{tag}={content}" for tag, content in tags.items())
        yield RecordValue("dmarc", value or str(text), str(text), earlier=str(finding.facts.get("effective") or ""))


def _mx(finding: Finding, domain: str) -> Iterator[RecordValue]:
    if "exchanges" not in finding.facts:
        return
    exchanges = ", ".join(sorted(map(str, finding.facts["exchanges"])))
    yield RecordValue("mx", exchanges, exchanges, earlier=shorten(exchanges))
    for host, addresses in finding.facts.get("addresses", {}).items():
        if addresses and _is_own(host, domain):
            yield RecordValue(f"{MX_HOST}{host}", ", ".join(sorted(addresses)))


def _ptr(finding: Finding, _: str) -> Iterator[RecordValue]:
    if "names" in finding.facts:
        names, confirmed = (", ".join(sorted(map(str, finding.facts[fact]))) for fact in ("names", "confirmed"))
        yield RecordValue("ptr", names, names, earlier=shorten(confirmed))


def _dkim(finding: Finding, _: str) -> Iterator[RecordValue]:
    records, selector = _published(finding), finding.subject.partition(DKIM_LABEL)[0]
    if records is None or DKIM_LABEL not in finding.subject:
        return
    key = f"dkim.{selector}"
    name = f"{KEY_NAMES.get(str(finding.facts.get('kind')), '')} {finding.facts.get('bits') or ''}".strip()
    value = f"{name or 'key'} {_digest(' | '.join(sorted(records)))}" if records else ""
    if alias := finding.facts.get("cname"):
        yield RecordValue(key, f"CNAME {alias}", f"{finding.subject} CNAME {alias}")
        yield RecordValue(f"{key}.key", value_digest(value), for_history=True)
    else:
        yield RecordValue(key, value, _single(records))


def _mta_sts(finding: Finding, _: str) -> Iterator[RecordValue]:
    records = _published(finding)
    if not records:
        yield from () if records is None else (RecordValue("mta-sts", ""),)
    elif "mode" in finding.facts:
        value = f"id={finding.facts.get('id')}; mode={finding.facts['mode']}"
        yield RecordValue("mta-sts", value, _single(records))
    elif "id" not in finding.facts:  # not a valid record; without its policy, the mode of a valid one is not known
        yield RecordValue("mta-sts", " | ".join(sorted(records)), _single(records))


def _name_servers(finding: Finding, _: str) -> Iterator[RecordValue]:
    if servers := finding.facts.get("name_servers"):
        names = ", ".join(sorted(str(name).lower().rstrip(".") for name in servers))
        yield RecordValue("ns", names, names)


READERS: Mapping[str, Reader] = {
    "ptr": _ptr,
    "spf": _spf,
    "dmarc": _dmarc,
    "mx": _mx,
    "dkim": _dkim,
    "mta-sts": _mta_sts,
    "tls-rpt": _txt("tls-rpt"),
    "bimi": _txt("bimi"),
    "network": _name_servers,
    "dns": _name_servers,
}
