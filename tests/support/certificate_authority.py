"""A certificate authority for one test run, made with the `openssl` command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
EXPIRED = -1


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """Signs certificates: `create(folder)`, then `server_context(name)` or `client_context()`."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> CertificateAuthority:
        subject = ("-subj", "/CN=Authority of the tests", "-days", "2")
        _openssl(folder, "req", "-x509", *NEW_KEY, *subject, "-keyout", "ca.key", "-out", "ca.pem")
        return cls(folder)

    def server_context(self, name: str, *, days: int = 2, self_signed: bool = False) -> ssl.SSLContext:
        """Context of a server with a certificate for this DNS name, valid for `days`."""
        key, certificate = f"{name}.{days}.{self_signed}.key", f"{name}.{days}.{self_signed}.pem"
        request = ("req", *NEW_KEY, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key)
        if self_signed:
            _openssl(self.folder, *request, "-x509", "-days", str(days), "-out", certificate)
        else:
            _openssl(self.folder, *request, "-out", "request.pem")
            signing = ("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
            _openssl(self.folder, *signing, "-copy_extensions", "copy", "-days", str(days), "-out", certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / certificate, self.folder / key)
        return context

    def client_context(self, *, check_hostname: bool = True) -> ssl.SSLContext:
        """Context of a client that trusts only this authority."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.check_hostname = check_hostname
        return context


def _openssl(folder: Path, *arguments: str) -> None:
    if shutil.which("openssl") is None:
        raise AssertionError("The TLS tests make their certificates with the openssl command, which is not on PATH.")
    process = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=20
    )
    assert process.returncode == 0, process.stderr
