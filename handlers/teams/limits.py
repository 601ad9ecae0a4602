"""What Teams accepts, and how a card of ours shares it out. Sizes are octets of JSON in UTF-8 unless they say otherwise.

Sources: "Format your bot messages" and "Cards" at learn.microsoft.com/microsoftteams. Teams says 100 KB in UTF-16, an
older page 40 KB; the budget here is a quarter of the one and, for a card in ASCII, just above the other's half.
"""

from __future__ import annotations

import json
from typing import Any

MESSAGE = 25_000

# Shares, so that a long part never pushes out a more important one. Whatever the others leave is for the sketch, and then for the table.
LINES_SHARE = 7_000
FACTS_SHARE = 3_000
SKETCH_SHARE = 7_000
ACTIONS_SHARE = 4_500
FOOTNOTE_SHARE = 1_400
FALLBACK_SHARE = 2_500
ENVELOPE_SHARE = 1_500  # the message around the card, its summary, and the fixed keys of the card

# In characters.
TITLE_TEXT = 150
ALT_TEXT = 1_000
STEP_TEXT = 500
LINE_TEXT = 500
PASSED_TEXT = 600
LABEL_TEXT = 60
SKETCH_WIDTH = 90  # a longer line would be folded, and the picture lost
FOOTNOTE_TEXT = 250
BUTTON_LABEL = 60
BUTTON_COMMAND = 1_000
BUTTON_URL = 2_000
BAR_TEXT = 500  # what is shown under a card whose button was pressed

# Counts: Teams shows six buttons, the others are a reader's patience.
MOST_BUTTONS = 6
MOST_LINES = 20
MOST_FACTS = 20
MOST_SKETCH_LINES = 30
TABLE_ROWS = 60
TABLE_COLUMNS = 8


def weight(part: Any) -> int:
    return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())
