"""Whether another domain agreed to take this domain's reports: without its word no report is sent (RFC 9990 §4)."""

from __future__ import annotations

from bot.checks.dmarc.discovery import Discovery
from bot.checks.dmarc.record import parse
from bot.checks.names import organisational_domain
from bot.checks.questions import Reply, ask_all
from bot.domains import MOST_OCTETS
from bot.model import Lookup, LookupFailed

MOST_HOSTS = 10


async def find_unauthorised(discovery: Discovery, lookup: Lookup) -> tuple[str, ...]:
    """The domains of `rua` and `ruf` that do not say they take reports for the record's domain, all asked at once.

    A domain whose DNS does not answer is not among them: silence is not a refusal.
    """
    if discovery.source is None or discovery.record is None:
        return ()
    owner = discovery.source.domain
    hosts = [host for host in discovery.record.report_hosts[:MOST_HOSTS] if not _same_owner(host, owner)]
    names = {host: f"{owner}._report._dmarc.{host}" for host in hosts}
    askable = {host: name for host, name in names.items() if len(name) <= MOST_OCTETS}
    replies = await ask_all(lookup, [(name, "TXT") for name in askable.values()])
    agreed = {host for host, reply in zip(askable, replies, strict=True) if _agrees(reply)}
    return tuple(host for host in hosts if host not in agreed)


def _same_owner(host: str, owner: str) -> bool:
    return organisational_domain(host) == organisational_domain(owner)


def _agrees(reply: Reply) -> bool:
    return isinstance(reply, LookupFailed) or any(parse(text) for text in reply.records)
