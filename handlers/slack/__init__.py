"""Slack adapter: requests in over HTTP or Socket Mode, answers out as Block Kit."""
