"""A loopback port for a program that has to be given one before it starts."""

from __future__ import annotations

import random
import socket

# Below the ephemeral ports of Linux (32768–60999) and of RFC 6335 §6 (49152–65535): a port out of those can be taken
# by any outgoing socket between the moment it was seen free and the moment the program binds it.
CANDIDATES = range(20_000, 32_768)


def unused_port(address: str = "127.0.0.1") -> int:
    """A port that no socket has at the moment, neither TCP nor UDP."""
    for port in random.SystemRandom().sample(CANDIDATES, 100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((address, port))
                udp.bind((address, port))
            except OSError:
                continue
            return port
    raise OSError("None of 100 ports was free")
