"""The local web chat: one page on loopback that looks and behaves like a chat, over the same cards as every platform."""
