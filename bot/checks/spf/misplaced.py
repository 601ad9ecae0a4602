"""SPF records where no receiver looks: below another name, with the domain doubled, or in the obsolete type SPF."""

from __future__ import annotations

from dataclasses import replace

from bot.checks.lookups import lookup_concurrently
from bot.checks.near_miss import SPF, NearMiss
from bot.checks.spf.include_tree import IncludeTree
from bot.checks.spf.record import is_spf
from bot.inputs.domain_names import MAX_OCTETS
from bot.models import DnsAnswer, Lookup

# Where such records are found: the reason, the name and the type.
PLACES = (
    ("type", "{domain}", "SPF"),
    ("place", "_spf.{domain}", "TXT"),
    ("place", "spf.{domain}", "TXT"),
    ("doubled", "{domain}.{domain}", "TXT"),
)


async def find_misplaced(include_tree: IncludeTree, lookup: Lookup) -> IncludeTree:
    """Note a misplaced record as the near miss of a domain without one; only then is anything queried."""
    root = include_tree.root
    if root.texts or root.near_miss or root.unanswered or not root.exists or root.domain not in include_tree.nodes:
        return include_tree
    places = [(reason, name.format(domain=root.domain), rdtype) for reason, name, rdtype in PLACES]
    places = [place for place in places if len(place[1]) <= MAX_OCTETS]
    answers = await lookup_concurrently(lookup, [(name, rdtype) for _, name, rdtype in places])
    for (reason, name, _), answer in zip(places, answers, strict=True):
        records = answer.records if isinstance(answer, DnsAnswer) else ()
        if text := next(filter(is_spf, records), ""):
            near_miss = NearMiss(SPF, text, reason, name)
            return replace(include_tree, nodes={**include_tree.nodes, root.domain: replace(root, near_miss=near_miss)})
    return include_tree
