"""Gallery of all kinds of cards: `python -m tests.support.cards > docs/cards.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.models import Verdict
from bot.monitoring.models import Muted
from handlers.commands import VERBS
from handlers.message import Card
from handlers.messages import (
    explanation_card,
    help_card,
    internal_error_card,
    lists_card,
    refusal_card,
    report_card,
    reports_card,
)
from handlers.messages.alerts import undeliverable_card
from handlers.messages.watches import mute_duration_card, muted_card, not_in_channel_card, removed_card, unmuted_card
from tests.support import real_alerts, real_bounces, real_reports
from tests.support.incident_stories import T0

INTRODUCTION = (
    "# What the bot says\n\n"
    "Each kind of answer, as it looks in Slack. Teams, the bot's own page and the terminal draw the"
    " same cards. Every card says what is true and what it\n"
    "means for mail, the worst first, and the one next step.\n"
)


@dataclass(frozen=True)
class GalleryCard:
    """A card and the description of when it is shown."""

    card: Card
    description: str


def gallery() -> Mapping[str, Mapping[str, GalleryCard]]:
    """Cards by heading and screenshot name."""
    return {
        "Checks": checks(),
        "Watches": watches(),
        "Alerts": alerts(),
        "Bounces and headers": pasted(),
        "The bot itself": bot_cards(),
    }


def checks() -> Mapping[str, GalleryCard]:
    listed, clean, half = real_reports.listed(), real_reports.clean(), real_reports.half_unknown()
    return {
        "listed": GalleryCard(
            report_card(listed),
            ("An address is on blocklists that matter: which, why, and the button to the removal form."),
        ),
        "clean": GalleryCard(report_card(clean), "No problems found, and what was checked."),
        "half-unknown": GalleryCard(
            report_card(half), "Many lists did not answer: that is said, and never taken for clean."
        ),
        "pbl-on-a-client": GalleryCard(
            report_card(real_reports.pbl_on_a_client()),
            ("A policy listing of an address that submits mail with a password (`as client`) is expected."),
        ),
        "audit": GalleryCard(
            report_card(real_reports.whole_audit("in disorder")),
            "A check that finds a lot: what stops mail first comes first.",
        ),
        "audit-in-order": GalleryCard(
            report_card(real_reports.whole_audit("in order")), "The whole audit of a domain without problems."
        ),
        "spf-tree": GalleryCard(
            report_card(real_reports.whole_audit("a domain in disorder")),
            "SPF that cannot be evaluated, with the tree of its records.",
        ),
        "explanation": GalleryCard(
            explanation_card(real_reports.explained()),
            "`explain`: who may send as the domain, what is unused, and what to change first.",
        ),
        "several": GalleryCard(
            reports_card([listed, clean, half]),
            "Several targets, or a range: one line each, and a button to look closer.",
        ),
    }


def watches() -> Mapping[str, GalleryCard]:
    cards, egress = real_alerts.cards(), real_alerts.EGRESS
    return {
        "watch-added": GalleryCard(
            cards["watch-added"],
            "`watch`: posted in the channel, with what the first check found. That raises no alert.",
        ),
        "watches": GalleryCard(cards["watches"], "`watches`: only the person who asked sees it."),
        "mute-choice": GalleryCard(mute_duration_card(egress), "`mute` without a length, where no form can be shown."),
        "muted": GalleryCard(
            muted_card(egress, Muted("ada", T0 + timedelta(hours=24))), "After a mute, for the channel."
        ),
        "unmuted": GalleryCard(unmuted_card(egress, "ada"), "After `unmute`."),
        "unwatched": GalleryCard(removed_card(egress, "ada"), "After `unwatch`, with a button to watch again."),
        "settings": GalleryCard(cards["settings"], "`settings`, after a change."),
        "not-here": GalleryCard(
            not_in_channel_card(),
            "`watch` in a channel that the bot cannot post to: no watch is stored without its alerts.",
        ),
    }


def alerts() -> Mapping[str, GalleryCard]:
    cards = real_alerts.cards()
    return {
        "alert": GalleryCard(
            cards["alert"], "A listing was seen twice: the message that begins the thread, and is kept up to date."
        ),
        "alert-grew": GalleryCard(cards["alert-grew"], "A reply in the thread: one more list."),
        "alert-acknowledged": GalleryCard(cards["alert-acknowledged"], "The first message after an acknowledgement."),
        "alert-cleared": GalleryCard(cards["alert-cleared"], "The first message once everything is gone for good."),
        "alert-partly-cleared": GalleryCard(cards["alert-partly-cleared"], "One list is left: not yet clear."),
        "alert-other-reason": GalleryCard(
            cards["alert-other-reason"], "One list, another reason: one message says from what to what."
        ),
        "alert-unstable": GalleryCard(cards["alert-unstable"], "A listing that is there and not there."),
        "alert-removed-watch": GalleryCard(
            cards["alert-removed-watch"], "The first message after the watch was ended."
        ),
        "alert-spf-removed": GalleryCard(
            cards["alert-spf-removed"], "A record is gone: the step is the exact record from before."
        ),
        "alert-range": GalleryCard(cards["alert-range"], "Several addresses of one range: one thread, one table."),
        "alert-set-up": GalleryCard(
            cards["alert-set-up"], "A DNS record was changed: one alert, then it is the new normal."
        ),
        "alert-policy-gone": GalleryCard(cards["alert-policy-gone"], "A record that mail depends on was removed."),
        "list-note": GalleryCard(
            cards["list-note"],
            "A list that suddenly lists everything: one note to the channel of the admins, and no alert.",
        ),
        "silenced": GalleryCard(
            undeliverable_card(real_alerts.EGRESS, "is_archived"),
            "Sent to the creator of a watch when the bot can no longer post to its channel.",
        ),
    }


def pasted() -> Mapping[str, GalleryCard]:
    cards = real_bounces.cards()
    return {
        "bounce": GalleryCard(cards["bounce"], "`bounce`: one refusal, who has to fix it, and a button for the check."),
        "bounce-ndr": GalleryCard(
            cards["bounce-ndr"], "A whole bounce mail: only what the server wrote decides, never the prose around it."
        ),
        "bounce-log": GalleryCard(
            cards["bounce-log"],
            "A log: what others refused, by message and cause, apart from what the own server refused.",
        ),
        "headers": GalleryCard(
            cards["headers"], "`headers`: the route of a message, and the address that receivers judge it by."
        ),
        "headers-forged": GalleryCard(
            cards["headers-forged"], "Results that the sender wrote itself are shown as claims."
        ),
    }


def bot_cards() -> Mapping[str, GalleryCard]:
    lists = [
        ("Spamhaus ZEN", Verdict.PASS, "", 21),
        ("SpamCop", Verdict.PASS, "", 34),
        ("Kempt", Verdict.WARN, "lists-everything", 40),
    ]
    lists += [("Abusix", Verdict.UNKNOWN, "no-key", 0), ("SpamRATS", Verdict.WARN, "public-resolver", 18)]
    return {
        "lists": GalleryCard(
            lists_card(lists), "`lists`: which blocklists are working through the resolver in use, and why not."
        ),
        "help": GalleryCard(help_card(VERBS.usages), "`help`, or the command alone."),
        "refused": GalleryCard(
            refusal_card("“1.2.3” is not a full IPv4 address; type four numbers, like 203.0.113.5."),
            "What was typed cannot be done: one sentence, only the person who typed it sees it.",
        ),
        "broken": GalleryCard(internal_error_card(), "A fault of ours: the details are for the log."),
    }


def page() -> str:
    parts = [INTRODUCTION]
    for heading, cards in gallery().items():
        parts.append(f"## {heading}\n")
        parts += [
            f"{shown.description}\n\n![{shown.card.title}](pictures/{name}.png)\n" for name, shown in cards.items()
        ]
    home = (
        "What a person sees in Slack's *Home* tab: the channels that they are in.\n\n![The Home"
        " tab](pictures/app-home.png)\n"
    )
    return "\n".join([*parts, "## The Home tab\n", home])


if __name__ == "__main__":
    print(page(), end="")
