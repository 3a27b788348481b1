"""Reads a file back: manifest x watermark x consent x log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safety.vault import Vault


@dataclass(frozen=True)
class AuditReport:
    contradictions: tuple[str, ...]
    summary: str

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError


def audit(vault: Vault, path: str | Path) -> AuditReport:
    raise NotImplementedError
