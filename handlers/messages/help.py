"""Messages about the bot: help, refusals and internal errors."""

from __future__ import annotations

from handlers.message import Card, Line, Table, Tone


def refusal_card(sentence: str) -> Card:
    """Refusal of a request; the sentence says what to type instead."""
    return Card(sentence, tone=Tone.WARN, private=True)


def internal_error_card() -> Card:
    return Card(
        "Internal error, logged. Try again; if it repeats, tell the admin of this bot.", tone=Tone.BAD, private=True
    )


def help_card() -> Card:
    rows = (
        ("203.0.113.5 example.com", "check an address, a domain, or both"),
        ("203.0.113.0/28", "check up to 16 addresses"),
        ("203.0.113.5 as client", "the address submits mail with authentication: a policy listing is expected"),
        ("203.0.113.5 helo mail.example.com", "check the HELO name of the server, too"),
        ("example.com tree", "show the include tree of its SPF record"),
        ("203.0.113.5 example.com private", "only you see the answer"),
        ("watch 203.0.113.0/28 every 1h", "this channel is alerted when something changes; up to 256 addresses"),
        ("watch example.com addresses", "the same for the domain's mail servers and the addresses in its SPF"),
        ("watches", "the watches of this channel and their state"),
        ("history 203.0.113.5 7d", "the history of a watch, as a picture; also: 30d, all"),
        ("mute 203.0.113.5 24h", "no alerts for a while; also: unmute, ack, unwatch"),
        ("settings", "when and how this channel is notified"),
        ("bounce 550 5.7.1 …", "what a bounce or a log means: who has to fix it, which list, what to do"),
        ("headers Received: …", "the route of a message, and the address it left from"),
        ("lists", "which blocklists are working"),
        ("help", "this page"),
    )
    return Card(
        "What mailcheck can do",
        lines=(Line("Type an address, a domain, or both after the command."),),
        table=Table(("Type", "To"), rows),
        private=True,
    )
