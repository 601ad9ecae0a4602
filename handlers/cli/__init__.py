"""Command-line interface: the same cards as in chat, rendered with rich, and a REPL."""
