"""Report addresses of a DMARC record: may the host receive the reports (RFC 9990 §4), and does it take mail at all?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.checks.dmarc.discovery import Discovery
from bot.checks.dmarc.record import parse
from bot.checks.lookups import lookup_concurrently, organizational_domain
from bot.inputs.domain_names import MAX_OCTETS
from bot.models import Lookup, LookupFailed, LookupResult

MAX_REPORT_HOSTS = 10
NULL_MX = "."


@dataclass(frozen=True, slots=True)
class ReportHosts:
    """Hosts of `rua` and `ruf` that do not authorize reports, and those that take no mail.

    A host whose DNS does not answer counts as right.
    """

    unauthorized: tuple[str, ...] = ()
    without_mail: tuple[str, ...] = ()


async def check_report_hosts(discovery: Discovery, lookup: Lookup) -> ReportHosts:
    """Check the first hosts; those of a registry's record are the registry's business."""
    if discovery.source is None or discovery.record is None or discovery.is_of_registry:
        return ReportHosts()
    owner = discovery.source.domain
    hosts = discovery.record.report_hosts[:MAX_REPORT_HOSTS]
    report_names = {host: f"{owner}._report._dmarc.{host}" for host in hosts if not _same_owner(host, owner)}
    queries = {host: name for host, name in report_names.items() if len(name) <= MAX_OCTETS}
    replies = await lookup_concurrently(
        lookup, [*((name, "TXT") for name in queries.values()), *((host, "MX") for host in hosts)]
    )
    authorized = {host for host, reply in zip(queries, replies, strict=False) if _is_authorized(reply)}
    without_mail = await _without_mail(hosts, replies[len(queries) :], authorized, lookup)
    return ReportHosts(tuple(host for host in report_names if host not in authorized), without_mail)


async def _without_mail(
    hosts: Sequence[str], replies: Sequence[LookupResult], authorized: Collection[str], lookup: Lookup
) -> tuple[str, ...]:
    """Return the hosts that do not exist, have a null MX, or have neither MX records nor an address.

    A host that consents to the reports is taken at its word, unless it has a null MX.
    """
    answers = {host: reply for host, reply in zip(hosts, replies, strict=True) if not isinstance(reply, LookupFailed)}
    answers = {host: answer for host, answer in answers.items() if answer.records or host not in authorized}
    bare = [host for host, answer in answers.items() if answer.exists and not answer.records]
    addresses = await lookup_concurrently(lookup, [(host, rdtype) for host in bare for rdtype in ("A", "AAAA")])
    addressed = {
        host
        for index, host in enumerate(bare)
        if any(isinstance(reply, LookupFailed) or reply.records for reply in addresses[2 * index : 2 * index + 2])
    }
    return tuple(host for host, answer in answers.items() if host not in addressed and not _takes_mail(answer.records))


def _takes_mail(mx_records: Sequence[str]) -> bool:
    return any(record.partition(" ")[2] != NULL_MX for record in mx_records)


def _same_owner(host: str, owner: str) -> bool:
    return organizational_domain(host) == organizational_domain(owner)


def _is_authorized(reply: LookupResult) -> bool:
    return isinstance(reply, LookupFailed) or any(parse(text) for text in reply.records)
