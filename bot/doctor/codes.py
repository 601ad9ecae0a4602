"""The codes of `mailcheck doctor`, and the one shape of its findings."""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.outcomes import Code
from bot.model import Finding, Link, Verdict

CODES: Mapping[str, Code] = {
    "doctor.resolver-answers": Code(
        "The resolver answers, and says of a name that cannot exist that it does not exist.", "RFC 6761 §6.4"
    ),
    "doctor.resolver-silent": Code(
        "The resolver does not answer.", "RFC 1035 §4.2", "Set MAILCHECK_NAMESERVERS to a resolver that answers."
    ),
    "doctor.resolver-rewrites": Code(
        "The resolver answers with an address where a name does not exist.",
        "RFC 6761 §6.4",
        "Use a resolver that does not rewrite answers.",
    ),
    "doctor.resolver-public": Code(
        "The resolver is one for everybody, which blocklists refuse.",
        "[Spamhaus: return codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set MAILCHECK_SPAMHAUS_DQS_KEY.",
    ),
    "doctor.resolver-validates": Code("The resolver verifies what is signed (DNSSEC).", "RFC 4035 §3.2.3"),
    "doctor.resolver-trusts": Code(
        "The resolver does not verify DNSSEC, so DANE and DNSSEC are not checked.",
        "RFC 4035 §3.2.3",
        "Switch validation on there (unbound: auto-trust-anchor-file) to have DANE and DNSSEC checked.",
    ),
    "doctor.answers-arrive": Code(
        "Answers in 127.0.0.0/8, which blocklists give, come through the resolver.", "RFC 5782 §2.1"
    ),
    "doctor.answers-stripped": Code(
        "The resolver removes answers in 127.0.0.0/8, so no listing can be seen.",
        "RFC 5782 §2.1",
        "Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok), or use another resolver.",
    ),
    "doctor.answers-hidden": Code(
        "Most lists seem empty: the resolver does not reach them, or hides their answers.",
        "RFC 5782 §5",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS.",
    ),
    "doctor.spamhaus-answers": Code("Spamhaus answers this resolver.", "RFC 5782 §5"),
    "doctor.spamhaus-refuses": Code(
        "Spamhaus refuses this resolver or key.",
        "[Spamhaus: return codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set MAILCHECK_SPAMHAUS_DQS_KEY.",
    ),
    "doctor.spamhaus-silent": Code(
        "Spamhaus gave no usable answer.", "RFC 5782 §5", "Try again; if it stays so, use a key."
    ),
    "doctor.key-works": Code(
        "The Spamhaus key works.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
    ),
    "doctor.key-refused": Code(
        "Spamhaus does not take the key: it is unknown, disabled, or somebody else's.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
        "Copy the key again from the Spamhaus customer portal, or remove the setting.",
    ),
    "doctor.key-not-known": Code(
        "Spamhaus gave no usable answer to the key.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
        "Try again in a few minutes.",
    ),
    "doctor.lists": Code(
        "How many lists of the catalogue can be believed through this resolver.",
        "RFC 5782 §5",
        "Look at `mailcheck lists` for which lists do not answer, and why.",
    ),
    "doctor.port-open": Code("Outgoing port 25 is open.", "RFC 5321 §3.1"),
    "doctor.port-shut": Code(
        "Outgoing port 25 is shut.",
        "RFC 5321 §3.1",
        "Ask the provider to open it if this host is to send mail; the checks need no port 25.",
    ),
    "doctor.port-not-tried": Code(
        "Outgoing port 25 was not tried, because no host to try it with was named.",
        "RFC 5321 §3.1",
        "Name a mail server to try: --smtp-host mx.example.com",
    ),
    "doctor.port-not-known": Code(
        "Outgoing port 25 could not be tried with the host that was named.",
        "RFC 5321 §3.1",
        "Name a mail server that has a public address.",
    ),
    "doctor.egress-watched": Code(
        "The address that mail leaves from is watched.", "[README: watch](../README.md#watch-and-be-told)"
    ),
    "doctor.egress-not-watched": Code(
        "Nobody watches the address that mail leaves from.",
        "[README: watch](../README.md#watch-and-be-told)",
        "Watch the address that your mail leaves from: watch 203.0.113.5",
    ),
    "doctor.store-ready": Code(
        "The store answers and keeps what it is given.",
        "[Redis: persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)",
    ),
    "doctor.store-warning": Code(
        "The store answers, and something about how it keeps data should be known.",
        "[Redis: eviction](https://redis.io/docs/latest/develop/reference/eviction/)",
        "Set what the warning names in the configuration of your Redis.",
    ),
    "doctor.store-away": Code(
        "The store does not answer; checks run uncached.",
        "[Redis: persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)",
        "Start it, or unset REDIS_URL to use the embedded one.",
    ),
    "doctor.chat-ready": Code(
        "The chat credentials are complete.",
        "[Slack](https://docs.slack.dev/authentication/), [Teams](https://learn.microsoft.com/microsoftteams/platform/bots/overview)",
    ),
    "doctor.chat-none": Code(
        "No chat credentials are set.",
        "[Slack](https://docs.slack.dev/authentication/), [Teams](https://learn.microsoft.com/microsoftteams/platform/bots/overview)",
        "Create the Slack app or register the Teams bot as the README tells, if you want it there.",
    ),
}


def found(word: str, about: str, verdict: Verdict, says: str, step: str = "", *links: Link) -> Finding:
    return Finding("doctor", about, verdict, f"doctor.{word}", says, step, links=links)
