"""Logs: one line an event on standard error, and no secret in any of them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|https://hooks\.slack\.com/\S+|/services/T\S+|Bearer\s+\S+"
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)|[a-z2-7]{26}(?=\.\w+\.dq\.spamhaus\.net)",
    re.IGNORECASE,
)
QUIET = ("httpx", "httpcore", "slack_bolt", "slack_sdk", "aiohttp", "uvicorn", "docket")


def configure(level: int = logging.INFO) -> None:
    """The one set-up of logging, for our own lines and those of libraries. Call it once, at the front door."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    drawn = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, drawn],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def without_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Tokens, passwords in addresses and key zones are replaced wherever they stand in a line."""
    for key, value in event.items():
        if isinstance(value, str) and SECRETS.search(value):
            event[key] = SECRETS.sub("[secret]", value)
    return event
