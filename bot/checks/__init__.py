"""The checks: each is an async function over one order and one lookup; what was found is plain data."""
