"""All messages of the bot as cards; platforms only render them."""

from handlers.messages.blocklists import TRUST_VERDICTS, ListRow, lists_card
from handlers.messages.bounces import bounce_card, log_card, route_card
from handlers.messages.formatting import TONES, findings_card, summarize_report
from handlers.messages.help import internal_error_card, help_card, refusal_card
from handlers.messages.report import checking_card, report_card, reports_card, progress_text

__all__ = [
    "TONES",
    "TRUST_VERDICTS",
    "ListRow",
    "bounce_card",
    "log_card",
    "internal_error_card",
    "checking_card",
    "findings_card",
    "help_card",
    "lists_card",
    "route_card",
    "refusal_card",
    "report_card",
    "reports_card",
    "progress_text",
    "summarize_report",
]
