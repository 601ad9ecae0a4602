"""All messages of the bot as cards; platforms only render them."""

from handlers.messages.blocklists import TRUST_VERDICTS, ListRow, lists_card
from handlers.messages.bounces import bounce_card, log_card, route_card
from handlers.messages.explanation import explanation_card
from handlers.messages.formatting import TONES, findings_card, summarize_report
from handlers.messages.help import help_card, internal_error_card, refusal_card
from handlers.messages.report import checking_card, progress_text, report_card, reports_card

__all__ = [
    "TONES",
    "TRUST_VERDICTS",
    "ListRow",
    "bounce_card",
    "checking_card",
    "explanation_card",
    "findings_card",
    "help_card",
    "internal_error_card",
    "lists_card",
    "log_card",
    "progress_text",
    "refusal_card",
    "report_card",
    "reports_card",
    "route_card",
    "summarize_report",
]
