"""Sentences of monitoring: what a changed setting means, and why a watch cannot be added.

Placeholders: {count} of watches, {interval}.
"""

from __future__ import annotations

PTR_CHANGED = "The PTR record has changed: receivers compare it with the HELO name of the server."
DMARC_WEAKENED = "The DMARC policy is weaker now: receivers deliver more mail that forges this domain."
MX_CHANGED = "The MX records of the domain have changed: mail to it now goes to other servers."
RESTORE_RECORD = "Restore the old record unless this change was planned."

END_A_WATCH = "End one that you no longer need, or watch a whole range instead, such as 203.0.113.0/28."
CHANNEL_LIMIT = "This channel has {count} watches, which is the limit. " + END_A_WATCH
WORKSPACE_LIMIT = "This workspace has {count} watches, which is the limit. " + END_A_WATCH
INTERVAL_TOO_SHORT = (
    "The shortest interval of a watch is {interval}: blocklists change more slowly than that, and free ones block who "
    "queries too often."
)
INTERVAL_TOO_LONG = "The longest interval of a watch is {interval}: with a longer one, alerts would come too late."
