"""Mechanisms between a caller and a slow or limited service: caching, sharing calls, rate limits."""
