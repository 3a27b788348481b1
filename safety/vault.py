"""Keys and ledger of one installation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Vault:
    development: bool

    @classmethod
    def open(cls, home: str | Path | None = None, *, clock: Callable[[], datetime] = utc_now) -> Vault:
        raise NotImplementedError
