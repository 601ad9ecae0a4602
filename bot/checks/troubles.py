"""Why a visit to a server ended, in words that complete a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.visits import Trouble

CERTIFICATE = frozenset(
    (Trouble.EXPIRED, Trouble.NOT_YET_VALID, Trouble.WRONG_NAME, Trouble.SELF_SIGNED, Trouble.UNTRUSTED)
)

WORDS: Mapping[Trouble, str] = {
    Trouble.BAD_URL: "its address is no plain https address",
    Trouble.NO_ADDRESS: "its name has no address",
    Trouble.NO_ANSWER: "the DNS did not answer about its address",
    Trouble.SPECIAL: "its name leads to an address that is not on the public internet",
    Trouble.UNREACHABLE: "no connection to it opens",
    Trouble.TIMEOUT: "it did not answer in time",
    Trouble.HUNG_UP: "it hung up",
    Trouble.TOO_LARGE: "its answer is far too long",
    Trouble.GARBLED: "its answer could not be read",
    Trouble.REDIRECT: "it sends visitors on to another page",
    Trouble.STATUS: "it answers with an error",
    Trouble.REFUSED: "it refuses to talk to this host",
    Trouble.TLS_REFUSED: "it offers encryption and refuses it when asked",
    Trouble.NO_TLS: "no encrypted connection to it can be made",
    Trouble.EXPIRED: "its certificate has expired",
    Trouble.NOT_YET_VALID: "its certificate is not valid yet",
    Trouble.WRONG_NAME: "its certificate is for another name",
    Trouble.SELF_SIGNED: "its certificate is signed by nobody but itself",
    Trouble.UNTRUSTED: "its certificate comes from nobody that the public trusts",
}
