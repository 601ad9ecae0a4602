"""kill -9 while alerts are on their way: what is lost, said twice, out of order or left stale in the end.

`python -m benchmarks.kills [--kills 100 --server-kills 10 --alerts 2000]`. Real processes (the bot and two workers), the real embedded
server, a real DNS server in which listings appear and vanish, and a Slack over HTTP that drops answers after storing, says 503 and 429.
"""
