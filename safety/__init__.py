"""Consent, watermark, manifest, ledger: what makes every generated video traceable."""

from safety.audit import AuditReport, audit
from safety.consent import Attestation, ConsentRecord, attest, load_consent, revoke
from safety.seal import SealedVideo, seal
from safety.tokens import issue_token
from safety.vault import Vault

__all__ = [
    "Attestation",
    "AuditReport",
    "ConsentRecord",
    "SealedVideo",
    "Vault",
    "attest",
    "audit",
    "issue_token",
    "load_consent",
    "revoke",
    "seal",
]
