"""The certificate authority of the simulators: made once, kept in a state folder, trusted by whoever is told its file.

msal and simple-salesforce insist on https; with this authority they meet a server whose certificate they can verify.
"""

from __future__ import annotations

import fcntl
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""The names under which clients on this machine reach a simulator."""


@dataclass(frozen=True)
class Certificates:
    """An authority's certificate for clients, and what servers on this machine need.

    `server_pem` is (private key, certificate chain), for servers that take no TLS context.
    """

    ca_file: Path
    server_context: ssl.SSLContext
    server_pem: tuple[bytes, bytes]

    def client_context(self) -> ssl.SSLContext:
        """What a client on this machine needs: the system's authorities and ours."""
        context = ssl.create_default_context()
        context.load_verify_locations(self.ca_file)
        return context


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where the authority is kept by default: $XDG_STATE_HOME/concord or ~/.local/state/concord."""
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "state")
    return Path(base) / "concord"


def load_certificates(folder: Path) -> Certificates:
    """The authority in `folder`, made there when absent or damaged, and a fresh server certificate from it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "ca.lock").open("a") as lock:
        # Two simulators started at once must not each make an authority and overwrite the other's file.
        fcntl.flock(lock, fcntl.LOCK_EX)
        authority = _load(folder) or _make(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue_cert(*HOSTS)
    issued.configure_cert(context)
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    return Certificates(folder / "ca.pem", context, (issued.private_key_pem.bytes(), chain))


def _load(folder: Path) -> trustme.CA | None:
    try:
        certificate, key = (folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes()
        if load_pem_x509_certificate(certificate).public_key() != load_pem_private_key(key, None).public_key():
            return None
        return trustme.CA.from_pem(certificate, key)
    except (OSError, ValueError, TypeError):
        return None


def _make(folder: Path) -> trustme.CA:
    authority = trustme.CA(organization_name="Concord simulators")
    key = folder / "ca.key"
    key.unlink(missing_ok=True)
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(authority.private_key_pem.bytes())
    # Replaced in one step, for clients that read it now.
    partial = folder / "ca.pem.partial"
    partial.write_bytes(authority.cert_pem.bytes())
    partial.replace(folder / "ca.pem")
    return authority
