"""The mail servers of a domain by name, for the checks that look at every one of them."""

from __future__ import annotations

from bot.model import Lookup


async def exchanges(lookup: Lookup, domain: str) -> tuple[str, ...]:
    """In lower case and in the order of their preference; none where the domain takes no mail. Raises LookupFailed.

    Without MX records the domain itself is its mail server (RFC 5321 §5.1); a null MX says that there is none (RFC 7505).
    """
    answer = await lookup(domain, "MX")
    if not answer.records:
        return (domain,) if answer.exists else ()
    pairs = (record.partition(" ") for record in answer.records)
    ranked = sorted((int(preference), name.lower().rstrip(".")) for preference, _, name in pairs)
    return tuple(dict.fromkeys(name for _, name in ranked if name))
