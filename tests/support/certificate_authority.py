"""A certificate authority for one test run: it signs what it is asked to, by the `openssl` of this machine."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
EXPIRED = -1


@dataclass(frozen=True, slots=True)
class Authority:
    """`Authority.found(folder)`, then `server(name)` for the side that shows a certificate and `visitor()` for ours."""

    folder: Path

    @classmethod
    def found(cls, folder: Path) -> Authority:
        subject = ("-subj", "/CN=Authority of the tests", "-days", "2")
        _openssl(folder, "req", "-x509", *NEW_KEY, *subject, "-keyout", "ca.key", "-out", "ca.pem")
        return cls(folder)

    def server(self, name: str, *, days: int = 2, self_signed: bool = False) -> ssl.SSLContext:
        """For a server that shows a certificate for this DNS name, good for so many days."""
        key, certificate = f"{name}.{days}.{self_signed}.key", f"{name}.{days}.{self_signed}.pem"
        asks = ("req", *NEW_KEY, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key)
        if self_signed:
            _openssl(self.folder, *asks, "-x509", "-days", str(days), "-out", certificate)
        else:
            _openssl(self.folder, *asks, "-out", "request.pem")
            signs = ("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
            _openssl(self.folder, *signs, "-copy_extensions", "copy", "-days", str(days), "-out", certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / certificate, self.folder / key)
        return context

    def visitor(self, *, check_hostname: bool = True) -> ssl.SSLContext:
        """For a client that trusts this authority and no other."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.check_hostname = check_hostname
        return context


def _openssl(folder: Path, *words: str) -> None:
    if shutil.which("openssl") is None:
        raise AssertionError("The tests of TLS make their certificates with the command openssl, which is not on PATH.")
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
