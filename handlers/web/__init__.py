"""Local web chat on loopback, with the same cards as every platform."""
