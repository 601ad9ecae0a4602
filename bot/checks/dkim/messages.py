"""Words of the DKIM check: one row per finding code, and why a record or key is invalid.

Placeholders: {name} of the key record, {domain}, {bits} of the key, {problem} (why it is invalid, or why DNS did not
answer), {kind} (key type in the record).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import FindingCode, FindingText
from bot.models import Verdict

NEW_KEY = "Make a new key of 2048 bits in your mail system, publish it under a new selector and sign with that one."

CODES: Mapping[str, FindingCode] = {
    "dkim.ok": FindingCode(
        "The selector has a key that receivers can verify signatures with.",
        "RFC 6376 §3.6.1",
        verdict=Verdict.PASS,
        summary="Receivers can verify mail of {domain} with the {kind} key at {name} ({bits} bits).",
        variants={
            "ed25519": FindingText(
                verdict=Verdict.PASS,
                summary="The Ed25519 key at {name} is valid; receivers that support only RSA need a second signature "
                "with an RSA key.",
            )
        },
    ),
    "dkim.short-key": FindingCode(
        "The RSA key has fewer than the 2048 bits that RFC 8301 and the large receivers advise.",
        "RFC 8301 §3.2",
        "Make a key of 2048 bits under a new selector, and remove the old one a week after the change.",
        verdict=Verdict.WARN,
        summary="The key at {name} has {bits} bits; receivers accept that, but advise 2048, because a short key can be "
        "broken.",
        remediation=NEW_KEY,
    ),
    "dkim.weak-key": FindingCode(
        "The RSA key has fewer than 1024 bits, so receivers must not accept its signatures (RFC 8301).",
        "RFC 8301 §3.2",
        "Make a key of 2048 bits under a new selector.",
        verdict=Verdict.FAIL,
        summary="The key at {name} has only {bits} bits, so receivers do not accept its signatures.",
        remediation=NEW_KEY,
    ),
    "dkim.long-key": FindingCode(
        "The RSA key has more than the 4096 bits that receivers have to be able to verify (RFC 8301).",
        "RFC 8301 §3.2",
        "Make a key of 2048 bits under a new selector.",
        verdict=Verdict.WARN,
        summary="The key at {name} has {bits} bits, more than every receiver can verify.",
        remediation=NEW_KEY,
    ),
    "dkim.ed25519-alone": FindingCode(
        "There is an Ed25519 key and no RSA key beside it, and many receivers verify only RSA.",
        "RFC 8463 §6",
        "Sign with an RSA key of 2048 bits as well.",
        verdict=Verdict.WARN,
        summary="The key at {name} is Ed25519 and no RSA key was seen beside it, so many receivers cannot verify the "
        "mail.",
        remediation="Sign with an RSA key of 2048 bits as well, under a selector of its own.",
    ),
    "dkim.missing-key": FindingCode(
        "The named selector has no key record.",
        "RFC 6376 §6.1.2",
        "Publish the key at the name that the finding gives, or sign with the selector that has one.",
        verdict=Verdict.FAIL,
        summary="There is no key at {name}, so mail signed with that selector fails DKIM.",
        remediation="Publish the TXT or CNAME record that your mail system shows for this selector, or correct the "
        "selector.",
    ),
    "dkim.revoked": FindingCode(
        "The key of the selector is revoked (empty p=).",
        "RFC 6376 §3.6.1",
        "Sign with another selector; this one is revoked.",
        verdict=Verdict.FAIL,
        summary="The key at {name} is revoked (empty p=), so mail signed with it fails DKIM.",
        remediation="Sign with another selector, or publish the key again.",
        variants={
            "guessed": FindingText(
                verdict=Verdict.PASS,
                summary="The key at {name} is revoked (empty p=), as is usual when a newer key is in use.",
            )
        },
    ),
    "dkim.testing": FindingCode(
        "The key is marked as a test (t=y), so receivers treat signed mail like unsigned mail.",
        "RFC 6376 §3.6.1",
        "Remove t=y once mail is signed correctly.",
        verdict=Verdict.WARN,
        summary="The key at {name} is marked as a test (t=y), so receivers may treat signed mail like unsigned mail.",
        remediation="Remove t=y from that record once signed mail passes DKIM.",
    ),
    "dkim.broken-key": FindingCode(
        "The key in the record cannot be read.",
        "RFC 6376 §3.6.1",
        "Copy the whole key into the record again, without spaces or line ends in it.",
        verdict=Verdict.FAIL,
        summary="The DKIM key at {name} is invalid: {problem}.",
        remediation="Copy the record again, whole, from your mail system; a long key is split into strings that are "
        "joined without spaces.",
        variants={
            "der": FindingText(
                verdict=Verdict.FAIL,
                summary="The DKIM key at {name} is invalid: {problem}.",
                remediation="Publish the last 32 bytes of the key alone: openssl pkey -in KEY -pubout -outform DER | "
                "tail -c 32 | base64.",
            ),
            "no-type": FindingText(
                verdict=Verdict.FAIL,
                summary="The DKIM key at {name} is invalid: {problem}.",
                remediation="Add k=ed25519; to the record, and sign with an RSA key as well.",
            ),
        },
    ),
    "dkim.bad-record": FindingCode(
        "The record breaks the format of RFC 6376, so receivers ignore it.",
        "RFC 6376 §3.6.1",
        "Correct the record, or copy it again from the mail server or the provider.",
        verdict=Verdict.FAIL,
        summary="The DKIM record at {name} is invalid: {problem}.",
        remediation="Publish the record exactly as your mail system shows it: v=DKIM1; k=rsa; p=…",
        variants={
            "host-name": FindingText(
                verdict=Verdict.FAIL,
                summary="The DKIM record at {name} is invalid: {problem}.",
                remediation="Publish it as a CNAME record instead of a TXT record.",
            )
        },
    ),
    "dkim.several-records": FindingCode(
        "The selector has more than one TXT record, so it is not defined which one counts.",
        "RFC 6376 §3.6.2.2",
        "Leave one of the records and remove the others.",
        verdict=Verdict.FAIL,
        summary="There is more than one TXT record at {name}, so receivers may use the wrong one and DKIM fails.",
        remediation="Leave the record with the key in use and remove the others.",
        variants={
            "halves": FindingText(
                verdict=Verdict.FAIL,
                summary="The key at {name} was cut into two TXT records, so receivers see half of it and DKIM fails.",
                remediation="Join both into one TXT record of two strings, in the order that your mail system shows.",
            )
        },
    ),
    "dkim.only-sha1": FindingCode(
        "The record allows only SHA-1, which receivers must no longer accept (RFC 8301).",
        "RFC 8301 §3.1",
        "Remove h=, or list sha256 in it.",
        verdict=Verdict.FAIL,
        summary="The record at {name} allows only SHA-1 (h=sha1), which receivers no longer accept.",
        remediation="Remove h= from that record, and sign with rsa-sha256.",
    ),
    "dkim.not-for-mail": FindingCode(
        "The record says that the key is not for mail (s=).",
        "RFC 6376 §3.6.1",
        "Remove s=, or list email in it.",
        verdict=Verdict.FAIL,
        summary="The record at {name} says that its key is not for mail (s=), so mail signed with it fails DKIM.",
        remediation="Remove s= from that record.",
    ),
    "dkim.unknown-kind": FindingCode(
        "The key type (k=) is one that receivers do not support.",
        "RFC 8463 §4.2",
        "Use a key of type rsa, with ed25519 beside it at most.",
        verdict=Verdict.FAIL,
        summary="The key at {name} is of type {kind}, which receivers do not support, so mail signed with it fails "
        "DKIM.",
        remediation="Publish an RSA key (k=rsa) of 2048 bits.",
    ),
    "dkim.no-selector-known": FindingCode(
        "No key was found at the common selectors, which proves nothing: a domain can use any name.",
        "RFC 6376 §3.1",
        "Name the selector: it is s= in the DKIM-Signature of a message that was sent.",
        verdict=Verdict.PASS,
        summary="DKIM of {domain}: no selector known, not checked; name one to have its key checked (s= in a "
        "DKIM-Signature).",
    ),
    "dkim.never-signs": FindingCode(
        "Every selector has an empty key, the mark of a domain whose mail is never signed.",
        "RFC 6376 §3.6.1",
        verdict=Verdict.PASS,
        summary="{domain} revokes every DKIM selector (empty p=), as a domain does that never sends mail.",
    ),
    "dkim.no-answer": FindingCode(
        "DNS did not answer for the key.",
        "RFC 6376 §6.1.2",
        verdict=Verdict.UNKNOWN,
        summary="DNS did not answer for the key at {name} ({problem}), so it is not known whether DKIM works.",
        remediation="Check again in a few minutes.",
    ),
}
PROBLEMS: Mapping[str, str] = {
    "version": "v=DKIM1 must come first and be written exactly so",
    "host-name": "it is the name of a host",
    "backslash": "it has a backslash in it, as some DNS editors add one; semicolons are written plainly",
    "quotes": "it has quotation marks in its value",
    "no-type": "it is Ed25519, and the record does not say so",
    "no-key": "it has no key (p=)",
    "tag": "one of its parts is not of the form tag=value",
    "duplicate": "it has {tag}= twice",
    "der": "its Ed25519 key is wrapped in DER where the 32 bare bytes belong",
    "ed25519-size": "its Ed25519 key has {size} bytes where 32 belong",
    "empty": "its RSA key is empty",
    "not-rsa": "it holds no RSA key that receivers can read",
    "truncated": "its key is cut off",
    "base64": "its key is not base64, as when a part is missing or a quotation mark was copied",
}
