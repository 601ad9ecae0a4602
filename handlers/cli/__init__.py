"""The terminal: the same cards as in chat, drawn with rich, and a prompt that takes the chat commands."""
