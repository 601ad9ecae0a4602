"""Checks: each is an async function of a check request and a DNS lookup that returns findings."""
