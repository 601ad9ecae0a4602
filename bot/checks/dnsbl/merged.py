"""One finding per list, however many names the list was asked about: the worst one decides. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.classify import Classification, ListState
from bot.checks.dnsbl.findings import list_finding, not_listed_finding
from bot.checks.dnsbl.names import NameSource, QueriedName
from bot.checks.dnsbl.zones import Zone
from bot.models import Finding, Role


@dataclass(frozen=True, slots=True)
class NameResult:
    """What a list says about one name."""

    name: QueriedName
    classification: Classification
    txt: Sequence[str] = ()


def merged_finding(zone: Zone, role: Role, results: Sequence[NameResult]) -> Finding:
    """Return the finding about one list.

    Facts of a domain list: `names` asked, `hit` the listed one, and `address_names`, which are those
    of the server and not of the typed domain.
    """
    if Kind.DOMAIN not in zone.blocklist.kinds:
        (result,) = results
        return _finding(zone, role, result)
    if all(result.classification.state is ListState.NOT_LISTED for result in results):
        worst = not_listed_finding(zone, _joined(result.name.display for result in results))
        hit = None
    else:
        findings = [(_finding(zone, role, result), result) for result in results]
        # The typed names come first, and `max` takes the first of equals.
        worst, decisive = max(findings, key=lambda pair: (pair[0].verdict, pair[0].facts["state"] == "listed"))
        hit = decisive.name.text if decisive.classification.state is ListState.LISTED else None
    names = [result.name for result in results]
    facts = {
        **worst.facts,
        "names": [name.text for name in names],
        "hit": hit,
        "address_names": [name.text for name in names if name.source is not NameSource.TYPED],
    }
    return worst._replace(facts=facts)


def _finding(zone: Zone, role: Role, result: NameResult) -> Finding:
    return list_finding(zone, result.name, role, result.classification, result.txt)


def _joined(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
