"""Loggers for Slack's own libraries. They log whole requests, response URLs and message texts below ERROR."""

from __future__ import annotations

import logging
import re

SECRET = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|https?://[^\s'\"]*/(?:services|commands|actions)/[^\s'\"]+|v0=[0-9a-f]{64}"
)


class Redacted(logging.Filter):
    """Takes tokens, response URLs and signatures out of a record, those in its traceback too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = SECRET.sub("[secret]", record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = SECRET.sub("[secret]", logging.Formatter().formatException(record.exc_info))
        return True


def sdk_logger() -> logging.Logger:
    """To be handed to Bolt and to every client of the SDK; they copy its level and its filters to their own."""
    logger = logging.getLogger("mailcheck.slack.sdk")
    logger.setLevel(logging.ERROR)
    if not logger.filters:
        logger.addFilter(Redacted())
    return logger
