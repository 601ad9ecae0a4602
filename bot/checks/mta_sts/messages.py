"""Words of the MTA-STS check: one row per finding code, and why a record, host or policy does not do.

Placeholders: {domain}, {record_at}, {host} and {url} of the policy, {problem} (a phrase below), {bad} (mail servers),
{first_bad}, {age} (max_age), {reason} (why DNS did not answer), {date} (of expiry).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode
from bot.models import Verdict
from bot.probe_results import ProbeError

CODES: Mapping[str, FindingCode] = {
    "mta-sts.ok": FindingCode(
        "A policy in mode enforce applies, and it names every mail server of the domain.",
        "RFC 8461 §5",
        verdict=Verdict.PASS,
        summary="Servers that follow MTA-STS deliver mail for {domain} over verified TLS only, and the policy names "
        "every MX host.",
    ),
    "mta-sts.testing": FindingCode(
        "The policy is in mode testing: senders report what would fail, and deliver anyway.",
        "RFC 8461 §5",
        verdict=Verdict.PASS,
        summary="MTA-STS of {domain} is in mode testing: senders report what would fail, and deliver anyway.",
        remediation="Set the mode to enforce once the TLS reports show no failures.",
    ),
    "mta-sts.off": FindingCode(
        "The policy is in mode none: senders deliver as if there were none.",
        "RFC 8461 §8.3",
        verdict=Verdict.PASS,
        summary="The MTA-STS policy of {domain} is switched off (mode none).",
    ),
    "mta-sts.missing": FindingCode(
        "The domain has no MTA-STS record; most domains have none.",
        "RFC 8461 §3.1",
        verdict=Verdict.PASS,
        summary="{domain} has no MTA-STS; mail arrives without it, but an attacker on the network can switch "
        "encryption off.",
        remediation="Once SPF, DKIM, DMARC and TLS work, publish an MTA-STS policy in mode testing.",
    ),
    "mta-sts.not-needed": FindingCode(
        "The domain takes no mail, so there is no delivery to protect.",
        "RFC 7505 §3",
        verdict=Verdict.PASS,
        summary="{domain} takes no mail, so it needs no MTA-STS.",
    ),
    "mta-sts.several": FindingCode(
        "There is more than one record, so senders act as if there were none (RFC 8461 §3.1).",
        "RFC 8461 §3.1",
        verdict=Verdict.WARN,
        summary="There is more than one MTA-STS record at {record_at}, so senders ignore them all.",
        remediation="Leave one of the records and remove the others.",
    ),
    "mta-sts.bad-record": FindingCode(
        "The record does not follow RFC 8461 §3.1, so senders act as if there were none.",
        "RFC 8461 §3.1",
        verdict=Verdict.WARN,
        summary="The MTA-STS record at {record_at} is invalid: {problem}.",
        remediation="Publish one TXT record of the form: v=STSv1; id=20260101T000000",
    ),
    "mta-sts.no-policy": FindingCode(
        "There is a record, and no policy can be fetched where it must be (RFC 8461 §3.3).",
        "RFC 8461 §3.3",
        "Serve the policy at https://mta-sts.<domain>/.well-known/mta-sts.txt, or remove the record.",
        verdict=Verdict.WARN,
        summary="{domain} announces an MTA-STS policy, but {host} does not serve it, so senders deliver without it: "
        "{problem}.",
        remediation="Serve the policy at {url}, or remove the record at {record_at}.",
    ),
    "mta-sts.redirect": FindingCode(
        "The URL of the policy redirects, which senders must not follow (RFC 8461 §3.3).",
        "RFC 8461 §3.3",
        "Serve the policy itself at that address.",
        verdict=Verdict.WARN,
        summary="The URL of the MTA-STS policy of {domain} redirects, which senders do not follow, so they deliver "
        "without it.",
        remediation="Serve the policy itself at {url}.",
    ),
    "mta-sts.bad-certificate": FindingCode(
        "The certificate of the policy host is not valid, so senders do not use the policy.",
        "RFC 8461 §3.3",
        "Install a valid certificate for mta-sts.<domain> on the web server.",
        verdict=Verdict.WARN,
        summary="Senders do not use the MTA-STS policy from {host}: {problem}.",
        remediation="Install a valid certificate for {host} on the web server.",
    ),
    "mta-sts.certificate-expires-soon": FindingCode(
        "The certificate of the policy host expires within two weeks.",
        "RFC 8461 §3.3",
        "Renew the certificate of mta-sts.<domain> before that day.",
        verdict=Verdict.WARN,
        summary="The certificate of {host} expires on {date}; after that senders do not use the MTA-STS policy.",
        remediation="Renew the certificate of {host} before that day.",
    ),
    "mta-sts.certificate-expires-in-3-days": FindingCode(
        "The certificate of the policy host expires within three days.",
        "RFC 8461 §3.3",
        "Renew the certificate of mta-sts.<domain> now.",
        verdict=Verdict.WARN,
        summary="The certificate of {host} expires on {date}, in less than three days; after that senders do not use "
        "the MTA-STS policy.",
        remediation="Renew the certificate of {host} now.",
    ),
    "mta-sts.bad-policy": FindingCode(
        "The policy does not follow RFC 8461 §3.2, so senders do not use it.",
        "RFC 8461 §3.2",
        "Correct the policy, then change the id in the record.",
        verdict=Verdict.WARN,
        summary="The MTA-STS policy of {domain} is invalid: {problem}.",
        remediation="Correct the policy at {url}, then change the id in the record at {record_at}.",
    ),
    "mta-sts.wrong-type": FindingCode(
        "The policy is not served as text/plain, and some senders insist on it (RFC 8461 §3.2).",
        "RFC 8461 §3.2",
        verdict=Verdict.WARN,
        summary="The MTA-STS policy of {domain} is not served as text/plain, so some senders ignore it.",
        remediation="Make the web server send the policy as text/plain.",
    ),
    "mta-sts.mx-refused": FindingCode(
        "The policy is in mode enforce and does not name a mail server: senders must not deliver to it.",
        "RFC 8461 §4.1",
        "Add a line mx: with the mail server to the policy, then change the id in the record.",
        verdict=Verdict.FAIL,
        summary="Servers that follow MTA-STS (Gmail, Outlook and others) must not deliver to {bad}: the policy of "
        "{domain} does not name it.",
        remediation="Add a line “mx: {first_bad}” to the policy at {url}, then change the id in the record at "
        "{record_at}.",
    ),
    "mta-sts.mx-unlisted": FindingCode(
        "The policy is in mode testing and does not name a mail server.",
        "RFC 8461 §5",
        "Add a line mx: with the mail server to the policy, then change the id in the record.",
        verdict=Verdict.WARN,
        summary="The MTA-STS policy of {domain} does not name {bad}; in mode testing mail still arrives there, in "
        "enforce it will not.",
        remediation="Add a line “mx: {first_bad}” to the policy at {url}, then change the id in the record at "
        "{record_at}.",
    ),
    "mta-sts.short-age": FindingCode(
        "Senders may cache the policy for less than a day, so it protects little (RFC 8461 §3.2).",
        "RFC 8461 §3.2",
        verdict=Verdict.PASS,
        summary="Senders forget the MTA-STS policy of {domain} within a day (max_age {age}), so it protects little.",
        remediation="Raise max_age to some weeks, for example 2592000.",
    ),
    "mta-sts.not-fetched": FindingCode(
        "The policy could not be fetched from here in time, so it is not known.",
        "RFC 8461 §3.3",
        "Open the URL of the policy in a browser; if it shows there, check again.",
        verdict=Verdict.UNKNOWN,
        summary="The MTA-STS policy of {domain} could not be fetched from here, so it is not known to be valid: "
        "{problem}.",
        remediation="Open {url} in a browser; if it shows there, check again.",
    ),
    "mta-sts.no-answer": FindingCode(
        "DNS did not answer for the record or for the mail servers.",
        "RFC 8461 §3.1",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for MTA-STS or the mail servers of {domain} ({reason}), so it is not known to be "
        "valid.",
        remediation="Check again in a few minutes.",
    ),
}
PROBLEMS: Mapping[str, str] = {
    "version": "it does not begin with v=STSv1;",
    "field": "“{text}” is not of the form name=value",
    "id": "its id is not 1 to 32 letters and digits",
    "line": "the line “{text}” is not of the form key: value",
    "policy-version": "it has no line “version: STSv1”",
    "mode": "its mode is none of enforce, testing and none",
    "max-age": "its max_age is not a number of seconds up to {limit} (a year)",
    "no-mx": "it names no mail server (mx)",
    "mx": "“{text}” is not the name of a mail server",
}
FETCH_ERRORS: Mapping[ProbeError, str] = {
    ProbeError.NO_ADDRESS: "the name of the policy host has no address",
    ProbeError.NO_ANSWER: "DNS did not answer for the policy host",
    ProbeError.SPECIAL: "the policy host resolves to an address that is not on the public internet",
    ProbeError.UNREACHABLE: "no connection to the policy host opens",
    ProbeError.TIMEOUT: "the policy host did not answer in time",
    ProbeError.CONNECTION_CLOSED: "the policy host closed the connection",
    ProbeError.TOO_LARGE: "the response is far too long",
    ProbeError.MALFORMED: "the response is not HTTP",
    ProbeError.STATUS: "the policy host answers with an HTTP error",
    ProbeError.NO_TLS: "the TLS handshake with the policy host fails",
    ProbeError.EXPIRED: "its certificate has expired",
    ProbeError.NOT_YET_VALID: "its certificate is not valid yet",
    ProbeError.WRONG_NAME: "its certificate is for another name",
    ProbeError.SELF_SIGNED: "its certificate is self-signed",
    ProbeError.UNTRUSTED: "its certificate comes from no public authority",
}
UNFETCHABLE = "the policy cannot be fetched"
