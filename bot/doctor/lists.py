"""What the blocklists show of the resolver and of the key: do answers arrive, does Spamhaus answer?"""

from __future__ import annotations

from collections.abc import Sequence

from bot.checks.blocklists import Trust
from bot.checks.blocklists.survey import Health
from bot.doctor.codes import found
from bot.doctor.resolver import OWN_RESOLVER
from bot.model import Finding, Link, Verdict

DQS = Link("Free Spamhaus key", "https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/")
MANY = 3  # one list in three: not every list keeps an entry by which this can be seen
SPAMHAUS = "spamhaus-zen"
REFUSALS = frozenset({"public-resolver", "quota", "blocked", "key-disabled", "key-misused"})
NO_SUCH_KEY = frozenset({"key-disabled", "key-misused", "emptied", "refused"})  # a zone of no key has no test entries


def list_findings(lists: Sequence[Health], keyed: bool = False) -> list[Finding]:
    """From the health of every list: are their answers stripped, does Spamhaus answer, how many can be believed.

    `keyed` says that a Spamhaus key is set: then it is the key that Spamhaus answers or refuses.
    """
    asked = [item for item in lists if item.reason != "no-key"]
    good = [item for item in asked if item.standing is Trust.GOOD]
    stripped = [item for item in asked if item.reason == "stripped"]
    empty = [item for item in asked if item.reason == "emptied"]
    verdict = Verdict.PASS if len(good) * 2 > len(asked) else Verdict.WARN
    says = f"{len(good)} of {len(asked)} lists answer their own test entries right."
    rows = [found("lists", "catalogue", verdict, says, "" if good else OWN_RESOLVER)]
    if len(empty) > len(asked) // MANY:
        says = f"{len(empty)} lists seem empty through this resolver: it does not reach them, or hides their answers."
        rows.append(found("answers-hidden", "resolver", Verdict.FAIL, says, OWN_RESOLVER))
    elif len(stripped) > len(asked) // MANY:
        says = f"{len(stripped)} lists answer without their address: the resolver strips 127.0.0.0/8 (rebinding protection)."
        step = "Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok), or use another resolver."
        rows.append(found("answers-stripped", "resolver", Verdict.FAIL, says, step))
    elif good:
        rows.append(found("answers-arrive", "resolver", Verdict.PASS, "Answers in 127.0.0.0/8 come through."))
    reaches = rows[-1].code != "doctor.answers-hidden"
    return rows + [_spamhaus(item, keyed, reaches) for item in asked if item.id == SPAMHAUS]


def _spamhaus(item: Health, keyed: bool, reaches: bool) -> Finding:
    """`reaches` says that other lists are not empty, so that an empty one is the key's fault."""
    if item.standing is Trust.GOOD and keyed:
        return found("key-works", item.id, Verdict.PASS, "The Spamhaus key works.")
    if item.standing is Trust.GOOD:
        return found("spamhaus-answers", item.id, Verdict.PASS, "Spamhaus answers this resolver.")
    if keyed and reaches and item.reason in NO_SUCH_KEY:
        says = f"Spamhaus does not take the key in MAILCHECK_SPAMHAUS_DQS_KEY ({item.reason})."
        step = "Copy the key again from the Spamhaus customer portal, or remove the setting."
        return found("key-refused", item.id, Verdict.FAIL, says, step, DQS)
    if item.reason in REFUSALS:
        says = f"Spamhaus refuses this resolver ({item.reason})."
        return found("spamhaus-refuses", item.id, Verdict.FAIL, says, OWN_RESOLVER, DQS)
    says = f"Spamhaus gave no usable answer ({item.reason})."
    if keyed:
        return found("key-not-known", item.id, Verdict.UNKNOWN, says, "Try again in a few minutes.")
    return found("spamhaus-silent", item.id, Verdict.UNKNOWN, says, "Try again; if it stays so, use a key.", DQS)
