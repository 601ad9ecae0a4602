"""Words of next steps.

Placeholders: {domain} (the sender's), {ip}, {term} (of SPF), {record} and {new} (whole records), {size} (its bytes),
{count} (DNS lookups), {service} (one that sends or receives), {services}, {console} (where it is set up), {owner} and
{where} (of a record of somebody else's), {steps} (of other findings).
"""

from __future__ import annotations

# SPF: the domain has no record
NO_SENDER = "Publish a TXT record at {domain}: {record}. The domain takes no mail, so it should send none either."
FIRST_RECORD = (
    "List every server that sends for {domain}; its mail servers alone would be a TXT record at {domain}: {record}"
)
FIRST_RECORD_SERVICES = (
    "Publish a TXT record at {domain}: {record} ({services} as seen in DNS). Add other services that send for it first."
)
FIRST_RECORD_UNKNOWN = (
    "If {domain} sends mail, publish a TXT record that lists every service that sends for it, ending in ~all; if it "
    "sends none, publish v=spf1 -all."
)

# SPF: the address is not listed
ALIAS = (
    "{domain} is an alias (CNAME) of {owner}, whose record decides: do not edit it. Find out whether {ip} should send "
    "with this domain at all; if so, ask {owner}."
)
CORRECT_RECORD = "Change the TXT record of {domain} to: {new}"
CORRECT_FIRST = "{steps} Then check {ip} again."
EXCLUDED = (
    "{term} in the SPF record of {domain} names {ip} as not allowed: remove that term if the address sends your mail "
    "after all."
)
ADD_ADDRESS = (
    "If {ip} sends your mail, add {term} after v=spf1 in the TXT record of {domain}: that adds no DNS lookups, and the "
    "record becomes {size} bytes."
)
RECORD_TOO_LONG = (
    "If {ip} sends your mail, add {term} to the SPF record of {domain}, but first move networks into a record that it "
    "includes: {size} bytes are more than the recommended 450, and {count} of 10 lookups leave room for one."
)
NO_ROOM = (
    "The SPF record of {domain} is full ({count} of 10 DNS lookups, and {term} would make it {size} of 450 bytes). "
    "Remove what no longer sends your mail, then add {term} after v=spf1."
)
TOO_MANY_LOOKUPS = (
    "Bring the SPF record of {domain} below 10 DNS lookups; if {ip} sends your mail, {term} right after v=spf1 lets it "
    "pass at once."
)
SHARED_HOST = (
    "If others send from that address too, as on a shared web host, do not list it: they would pass as {domain}. Send "
    "through {service} instead."
)
INCLUDE_SERVICE = (
    "{ip} is one of {service}’s shared addresses. If {service} sends your mail, change the TXT record of {domain} to: "
    "{new}"
)
INCLUDE_NO_ROOM = (
    "{ip} is one of {service}’s shared addresses. If {service} sends your mail, {domain} needs {term}, but its SPF "
    "record has no room for it: remove terms that no longer send first."
)
INCLUDED_BUT_NOT_LISTED = (
    "{domain} has {term}, but {service} does not list {ip} there: ask {service} which addresses send for you."
)
INCLUDE_OF_ACCOUNT = (
    "{ip} is one of {service}’s shared addresses: do not list it by itself. If {service} sends your mail, add the "
    "include that {console} shows for your account to the SPF record of {domain}."
)
ADDRESS_FIRST = (
    "Quickest for {ip}: put {term} right after v=spf1 in the TXT record of {domain}, so that it matches first."
)

# SPF: a record of somebody else's
REMOVE_TERM = (
    "Remove {term} from the SPF record of {domain}: {where} belongs to {owner}. First list the addresses of yours that "
    "it stood for."
)
ASK_OR_REMOVE = (
    "Ask {owner} to correct {where}, or remove {term} from the SPF record of {domain} if it no longer sends."
)
ASK_OWNER = "Ask {owner} to correct {where}."

# SPF: terms without use
MX_RECEIVES = "the mail servers of {service} receive mail and never send"
RETURN_PATH = "{service} sends with a return path of its own, so this record is not evaluated for it"

# DMARC, MX, DKIM, PTR
LOCK_DMARC = "Publish a TXT record at {name}: {record}. {domain} sends no mail, so nothing of yours can be refused."
FIRST_DMARC = (
    "Publish a TXT record at {name}: {record}, with the address of a mailbox that you read. It refuses nothing and "
    "shows who sends with this domain."
)
DMARC_ELSEWHERE = (
    "Publish a TXT record at {name}: {record} with a mailbox of another domain of yours, since {domain} takes no mail."
)
NULL_MX = (
    "Publish a null MX at {domain} (preference 0, name “.”): it sends no mail, so it should say that it takes none."
)
SERVICE_KEY = "The key at {name} is {service}’s: replace it in {console}, then publish the record that is shown there."
SERVICE_KEYS = {
    "dkim.missing-key": "Turn on DKIM in {console}, and publish the record that it shows for {name}.",
    "dkim.testing": "Turn off test mode for the key at {name} in {console}.",
}
SHARED_PTR = "{ip} is one of {service}’s shared addresses: its PTR record is {service}’s business, not yours."
SET_PTR = "If {ip} sends mail to other servers: {how} Use the HELO name of the server."

# Explanation of a set-up
OWN_SERVERS = "own servers"
ALIGNED = {  # by SPF, by DKIM
    (True, True): "SPF and DKIM",
    (True, False): "SPF",
    (False, True): "DKIM",
    (False, False): "nothing yet: turn on DKIM",
}
BROKEN_SPF = "nothing: SPF is invalid"
LIMITED_SPF = "SPF, if matched early"
UNUSED = "{term}: {why}."
OTHERS = "Mail from anyone else: {spf}; {dmarc}."
NO_SPF = "no SPF record says who may send"
DEFAULTS = {
    "-": "SPF fails (-all)",
    "~": "SPF softfails (~all)",
    "?": "SPF is neutral (?all)",
    "+": "SPF passes (+all)",
    "a": "SPF passes (all)",
    "": "SPF is neutral (no all)",
}
POLICIES = {
    "reject": "DMARC asks receivers to reject what does not align",
    "quarantine": "DMARC asks receivers to put what does not align into spam",
    "none": "DMARC changes nothing (p=none)",
    "None": "no DMARC policy applies",
}
LOOKUPS_USED = "SPF uses {count} of 10 DNS lookups: one more service may break it."
BYTES_USED = "The SPF record has {size} bytes; more than 450 may not arrive everywhere."
WEAK_SPOTS = frozenset(
    {
        "dkim.short-key",
        "dkim.testing",
        "dmarc.monitoring-only",
        "dmarc.sp-none",
        "dmarc.partial",
        "starttls.expires-soon",
        "mta-sts.testing",
    }
)
