"""DMARC policy discovery: the DNS tree walk of RFC 9989 §4.10, without a Public Suffix List.

The walk queries `_dmarc.<domain>` and then every parent domain. All queries are sent at once and
the answers are evaluated in walk order: same result, one round trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.checks.dmarc.record import Record, lower_policy, parse
from bot.checks.lookups import lookup_concurrently, organizational_domain
from bot.checks.near_miss import DMARC, NearMiss, find_near_miss
from bot.models import Lookup, LookupFailed, LookupResult

MAX_PARENT_LABELS = 7  # a longer name skips to its last seven labels: at most 8 steps


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One name of the walk and its record; `multiple` records at one name count as none."""

    domain: str
    record: Record | None = None
    multiple: bool = False
    unanswered: str | None = None
    near_miss: NearMiss | None = None

    @property
    def name(self) -> str:
        return f"_dmarc.{self.domain}"


@dataclass(frozen=True, slots=True)
class Discovery:
    """The policy for a domain.

    `source` is the step with the applied record, `tag` the one of p, sp and np that applies.
    `policy` is None where no DMARC applies. `unanswered` is the reason of a DNS error that leaves
    the policy unknown: at a name before the record in the walk, or at any name if there is no
    record.
    """

    domain: str
    org_domain: str
    steps: tuple[WalkStep, ...]
    source: WalkStep | None = None
    tag: str | None = None
    policy: str | None = None
    effective: str | None = None
    unanswered: str | None = None
    exists: bool = True

    @property
    def record(self) -> Record | None:
        return self.source.record if self.source else None

    @property
    def is_of_registry(self) -> bool:
        """Whether the record is that of a public suffix, which receivers by RFC 7489 do not look for."""
        return self.source is not None and self.source.domain not in (self.domain, self.org_domain)

    @property
    def psl_step(self) -> WalkStep | None:
        """The name that receivers by RFC 7489 stop at, the domain or its organizational one; None if not read."""
        start = self.steps[0]
        named = (step for step in self.steps if step.domain == self.psl_org_domain)
        return start if start.record else next(named, None)

    @property
    def near_miss(self) -> NearMiss | None:
        """A text at one of the names that was meant as a record, where none applies."""
        written = (replace(step.near_miss, where=step.name) for step in self.steps if step.near_miss)
        return None if self.record else next(written, None)

    @property
    def psl_org_domain(self) -> str:
        """The organizational domain by the older RFC 7489."""
        return organizational_domain(self.domain)

    def to_json(self) -> dict[str, Any]:
        """Return one line of `mailcheck dmarc --json`."""
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
    """Discover the DMARC policy for mail From: this domain (lower-case A-labels).

    DNS errors become part of the result; they are not raised.
    """
    domains = walk_domains(domain)
    queries = [(f"_dmarc.{name}", "TXT") for name in domains]
    # Another check queries MX as well; here it shows whether the domain exists (§3.2.13).
    mx_reply, *replies = await lookup_concurrently(lookup, [(domain, "MX"), *queries])
    steps = [read_step(name, reply) for name, reply in zip(domains, replies, strict=True)]
    return policy_from_walk(truncate_walk(steps), exists=isinstance(mx_reply, LookupFailed) or mx_reply.exists)


def walk_domains(domain: str) -> tuple[str, ...]:
    """Return the domain and its parents, in the steps of §4.10."""
    labels = domain.split(".")
    longest = min(len(labels) - 1, MAX_PARENT_LABELS)
    return (domain, *(".".join(labels[-count:]) for count in range(longest, 0, -1)))


def read_step(domain: str, reply: LookupResult) -> WalkStep:
    if isinstance(reply, LookupFailed):
        return WalkStep(domain, unanswered=reply.reason)
    records = [record for text in reply.records if (record := parse(text))]
    if len(records) == 1:
        return WalkStep(domain, records[0])
    return WalkStep(domain, multiple=bool(records), near_miss=None if records else find_near_miss(reply.records, DMARC))


def truncate_walk(steps: Sequence[WalkStep]) -> tuple[WalkStep, ...]:
    """Cut the walk after the first record with psd=y or psd=n, where it ends."""
    ends = (count for count, step in enumerate(steps, 1) if step.record and step.record.public_suffix in "yn")
    return tuple(steps[: next(ends, len(steps))])


def policy_from_walk(steps: tuple[WalkStep, ...], exists: bool) -> Discovery:
    """Apply §4.10.1 (policy) and §4.10.2 (organizational domain) to the steps of a walk."""
    start = steps[0]
    org_domain = _org_domain(steps)
    source = _source(steps, org_domain)
    prior_steps = steps[: steps.index(source)] if source else steps
    unanswered = next((step.unanswered for step in prior_steps if step.unanswered), None)
    if unanswered or source is None or source.record is None:
        return Discovery(start.domain, org_domain, steps, unanswered=unanswered, exists=exists)
    tag_and_policy = source.record.policy(_policy_tags(source is start, exists))
    if tag_and_policy is None:
        return Discovery(start.domain, org_domain, steps, source, exists=exists)
    tag, policy = tag_and_policy
    effective = lower_policy(policy) if source.record.testing else policy
    return Discovery(start.domain, org_domain, steps, source, tag, policy, effective, exists=exists)


def _org_domain(steps: tuple[WalkStep, ...]) -> str:
    start = steps[0]
    records = [(step.domain, step.record.public_suffix) for step in steps if step.record]
    for domain, public_suffix in records:
        if public_suffix == "n":
            return domain
        if public_suffix == "y" and domain != start.domain:
            labels_below = start.domain.removesuffix(f".{domain}").split(".")
            return f"{labels_below[-1]}.{domain}"
    return records[-1][0] if records else start.domain


def _source(steps: tuple[WalkStep, ...], org_domain: str) -> WalkStep | None:
    """Return the step of the domain itself, else of its organizational domain or public suffix."""
    steps_with_record = [step for step in steps if step.record]
    owner_steps = [step for step in steps_with_record if step.domain in (steps[0].domain, org_domain)]
    suffix_steps = [step for step in steps_with_record if step.record and step.record.public_suffix == "y"]
    return next(iter([*owner_steps, *suffix_steps]), None)


def _policy_tags(own_record: bool, exists: bool) -> tuple[str, ...]:
    if own_record:
        return ("p",)
    return ("sp", "p") if exists else ("np", "sp", "p")
