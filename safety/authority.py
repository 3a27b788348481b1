"""The C2PA signing authority: an EC P-256 root and a leaf certificate with the extensions C2PA asks for.

Given by the environment (CANDOR_SIGNING_KEY, CANDOR_SIGNING_CHAIN) or, for development, made at first start in a
folder only the user can read. C2PA 2.4, section 14.5 ("X.509 certificates"), lists the extensions.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from safety.errors import AuthorityError
from safety.keys import from_environment, private_pem, write_private

ORGANISATION = "Candor development authority"
ROOT_DAYS, LEAF_DAYS = 3650, 365
RENEW_DAYS = 30  # a development leaf is renewed when it has fewer days left


@dataclass(frozen=True)
class Authority:
    """Who signs manifests, and whom this installation trusts.

    chain_pem: leaf first, root last.  anchor_pem: the root; a manifest is Trusted when its chain ends there.
    fingerprint: SHA-256 of the root, hex.  development: made here, vouched for by nobody else.
    timestamp_url: of an RFC 3161 authority that is asked at every signing (CANDOR_TIMESTAMP_URL), empty for none.
    timestamp_anchor: PEM of that authority's root (CANDOR_TIMESTAMP_ANCHOR), to judge time-stamps by; it vouches for
    nothing else.
    """

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain_pem: str
    anchor_pem: str
    fingerprint: str
    development: bool
    timestamp_url: str = ""
    timestamp_anchor: str = ""

    def sign(self, data: bytes) -> bytes:
        """ES256 signature, DER."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def load_authority(folder: Path, environment: Mapping[str, str]) -> Authority:
    """The authority of the environment, else the development one in `folder`. Raises AuthorityError."""
    url = environment.get("CANDOR_TIMESTAMP_URL", "").strip()
    if url and not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
        raise AuthorityError("CANDOR_TIMESTAMP_URL is no web address. Give one that starts with http:// or https://.")
    given = environment.get("CANDOR_TIMESTAMP_ANCHOR", "").strip()
    anchor = from_environment("CANDOR_TIMESTAMP_ANCHOR", given) if given else b""
    try:
        x509.load_pem_x509_certificates(anchor) if anchor else None
    except ValueError as error:
        raise AuthorityError("CANDOR_TIMESTAMP_ANCHOR is no PEM certificate. Give the authority's root.") from error
    return replace(_load_signer(folder, environment), timestamp_url=url, timestamp_anchor=anchor.decode())


def _load_signer(folder: Path, environment: Mapping[str, str]) -> Authority:
    key, chain = (
        environment.get("CANDOR_SIGNING_KEY"),
        environment.get("CANDOR_SIGNING_CHAIN"),
    )
    if key and chain:
        key_pem = from_environment("CANDOR_SIGNING_KEY", key)
        return _authority(key_pem, from_environment("CANDOR_SIGNING_CHAIN", chain), development=False)
    if key or chain:
        missing = "CANDOR_SIGNING_CHAIN" if key else "CANDOR_SIGNING_KEY"
        raise AuthorityError(f"{missing} is not set. Set both the signing key and its chain, or neither.")
    signer = (folder / "signer.pem").read_bytes()
    authority = _authority(signer, signer, development=True)
    leaf = x509.load_pem_x509_certificates(signer)[0]
    if leaf.not_valid_after_utc - datetime.now(UTC) < timedelta(days=RENEW_DAYS):
        root_key = serialization.load_pem_private_key((folder / "root.key").read_bytes(), password=None)
        root = x509.load_pem_x509_certificate(authority.anchor_pem.encode())
        assert isinstance(root_key, ec.EllipticCurvePrivateKey)
        scratch = folder / f".signer-{secrets.token_hex(8)}"
        write_private(scratch, _issue_signer(root_key, root))
        os.replace(scratch, folder / "signer.pem")
        signer = (folder / "signer.pem").read_bytes()
        authority = _authority(signer, signer, development=True)
    return authority


def generated_authority() -> dict[str, bytes]:
    """Fresh files of a development authority: the root's key and certificate, the signer's key and chain."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Candor development root")
    root = (
        _builder(name, name, root_key, root_key, ROOT_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    return {
        "root.key": private_pem(root_key),
        "root.pem": root.public_bytes(serialization.Encoding.PEM),
        "signer.pem": _issue_signer(root_key, root),
    }


def _issue_signer(root_key: ec.EllipticCurvePrivateKey, root: x509.Certificate) -> bytes:
    """A new leaf key and its chain, as one PEM file: key, leaf, root."""
    key = ec.generate_private_key(ec.SECP256R1())
    # emailProtection is the one usage that C2PA readers accept without extra configuration.
    leaf = (
        _builder(_name("Candor claim signer"), root.subject, key, root_key, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return private_pem(key) + leaf.public_bytes(pem) + root.public_bytes(pem)


def _authority(key_pem: bytes, chain_pem: bytes, development: bool) -> Authority:
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
        certificates = x509.load_pem_x509_certificates(chain_pem)
    except (ValueError, TypeError) as error:
        raise AuthorityError(
            "The signing key or chain is no readable PEM. Give an EC P-256 key and its certificates."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AuthorityError(
            "The signing key is no EC P-256 key. Make one with `openssl ecparam -name prime256v1 -genkey`."
        )
    if certificates[0].public_key() != key.public_key():
        raise AuthorityError(
            "The signing key does not belong to the first certificate of the chain. Put the leaf first."
        )
    if certificates[0].not_valid_after_utc < datetime.now(UTC) and not development:
        raise AuthorityError("The signing certificate has expired. Set CANDOR_SIGNING_CHAIN to a renewed one.")
    pem = serialization.Encoding.PEM
    return Authority(
        key=key,
        chain_pem=b"".join(certificate.public_bytes(pem) for certificate in certificates).decode(),
        anchor_pem=certificates[-1].public_bytes(pem).decode(),
        fingerprint=certificates[-1].fingerprint(hashes.SHA256()).hex(),
        development=development,
    )


def _name(common: str) -> x509.Name:
    # C2PA requires an organisation in the leaf's subject.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    days: int,
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(minutes=5)  # clocks of verifiers may lag
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(**allowed: bool) -> x509.KeyUsage:
    flags = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{flag: allowed.get(flag, False) for flag in flags})
