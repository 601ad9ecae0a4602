"""Which DMARC record applies to a domain: the DNS tree walk of RFC 9989 §4.10, instead of the Public Suffix List.

The walk asks `_dmarc.<domain>` and then every domain above. All its questions are sent at once, and the answers are
read in the order of the walk: the time is one question, the result is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.checks.dmarc.record import Record, one_level_lower, parse
from bot.checks.lookups import Reply, ask_all, organisational_domain
from bot.models import Lookup, LookupFailed

MOST_LABELS_ABOVE = 7  # a longer name jumps to its last seven labels, so a walk has at most eight steps


@dataclass(frozen=True, slots=True)
class Step:
    """One name of the walk and what was there. `several` records at one name count as none."""

    domain: str
    record: Record | None = None
    several: bool = False
    unanswered: str | None = None

    @property
    def name(self) -> str:
        return f"_dmarc.{self.domain}"


@dataclass(frozen=True, slots=True)
class Discovery:
    """The policy for a domain. `source` is where the applied record is, `tag` which of p, sp and np counts.

    `policy` is None where no DMARC applies. `unanswered` says why nothing is known: a name that comes before the record
    in the walk, or any name where there is no record, did not answer.
    """

    domain: str
    org_domain: str
    steps: tuple[Step, ...]
    source: Step | None = None
    tag: str | None = None
    policy: str | None = None
    effective: str | None = None
    unanswered: str | None = None

    @property
    def record(self) -> Record | None:
        return self.source.record if self.source else None

    @property
    def psl_org_domain(self) -> str:
        """What a receiver of the older RFC 7489 takes for the organisational domain."""
        return organisational_domain(self.domain)

    def to_json(self) -> dict[str, Any]:
        """The answer of `mailcheck dmarc --json`."""
        return {
            "domain": self.domain,
            "record_at": self.source.name if self.source else None,
            "org_domain": self.org_domain,
            "record": self.record.text if self.record else None,
            "policy": self.policy,
            "effective": self.effective,
            "queries": [step.name for step in self.steps],
        }


async def discover(domain: str, lookup: Lookup) -> Discovery:
    """The DMARC policy for mail From: this domain (lower-case A-labels). DNS failures are told in the result."""
    domains = walk_domains(domain)
    questions = [(f"_dmarc.{name}", "TXT") for name in domains]
    # MX is asked for anyway by another check; here it tells whether the domain exists (§3.2.13).
    existence, *replies = await ask_all(lookup, [(domain, "MX"), *questions])
    steps = [read_step(name, reply) for name, reply in zip(domains, replies, strict=True)]
    return decide(walked(steps), exists=isinstance(existence, LookupFailed) or existence.exists)


def walk_domains(domain: str) -> tuple[str, ...]:
    """The domain and the domains above it, as §4.10 steps through them."""
    labels = domain.split(".")
    longest = min(len(labels) - 1, MOST_LABELS_ABOVE)
    return (domain, *(".".join(labels[-count:]) for count in range(longest, 0, -1)))


def read_step(domain: str, reply: Reply) -> Step:
    if isinstance(reply, LookupFailed):
        return Step(domain, unanswered=reply.reason)
    records = [record for text in reply.records if (record := parse(text))]
    return Step(domain, records[0]) if len(records) == 1 else Step(domain, several=bool(records))


def walked(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps up to the first record that says what kind of domain it is at: there a walk ends."""
    ends = (count for count, step in enumerate(steps, 1) if step.record and step.record.public_suffix in "yn")
    return tuple(steps[: next(ends, len(steps))])


def decide(steps: tuple[Step, ...], exists: bool) -> Discovery:
    """The policy discovery of §4.10.1 and the organisational domain of §4.10.2, from the steps of one walk."""
    start = steps[0]
    org_domain = _org_domain(steps)
    source = _source(steps, org_domain)
    before = steps[: steps.index(source)] if source else steps
    unanswered = next((step.unanswered for step in before if step.unanswered), None)
    if unanswered or source is None or source.record is None:
        return Discovery(start.domain, org_domain, steps, unanswered=unanswered)
    applied = source.record.policy(_tags(source is start, exists))
    if applied is None:
        return Discovery(start.domain, org_domain, steps, source)
    tag, policy = applied
    effective = one_level_lower(policy) if source.record.testing else policy
    return Discovery(start.domain, org_domain, steps, source, tag, policy, effective)


def _org_domain(steps: tuple[Step, ...]) -> str:
    start = steps[0]
    found = [(step.domain, step.record.public_suffix) for step in steps if step.record]
    for domain, public_suffix in found:
        if public_suffix == "n":
            return domain
        if public_suffix == "y" and domain != start.domain:
            labels_below = start.domain.removesuffix(f".{domain}").split(".")
            return f"{labels_below[-1]}.{domain}"
    return found[-1][0] if found else start.domain


def _source(steps: tuple[Step, ...], org_domain: str) -> Step | None:
    """The domain's own record, else the organisational domain's, else the public suffix's."""
    found = [step for step in steps if step.record]
    of_owner = [step for step in found if step.domain in (steps[0].domain, org_domain)]
    of_suffix = [step for step in found if step.record and step.record.public_suffix == "y"]
    return next(iter([*of_owner, *of_suffix]), None)


def _tags(own_record: bool, exists: bool) -> tuple[str, ...]:
    if own_record:
        return ("p",)
    return ("sp", "p") if exists else ("np", "sp", "p")
