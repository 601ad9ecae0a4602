"""DKIM key records for tests: the examples of the RFCs, and RSA keys of any size."""

from __future__ import annotations

import base64

# RFC 6376 appendix C
BRISBANE = (
    "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN"
    "2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9t"
    "f6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
)
# RFC 8463 appendix A.2
FOOTBALL_ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
FOOTBALL_RSA = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6w"
    "y5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9"
    "PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
# AlgorithmIdentifier of a SubjectPublicKeyInfo
RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")


def bare_rsa(bits: int) -> bytes:
    """Return an RSAPublicKey (PKCS #1) with a modulus of this many bits."""
    modulus = (1 << (bits - 1)) | 1
    return element(0x30, element(0x02, modulus.to_bytes(bits // 8 + 1)) + element(0x02, b"\1\0\1"))


def wrapped_rsa(bits: int) -> bytes:
    """Return the same key as a SubjectPublicKeyInfo, as in most records."""
    return element(0x30, RSA_ENCRYPTION + element(0x03, b"\0" + bare_rsa(bits)))


def rsa_record(bits: int, more: str = "") -> str:
    return f"v=DKIM1; k=rsa; {more}p={base64.b64encode(wrapped_rsa(bits)).decode()}"


def element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + content
