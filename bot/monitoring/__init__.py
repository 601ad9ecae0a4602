"""Monitoring of watches. Poller and repository do IO; the rest is pure and takes `now`."""
