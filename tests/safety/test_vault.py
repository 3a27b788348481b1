from __future__ import annotations

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from safety import Vault
from safety.authority import generated_authority
from safety.errors import AuthorityError


def test_keys_are_private_and_survive_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "vault"
    with Vault.open(home, environment={}) as first:
        pass
    with Vault.open(home, environment={}) as second:
        assert second.mark_key == first.mark_key
        assert second.authority.fingerprint == first.authority.fingerprint
        assert second.consent_key.public_hex == first.consent_key.public_hex
    for path in [home, home / "keys"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in [*(home / "keys").iterdir(), home / "ledger.sqlite"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_threads_that_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        vaults = list(pool.map(lambda _: Vault.open(tmp_path / "vault", environment={}), range(6)))
    assert len({vault.mark_key for vault in vaults}) == 1
    assert len({vault.authority.fingerprint for vault in vaults}) == 1
    assert sorted(path.name for path in (tmp_path / "vault").iterdir() if path.is_dir()) == ["keys"]
    for vault in vaults:
        vault.close()


def test_the_development_authority_is_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Vault.open(tmp_path / "vault", environment={}) as vault:
        assert vault.development
    assert "DEVELOPMENT AUTHORITY" in caplog.text


def test_rights_that_are_too_wide_are_taken_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Vault.open(tmp_path / "vault", environment={}).close()
    (tmp_path / "vault" / "keys" / "mark.key").chmod(0o644)
    Vault.open(tmp_path / "vault", environment={}).close()
    assert stat.S_IMODE((tmp_path / "vault" / "keys" / "mark.key").stat().st_mode) == 0o600
    assert "readable by others" in caplog.text


def given_keys() -> tuple[str, str]:
    pem = generated_authority()["signer.pem"].decode()
    start = pem.index("-----BEGIN CERTIFICATE")
    return pem[:start], pem[start:]


def test_keys_from_the_environment(tmp_path: Path) -> None:
    key, chain = given_keys()
    (tmp_path / "chain.pem").write_text(chain)
    environment = {
        "CANDOR_SIGNING_KEY": key.replace("\n", "\\n"),  # as hosting panels store it
        "CANDOR_SIGNING_CHAIN": str(tmp_path / "chain.pem"),
        "CANDOR_MARK_KEY": "ab" * 32,
        "CANDOR_HOME": str(tmp_path / "vault"),
    }
    with Vault.open(environment=environment) as vault:
        assert not vault.development
        assert vault.mark_key == b"\xab" * 32
        assert vault.home == tmp_path / "vault"
        root = x509.load_pem_x509_certificates(chain.encode())[-1]
        assert x509.load_pem_x509_certificate(vault.authority.anchor_pem.encode()) == root


@pytest.mark.parametrize(
    "environment",
    [
        {"CANDOR_SIGNING_KEY": given_keys()[0]},
        {"CANDOR_SIGNING_KEY": "/no/such/file", "CANDOR_SIGNING_CHAIN": given_keys()[1]},
        {"CANDOR_SIGNING_KEY": given_keys()[0], "CANDOR_SIGNING_CHAIN": given_keys()[1]},  # of two authorities
        {"CANDOR_SIGNING_KEY": "-----BEGIN nonsense", "CANDOR_SIGNING_CHAIN": given_keys()[1]},
        {"CANDOR_MARK_KEY": "short"},
        {"CANDOR_CONSENT_KEY": given_keys()[0]},  # no Ed25519 key
    ],
    ids=["half", "missing file", "mismatch", "nonsense", "short mark key", "wrong kind"],
)
def test_wrong_keys_are_named(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(AuthorityError):
        Vault.open(tmp_path / "vault", environment=environment)


def test_a_home_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AuthorityError, match="CANDOR_HOME"):
        Vault.open(tmp_path / "file" / "vault", environment={})
