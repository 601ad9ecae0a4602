"""Sentences of monitoring: what a changed setting means, and why a watch cannot be added.

Placeholders: {domain}, {detail} (selector or host), {record} as it was published, {count} of watches, {interval},
{since} (a time).
"""

from __future__ import annotations

CHANGES = {  # by the key of the record; with a dot: of one of several
    "ptr": "The PTR record has changed: receivers compare it with the HELO name of the server.",
    "spf": "The SPF record of {domain} has changed: receivers check senders against the new one.",
    "dmarc": "The DMARC record of {domain} has changed: receivers follow the new one.",
    "mx": "The MX records of {domain} have changed: mail to it now goes to other servers.",
    "mx.": "The addresses of the mail server {detail} have changed: mail to {domain} now goes there.",
    "ns": "The name servers of {domain} have changed: they answer for all records of the domain.",
    "dkim.": "The DKIM record of selector {detail} has changed: receivers verify signatures with the new key.",
    "mta-sts": "The MTA-STS policy of {domain} has changed: senders follow the new one.",
    "tls-rpt": "The TLS-RPT record of {domain} has changed: senders report failed TLS as the new one says.",
    "bimi": "The BIMI record of {domain} has changed: mail clients show the logo of the new one.",
}
REMOVALS = {  # of records that a domain may do without
    "mta-sts": "{domain} no longer publishes an MTA-STS record: senders that learn of it no longer require TLS.",
    "tls-rpt": "{domain} no longer publishes a TLS-RPT record: you do not learn when TLS fails.",
    "bimi": "{domain} no longer publishes a BIMI record: mail clients no longer show its logo.",
}
RECORD_REMOVED = "{domain} no longer publishes this record."
DMARC_WEAKENED = "The DMARC policy is weaker now: receivers deliver more mail that forges this domain."
RESTORE_RECORD = "Restore the old record unless this change was planned."
RESTORE_TEXT = "Restore: `{record}`"

UNANSWERED = (
    "DNS has not answered for {domain} since {since}: mail to it is deferred, and receivers cannot check mail from it."
)
UNANSWERED_STEP = (
    "Check that the name servers of {domain} answer, and its delegation and DS record at the registrar: a DNSSEC error "
    "shows in the same way."
)

END_A_WATCH = "End one that you no longer need, or watch a whole range instead, such as 203.0.113.0/28."
CHANNEL_LIMIT = "This channel has {count} watches, which is the limit. " + END_A_WATCH
WORKSPACE_LIMIT = "This workspace has {count} watches, which is the limit. " + END_A_WATCH
INTERVAL_TOO_SHORT = (
    "The shortest interval of a watch is {interval}: blocklists change more slowly than that, and free ones block who "
    "queries too often."
)
INTERVAL_TOO_LONG = "The longest interval of a watch is {interval}: with a longer one, alerts would come too late."
