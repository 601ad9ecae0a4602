"""Can this host do the job? What each part of it showed, as findings with the fix."""

from bot.doctor.codes import CODES
from bot.doctor.host import PortTry, chat_finding, egress_finding, port_finding, store_finding
from bot.doctor.lists import list_findings
from bot.doctor.resolver import resolver_findings

__all__ = [
    "CODES",
    "PortTry",
    "chat_finding",
    "egress_finding",
    "list_findings",
    "port_finding",
    "resolver_findings",
    "store_finding",
]
