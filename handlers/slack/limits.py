"""What Slack accepts. One value over its limit, and Slack refuses the whole message.

Sources: the Block Kit reference at docs.slack.dev, and for the size of all blocks together (which it does not tell)
the measurements in slackapi/bolt-js#2509, where messages of about 13,200 characters were refused.
"""

from __future__ import annotations

from typing import Any

FALLBACK_TEXT = 3_000  # Slack cuts at 40,000 and advises less than 4,000
HEADER_TEXT = 150
ALT_TEXT = 2_000
SENTENCE_TEXT = 600  # of the 3,000 that a section may have
BUTTON_LABEL = 75
BUTTON_VALUE = 2_000
BUTTON_URL = 3_000
TABLE_ROWS = 100  # the heading row counts
TABLE_COLUMNS = 20
TABLE_CHARACTERS = 10_000
ALL_CHARACTERS = 12_000
RESPONSE_URL_USES = 5
RESPONSE_URL_SECONDS = 30 * 60

# How the characters of one message are shared out, so that a long part never pushes out a more important one.
# Whatever the others leave is for the sketch, and then for the table.
STEP_SHARE = 600
LINES_SHARE = 4_000
FACTS_SHARE = 1_000
SKETCH_SHARE = 2_600
SKETCH_FRAME = 450  # of that: its title, the types of its blocks and the ends of its lines
PASSED_SHARE = 1_100
ACTIONS_SHARE = 3_600
FOOTNOTE_SHARE = 500
EDGES_SHARE = HEADER_TEXT + STEP_SHARE + ACTIONS_SHARE + FOOTNOTE_SHARE + 50  # 50: the types in the header

# Shares of the 50 blocks and of a reader's patience.
MOST_LINES = 20
MOST_PASSED = 4
MOST_FACTS = 20
MOST_SKETCH_LINES = 30
SKETCH_WIDTH = 90  # a longer line would be folded, and the picture lost
MOST_BUTTONS = 10


def weight(part: Any) -> int:
    """Characters in every string of a block, names of types included: a bit more than Slack can count."""
    if isinstance(part, str):
        return len(part)
    if isinstance(part, dict):
        return sum(map(weight, part.values()))
    return sum(map(weight, part)) if isinstance(part, list) else 0
