"""Texts of the DKIM check: finding codes, and a template per code.

Placeholders: {name} of the key record, {domain}, {bits} of the key, {problem} (why it is invalid),
{kind} (key type in the record).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode, FindingTemplate
from bot.models import Verdict

CODES: Mapping[str, FindingCode] = {
    "dkim.ok": FindingCode("The selector has a key that receivers can verify signatures with.", "RFC 6376 §3.6.1"),
    "dkim.short-key": FindingCode(
        "The RSA key has less than the 2048 bits that RFC 8301 and the large receivers advise.",
        "RFC 8301 §3.2",
        "Make a key of 2048 bits under a new selector, and remove the old one a week after the change.",
    ),
    "dkim.weak-key": FindingCode(
        "The RSA key has less than 1024 bits, so receivers must not accept its signatures (RFC 8301).",
        "RFC 8301 §3.2",
        "Make a key of 2048 bits under a new selector.",
    ),
    "dkim.long-key": FindingCode(
        "The RSA key has more than the 4096 bits that receivers have to be able to verify (RFC 8301).",
        "RFC 8301 §3.2",
        "Make a key of 2048 bits under a new selector.",
    ),
    "dkim.ed25519-alone": FindingCode(
        "There is an Ed25519 key and no RSA key beside it, and many receivers verify only RSA.",
        "RFC 8463 §6",
        "Sign with an RSA key of 2048 bits as well.",
    ),
    "dkim.missing-key": FindingCode(
        "The named selector has no key record.",
        "RFC 6376 §6.1.2",
        "Publish the key at the name that the finding gives, or sign with the selector that has one.",
    ),
    "dkim.revoked": FindingCode(
        "The key of the selector is taken back (empty p=).",
        "RFC 6376 §3.6.1",
        "Sign with another selector; this one has been given up.",
    ),
    "dkim.testing": FindingCode(
        "The key is marked as a test (t=y), so receivers treat signed mail like unsigned mail.",
        "RFC 6376 §3.6.1",
        "Remove t=y when mail is signed rightly.",
    ),
    "dkim.broken-key": FindingCode(
        "The key in the record cannot be read.",
        "RFC 6376 §3.6.1",
        "Copy the whole key into the record again, without spaces or line ends in it.",
    ),
    "dkim.bad-record": FindingCode(
        "The record breaks the form of RFC 6376, so receivers ignore it.",
        "RFC 6376 §3.6.1",
        "Correct the record, or copy it again from the mail server or the provider.",
    ),
    "dkim.several-records": FindingCode(
        "The selector has more than one TXT record, so it is not defined which one counts.",
        "RFC 6376 §3.6.2.2",
        "Leave one of the records and remove the others.",
    ),
    "dkim.only-sha1": FindingCode(
        "The record allows only SHA-1, which receivers must not accept any more (RFC 8301).",
        "RFC 8301 §3.1",
        "Remove h=, or let it name sha256.",
    ),
    "dkim.not-for-mail": FindingCode(
        "The record says that the key is for something else than mail (s=).",
        "RFC 6376 §3.6.1",
        "Remove s=, or let it name email.",
    ),
    "dkim.unknown-kind": FindingCode(
        "The key is of a kind that receivers do not know (k=).",
        "RFC 8463 §4.2",
        "Use a key of the kind rsa, with ed25519 beside it at most.",
    ),
    "dkim.no-selector-known": FindingCode(
        "No key was found at the usual selectors, which says nothing: a domain can use any name.",
        "RFC 6376 §3.1",
        "Name the selector: it is s= in the DKIM-Signature of a message that was sent.",
    ),
    "dkim.never-signs": FindingCode(
        "Every selector has an empty key, the mark of a domain whose mail is never signed.", "RFC 6376 §3.6.1"
    ),
    "dkim.no-answer": FindingCode(
        "The DNS did not answer for the key.", "RFC 6376 §6.1.2", "Check again in a few minutes."
    ),
}


DKIM_FAILS = "so mail signed with it fails DKIM"
NEW_KEY = "Make a new key of 2048 bits in your mail system, publish it under a new selector and sign with that one."
TEMPLATES: Mapping[str, FindingTemplate] = {
    "dkim.ok": FindingTemplate(
        Verdict.PASS, "Receivers can verify mail of {domain} with the {kind} key at {name} ({bits} bits)."
    ),
    "dkim.short-key": FindingTemplate(
        Verdict.WARN,
        "The key at {name} has {bits} bits; receivers accept that, but advise 2048, because a short key can be broken.",
        NEW_KEY,
    ),
    "dkim.weak-key": FindingTemplate(
        Verdict.FAIL, "The key at {name} has only {bits} bits, so receivers do not accept what it signs.", NEW_KEY
    ),
    "dkim.long-key": FindingTemplate(
        Verdict.WARN, "The key at {name} has {bits} bits, more than every receiver can verify.", NEW_KEY
    ),
    "dkim.ed25519-alone": FindingTemplate(
        Verdict.WARN,
        "The key at {name} is Ed25519 and no RSA key was seen beside it, so many receivers cannot verify the mail.",
        "Sign with an RSA key of 2048 bits as well, under a selector of its own.",
    ),
    "dkim.missing-key": FindingTemplate(
        Verdict.FAIL,
        "There is no key at {name}, so mail signed with that selector fails DKIM.",
        "Publish the TXT or CNAME record that your mail system shows for this selector, or correct the selector.",
    ),
    "dkim.revoked": FindingTemplate(
        Verdict.FAIL,
        "The key at {name} is taken back (empty p=), " + DKIM_FAILS + ".",
        "Sign with another selector, or publish the key again.",
    ),
    "dkim.testing": FindingTemplate(
        Verdict.WARN,
        "The key at {name} is marked as a test (t=y), so receivers may treat signed mail like unsigned mail.",
        "Remove t=y from that record once signed mail arrives well.",
    ),
    "dkim.broken-key": FindingTemplate(
        Verdict.FAIL,
        "Receivers cannot use the record at {name}: {problem}.",
        "Copy the record again, whole, from your mail system; a long key is split into strings "
        "that are joined without spaces.",
    ),
    "dkim.bad-record": FindingTemplate(
        Verdict.FAIL,
        "Receivers cannot use the record at {name}: {problem}.",
        "Publish the record just as your mail system shows it: v=DKIM1; k=rsa; p=…",
    ),
    "dkim.several-records": FindingTemplate(
        Verdict.FAIL,
        "There is more than one TXT record at {name}, so receivers may take the wrong one and DKIM fails.",
        "Leave the record with the key in use and remove the others.",
    ),
    "dkim.only-sha1": FindingTemplate(
        Verdict.FAIL,
        "The record at {name} allows only SHA-1 (h=sha1), which receivers do not accept any more.",
        "Remove h= from that record, and sign with rsa-sha256.",
    ),
    "dkim.not-for-mail": FindingTemplate(
        Verdict.FAIL,
        "The record at {name} says that its key is not for mail (s=), " + DKIM_FAILS + ".",
        "Remove s= from that record.",
    ),
    "dkim.unknown-kind": FindingTemplate(
        Verdict.FAIL,
        "The key at {name} is of the kind {kind}, which receivers do not know, " + DKIM_FAILS + ".",
        "Publish an RSA key (k=rsa) of 2048 bits.",
    ),
    "dkim.no-selector-known": FindingTemplate(
        Verdict.PASS,
        "It is not known which selectors {domain} signs with; name one to have its key checked "
        "(s= in a DKIM-Signature).",
    ),
    "dkim.never-signs": FindingTemplate(
        Verdict.PASS, "{domain} takes back every DKIM key in advance, as a domain does that never sends mail."
    ),
    "dkim.no-answer": FindingTemplate(
        Verdict.UNKNOWN,
        "The DNS did not answer about the key at {name} ({problem}), so it is not known whether DKIM works.",
        "Check again in a few minutes.",
    ),
}
GUESSED_REVOKED = FindingTemplate(
    Verdict.PASS, "The key at {name} is taken back (empty p=), as is usual when a newer key is in use."
)
ED25519_OK = FindingTemplate(
    Verdict.PASS,
    "The Ed25519 key at {name} is in order; receivers that know only RSA need a second signature with an RSA key.",
)
