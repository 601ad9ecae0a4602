"""kill -9 during alert delivery: counts lost, duplicated, out-of-order and stale messages.

`python -m benchmarks.kills [--kills 100 --server-kills 10 --alerts 2000]`. Real processes (the bot
and two workers), the embedded server, a DNS server whose listings change, and a fake Slack over
HTTP that drops responses after storing a message and returns 503 and 429.
"""
