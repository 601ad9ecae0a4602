"""Everything the bot says, as cards. Words are chosen here once; a platform only draws them."""

from handlers.messages.blocklists import TRUST, ListRow, lists_card
from handlers.messages.bounces import bounce_card, bounces_card, path_card
from handlers.messages.formatting import TONES, findings_card, summary
from handlers.messages.help import broken_card, help_card, refusal_card
from handlers.messages.report import checking_card, report_card, reports_card, so_far

__all__ = [
    "TONES",
    "TRUST",
    "ListRow",
    "bounce_card",
    "bounces_card",
    "broken_card",
    "checking_card",
    "findings_card",
    "help_card",
    "lists_card",
    "path_card",
    "refusal_card",
    "report_card",
    "reports_card",
    "so_far",
    "summary",
]
