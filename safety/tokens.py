"""One-time generation tokens."""

from safety.consent import ConsentRecord
from safety.vault import Vault
from vasa_core.types import Photo, Speech


def issue_token(vault: Vault, record: ConsentRecord, photo: Photo, speech: Speech) -> str:
    raise NotImplementedError
