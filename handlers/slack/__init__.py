"""Slack: hears commands, mentions, shortcuts and buttons, and draws the answers as Block Kit."""
