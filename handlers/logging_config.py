"""Logging: one line per event on standard error, with secrets redacted."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from bot.log_limits import RepeatLimit

SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|https://hooks\.slack\.com/\S+|/services/T\S+|Bearer\s+\S+"
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)|[a-z2-7]{26}(?=\.\w+\.dq\.spamhaus\.net)",
    re.IGNORECASE,
)
NOISY_LOGGERS = ("httpx", "httpcore", "slack_bolt", "slack_sdk", "aiohttp", "uvicorn", "docket")


def configure(level: int = logging.INFO) -> None:
    """Configure logging for our own lines and those of libraries. Call once, at start."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    handler.addFilter(RepeatLimit())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def to_file(path: Path) -> Iterator[None]:
    """Write the lines to a file instead, for as long as the terminal is a prompt."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
    with path.open("a", encoding="utf-8", buffering=1) as file:
        before = [handler.setStream(file) for handler in handlers]
        try:
            yield
        finally:
            for handler, stream in zip(handlers, before, strict=True):
                handler.setStream(stream or sys.stderr)


def redact_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace tokens, passwords in URLs and DNSBL keys in every value of a line."""
    for key, value in event.items():
        if isinstance(value, str) and SECRETS.search(value):
            event[key] = SECRETS.sub("[secret]", value)
    return event
