"""Words of `mailcheck doctor`: one row per finding code.

Placeholders: {server}, {operator} of a public resolver, {address}, {reason}, {working} and {count} (of blocklists),
{host} and {ip} of a mail server, {location} and {warnings} of the store, {platforms}.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode, FindingText
from bot.models import Verdict

SPAMHAUS_CODES = (
    "[Spamhaus: return codes]"
    "(https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)"
)
SPAMHAUS_DQS = "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)"
REDIS_PERSISTENCE = "[Redis: persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)"
WATCHES = "[README: watch](../README.md#watch-and-be-told)"
SETTINGS_PAGE = "[README: settings](../README.md#settings)"
OWN_RESOLVER = "Run a resolver of your own and set MAILCHECK_NAMESERVERS to it, or set MAILCHECK_SPAMHAUS_DQS_KEY."

CODES: Mapping[str, FindingCode] = {
    "doctor.resolver-answers": FindingCode(
        "The resolver answers, and says of a name that cannot exist that it does not exist.",
        "RFC 6761 §6.4",
        verdict=Verdict.PASS,
        summary="The resolver answers, and answers NXDOMAIN for names that do not exist.",
    ),
    "doctor.resolver-silent": FindingCode(
        "The resolver does not answer.",
        "RFC 1035 §4.2",
        verdict=Verdict.FAIL,
        summary="The resolver does not answer ({reason}), so nothing can be checked.",
        remediation="Set MAILCHECK_NAMESERVERS to a resolver that answers.",
    ),
    "doctor.resolver-rewrites": FindingCode(
        "The resolver answers with an address where a name does not exist.",
        "RFC 6761 §6.4",
        verdict=Verdict.FAIL,
        summary="The resolver answers with an address ({address}) for a name that does not exist.",
        remediation="Use a resolver that does not rewrite answers.",
    ),
    "doctor.resolver-public": FindingCode(
        "The resolver is a public one, which blocklists refuse.",
        SPAMHAUS_CODES,
        verdict=Verdict.WARN,
        summary="{server} is {operator}'s public resolver, which blocklists refuse.",
        remediation=OWN_RESOLVER,
    ),
    "doctor.resolver-validates": FindingCode(
        "The resolver validates DNSSEC.",
        "RFC 4035 §3.2.3",
        verdict=Verdict.PASS,
        summary="The resolver validates DNSSEC.",
    ),
    "doctor.resolver-trusts": FindingCode(
        "The resolver does not validate DNSSEC, so DANE and DNSSEC are not checked.",
        "RFC 4035 §3.2.3",
        verdict=Verdict.WARN,
        summary="The resolver does not validate DNSSEC, so DANE and DNSSEC of a domain are not checked.",
        remediation="Enable validation there (unbound: auto-trust-anchor-file), if you want them checked.",
    ),
    "doctor.answers-arrive": FindingCode(
        "Answers in 127.0.0.0/8, which blocklists give, come through the resolver.",
        "RFC 5782 §2.1",
        verdict=Verdict.PASS,
        summary="Answers in 127.0.0.0/8 come through.",
    ),
    "doctor.answers-stripped": FindingCode(
        "The resolver removes answers in 127.0.0.0/8, so no listing can be seen.",
        "RFC 5782 §2.1",
        verdict=Verdict.FAIL,
        summary="{count} blocklists answer without their address: the resolver strips 127.0.0.0/8 (rebinding "
        "protection).",
        remediation="Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok), or use another "
        "resolver.",
    ),
    "doctor.answers-hidden": FindingCode(
        "Most blocklists seem empty: the resolver does not reach them, or hides their answers.",
        "RFC 5782 §5",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS.",
        verdict=Verdict.FAIL,
        summary="{count} blocklists seem empty through this resolver: it does not reach them, or hides their answers.",
        remediation=OWN_RESOLVER,
    ),
    "doctor.spamhaus-answers": FindingCode(
        "Spamhaus answers this resolver.",
        "RFC 5782 §5",
        verdict=Verdict.PASS,
        summary="Spamhaus answers this resolver.",
    ),
    "doctor.spamhaus-refuses": FindingCode(
        "Spamhaus refuses this resolver or key.",
        SPAMHAUS_CODES,
        verdict=Verdict.FAIL,
        summary="Spamhaus refuses this resolver ({reason}).",
        remediation=OWN_RESOLVER,
    ),
    "doctor.spamhaus-silent": FindingCode(
        "Spamhaus gave no usable answer.",
        "RFC 5782 §5",
        verdict=Verdict.UNKNOWN,
        summary="Spamhaus gave no usable answer ({reason}).",
        remediation="Try again; if it repeats, use a key.",
    ),
    "doctor.key-works": FindingCode(
        "The Spamhaus key works.", SPAMHAUS_DQS, verdict=Verdict.PASS, summary="The Spamhaus key works."
    ),
    "doctor.key-refused": FindingCode(
        "Spamhaus does not accept the key: it is unknown, disabled, or of another account.",
        SPAMHAUS_DQS,
        verdict=Verdict.FAIL,
        summary="Spamhaus does not accept the key in MAILCHECK_SPAMHAUS_DQS_KEY ({reason}).",
        remediation="Copy the key again from the Spamhaus customer portal, or remove the setting.",
    ),
    "doctor.key-not-known": FindingCode(
        "Spamhaus gave no usable answer to the key.",
        SPAMHAUS_DQS,
        verdict=Verdict.UNKNOWN,
        summary="Spamhaus gave no usable answer ({reason}).",
        remediation="Try again in a few minutes.",
    ),
    "doctor.lists": FindingCode(
        "How many blocklists of the catalog are working through this resolver, as their test points prove.",
        "RFC 5782 §5",
        "Run `mailcheck lists` to see which blocklists do not answer, and why.",
        verdict=Verdict.WARN,
        summary="{working} of {count} blocklists are working.",
        variants={
            "most": FindingText(verdict=Verdict.PASS, summary="{working} of {count} blocklists are working."),
            "none": FindingText(
                verdict=Verdict.WARN, summary="{working} of {count} blocklists are working.", remediation=OWN_RESOLVER
            ),
        },
    ),
    "doctor.lists-outdated": FindingCode(
        "Facts about blocklists were last compared with their sources more than 18 months ago.",
        "mailcheck itself",
        "Update mailcheck; in a catalog of your own read the sources again and set source_seen.",
        verdict=Verdict.WARN,
        summary="The facts about {lists} were last compared with their sources more than 18 months ago.",
        remediation="Update mailcheck; in a catalog of your own read the sources again and set source_seen.",
    ),
    "doctor.port-open": FindingCode(
        "Outgoing port 25 is open.",
        "RFC 5321 §3.1",
        verdict=Verdict.PASS,
        summary="Port 25 of {host} can be reached from here.",
    ),
    "doctor.port-shut": FindingCode(
        "Outgoing port 25 is blocked.",
        "RFC 5321 §3.1",
        "Ask the provider to open it if this host is to send mail; the checks need no port 25.",
        verdict=Verdict.WARN,
        summary="Port 25 of {host} ({ip}) cannot be reached from here: the network or the provider blocks it.",
        remediation="This host cannot send mail itself; its checks need no port 25.",
    ),
    "doctor.port-not-tried": FindingCode(
        "Outgoing port 25 was not tried, because no host to try it with was named.",
        "RFC 5321 §3.1",
        verdict=Verdict.PASS,
        summary="Outgoing port 25: not checked.",
        remediation="Name a mail server to try: --smtp-host mx.example.com",
    ),
    "doctor.port-not-known": FindingCode(
        "Outgoing port 25 could not be tried with the host that was named.",
        "RFC 5321 §3.1",
        verdict=Verdict.UNKNOWN,
        summary="Outgoing port 25: not checked, because {host} has no public address that is known here.",
        remediation="Name a mail server that has a public address.",
    ),
    "doctor.egress-watched": FindingCode(
        "The egress IP is watched.", WATCHES, verdict=Verdict.PASS, summary="{ip} is watched."
    ),
    "doctor.egress-not-watched": FindingCode(
        "The egress IP is not watched.",
        WATCHES,
        "Watch the address that your mail leaves from: watch 203.0.113.5",
        verdict=Verdict.WARN,
        summary="{ip} is not watched, so no channel is alerted when a blocklist lists it.",
        remediation="Type in a channel: watch {ip}",
    ),
    "doctor.store-ready": FindingCode(
        "The store answers and persists what it is given.",
        REDIS_PERSISTENCE,
        verdict=Verdict.PASS,
        summary="The store answers and persists what it is given.",
    ),
    "doctor.store-warning": FindingCode(
        "The store answers, but its eviction or persistence settings put data at risk.",
        "[Redis: eviction](https://redis.io/docs/latest/develop/reference/eviction/)",
        "Set what the warning names in the configuration of your Redis.",
        verdict=Verdict.WARN,
        summary="{warnings}",
        remediation="See the manual of your Redis.",
    ),
    "doctor.store-away": FindingCode(
        "The store does not answer; checks run uncached.",
        REDIS_PERSISTENCE,
        "Start it, or unset REDIS_URL to use the embedded one.",
        verdict=Verdict.WARN,
        summary="The {location} cannot be used; the log above says why.",
        remediation="Checks run uncached until it is back.",
    ),
    "doctor.chat-ready": FindingCode(
        "The chat credentials are complete.",
        SETTINGS_PAGE,
        verdict=Verdict.PASS,
        summary="Credentials are set for {platforms}.",
    ),
    "doctor.chat-none": FindingCode(
        "No chat credentials are set.",
        SETTINGS_PAGE,
        "Set the credentials of a chat platform as the README describes, if you want the bot there.",
        verdict=Verdict.PASS,
        summary="No chat credentials are set, so the bot answers only in the terminal and on its own page.",
        remediation="The README describes how to set them.",
    ),
}
EMBEDDED_STORE = "embedded store"
