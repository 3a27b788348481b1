"""Consent records: who attests what about which photo and which recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safety.vault import Vault
from vasa_core.types import Photo, Speech

Basis = Literal["self", "written-consent", "public-domain", "synthetic"]


@dataclass(frozen=True)
class Attestation:
    basis: Basis
    subject: str
    attester: str
    purpose: str
    expires_days: int = 365
    source: str = ""


@dataclass(frozen=True)
class ConsentRecord:
    id: str
    body: dict[str, Any]

    def save(self, path: str | Path) -> None: ...


def load_consent(path: str | Path) -> ConsentRecord:
    raise NotImplementedError


def attest(vault: Vault, attestation: Attestation, photo: Photo, speech: Speech, language: str = "en") -> ConsentRecord:
    raise NotImplementedError


def revoke(vault: Vault, record_id: str) -> None:
    raise NotImplementedError
