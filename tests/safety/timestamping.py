"""A small RFC 3161 time-stamping authority on a local port: `openssl ts` behind an HTTP server."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

POLICY = """[tsa]
default_tsa = here
[here]
dir = {folder}
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass
class Responder:
    """url: where it answers.  root: PEM of its root.  asked: how many time-stamps it gave.  broken: it answers 500."""

    url: str
    root: str
    asked: list[int] = field(default_factory=list)
    broken: bool = False


@contextmanager
def time_stamping(folder: Path) -> Iterator[Responder]:
    """Runs until the end of the block. Needs the program openssl."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "install openssl"
    root_pem = _certificates(folder)
    (folder / "serial").write_text("01")
    (folder / "tsa.cnf").write_text(POLICY.format(folder=folder))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            if responder.broken:
                self.send_error(500)
                return
            (folder / "query").write_bytes(query)
            command = [openssl, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem"]
            command += ["-inkey", "tsa.key", "-chain", "root.pem", "-out", "reply"]
            subprocess.run(command, check=True, capture_output=True, cwd=folder)
            reply = (folder / "reply").read_bytes()
            responder.asked.append(1)
            self.send_response(200)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        responder = Responder(f"http://127.0.0.1:{server.server_address[1]}/", root_pem)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield responder
        server.shutdown()
        thread.join()


def _certificates(folder: Path) -> str:
    """A root and a time-stamping leaf below it (RFC 3161, section 2.3: that usage alone, and critical)."""
    keys = {name: rsa.generate_private_key(65537, 2048) for name in ("root", "tsa")}
    now = datetime.now(UTC) - timedelta(hours=1)
    certificates = {}
    for name, key in keys.items():
        subject = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
        )
        issuer = subject if name == "root" else certificates["root"].subject
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=10))
            .add_extension(x509.BasicConstraints(ca=name == "root", path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["root"].public_key()), critical=False
            )
            .add_extension(_usage(name == "root"), critical=True)
        )
        if name == "tsa":
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(usage, critical=True)
        certificates[name] = builder.sign(keys["root"], hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificates[name].public_bytes(serialization.Encoding.PEM))
    private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tsa.key").write_bytes(keys["tsa"].private_bytes(*private))
    return (folder / "root.pem").read_text()


def _usage(root: bool) -> x509.KeyUsage:
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    others = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not root, key_cert_sign=root, **others)
