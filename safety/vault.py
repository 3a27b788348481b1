"""Keys and ledger of one installation."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from safety.authority import Authority, generated_authority, load_authority
from safety.errors import AuthorityError, LedgerError
from safety.keys import (
    SigningKey,
    create_folder,
    generated_keys,
    load_consent_key,
    load_mark_keys,
)
from safety.ledger import Ledger

CLOCK_SLACK = timedelta(minutes=10)  # several machines may write to one ledger

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Vault:
    """What one installation signs, marks and remembers with. Thread-safe; a context manager.

    authority:   signs C2PA manifests; its root is the trust anchor.
    consent_key: Ed25519, signs consent records and tree heads.
    mark_keys:   32 secret bytes each that place the luma watermark, newest first.
    ledger:      append-only log, consent records, tokens, issued watermark ids.
    clock:       current time in UTC; tests replace it.
    contact:     whom to ask about consents of this installation (CANDOR_CONTACT), empty when not set.
    """

    def __init__(
        self,
        home: Path,
        authority: Authority,
        consent_key: SigningKey,
        mark_keys: tuple[bytes, ...],
        ledger: Ledger,
        clock: Callable[[], datetime],
        contact: str = "",
    ) -> None:
        self.home = home
        self.authority = authority
        self.consent_key = consent_key
        self.mark_keys = mark_keys
        self.ledger = ledger
        self.clock = clock
        self.contact = contact

    def latest(self) -> datetime:
        """The current time, or that of the log's newest entry when the clock has been set back behind it."""
        return max(self.clock(), self.ledger.newest_time() or self.clock())

    def require_clock(self) -> None:
        """A clock set back would make expired consents good again. Raises LedgerError."""
        newest = self.ledger.newest_time()
        if newest is not None and self.clock() < newest - CLOCK_SLACK:
            raise LedgerError(
                f"The clock says {self.clock():%Y-%m-%d %H:%M} UTC, but the ledger's newest entry is of "
                f"{newest:%Y-%m-%d %H:%M}. Set the clock of this computer right."
            )

    @staticmethod
    def at(seconds: int) -> datetime:
        """Unix seconds as a time in UTC."""
        return datetime.fromtimestamp(seconds, UTC)

    @property
    def mark_key(self) -> bytes:
        """The watermark key of new videos."""
        return self.mark_keys[0]

    @property
    def development(self) -> bool:
        """True when the authority was made here: nobody outside this installation vouches for it."""
        return self.authority.development

    @classmethod
    def open(
        cls,
        home: str | Path | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        environment: Mapping[str, str] | None = None,
    ) -> Vault:
        """Open or create the vault in `home` (default $CANDOR_HOME, else ~/.candor).

        Two processes that start at once agree on keys. Raises AuthorityError, LedgerError.
        """
        environment = os.environ if environment is None else environment
        folder = Path(home or environment.get("CANDOR_HOME") or Path.home() / ".candor").expanduser()
        keys = folder / "keys"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            if not keys.exists():
                create_folder(keys, {**generated_keys(), **generated_authority()})
            for path in (keys, *keys.iterdir()):
                _require_private(path)
            authority = load_authority(keys, environment)
            consent_key = load_consent_key(keys, environment)
            mark_keys = load_mark_keys(keys, environment)
        except OSError as error:
            raise AuthorityError(
                f"The vault {folder} cannot be used ({error.strerror}: {error.filename}). "
                "Set CANDOR_HOME to a folder of yours."
            ) from error
        ledger = Ledger(
            environment.get("CANDOR_DATABASE_URL") or f"sqlite:///{folder / 'ledger.sqlite'}",
            consent_key,
            clock,
        )
        if authority.development:
            log.warning(
                "Candor signs with a LOCAL DEVELOPMENT AUTHORITY (%s...): others will not trust its manifests. "
                "Set CANDOR_SIGNING_KEY and CANDOR_SIGNING_CHAIN for real use.",
                authority.fingerprint[:16],
            )
        contact = environment.get("CANDOR_CONTACT", "").strip()[:200]
        return cls(folder, authority, consent_key, mark_keys, ledger, clock, contact)

    def close(self) -> None:
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _require_private(path: Path) -> None:
    """Keys that others can read are no keys; take the rights away and say so."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077 and os.name == "posix":
        log.warning(
            "%s was readable by others (mode %o); made private. Replace the keys if it was shared.",
            path,
            mode,
        )
        path.chmod(mode & 0o700)
