"""Explains bounces: SMTP replies, mail logs, delivery reports and headers, by rules in TOML.

Pure.
"""
