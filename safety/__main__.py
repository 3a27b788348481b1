"""Keys, phrases and receipts of an installation. `python -m safety --help` lists the commands.

Exit codes: 0 done; 2 not possible; 3 the receipt does not hold together, or its consent was withdrawn.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from safety.challenge import PHRASE_SECONDS, issue_challenge
from safety.consent import load_consent, withdrawn_at
from safety.keys import rotate_mark_key
from safety.receipt import check_receipt, load_receipt, make_receipt, save_receipt
from safety.vault import Vault
from safety.words import WORDS
from vasa_core.errors import CandorError

COMMAND_LINE = "command line"  # the visitor whose phrases `demo consent` answers


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except CandorError as error:
        plain = "".join(char if char.isprintable() else " " for char in str(error))
        print(f"safety: {' '.join(plain.split())}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m safety", description="Keys, phrases and receipts.")
    top.add_argument("--home", type=Path, help="folder of keys and ledger ($CANDOR_HOME, else ~/.candor)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("rotate-mark-key", help="make a new watermark key; old videos stay readable").set_defaults(
        run=_rotate
    )
    commands.add_parser("public-key", help="print the key that receipts are checked with").set_defaults(run=_public_key)
    phrase = commands.add_parser("phrase", help="print a challenge phrase for `demo consent --phrase ID`")
    phrase.add_argument("--language", choices=tuple(WORDS), default="en", help="of the words (en)")
    phrase.set_defaults(run=_phrase)
    receipt = commands.add_parser("receipt", help="make the receipt of a consent file, without its secrets")
    receipt.add_argument("consent", type=Path, metavar="CONSENT.json")
    receipt.add_argument("-o", "--out", type=Path, required=True, metavar="RECEIPT.json")
    receipt.set_defaults(run=_receipt)
    check = commands.add_parser("check-receipt", help="check a receipt, offline")
    check.add_argument("receipt", type=Path, metavar="RECEIPT.json")
    check.add_argument("--key", metavar="HEX", help="public key of the installation that must have signed it")
    check.add_argument("--withdrawn", action="store_true", help="also ask this installation's ledger whether it stands")
    check.set_defaults(run=_check)
    return top


def _rotate(options: argparse.Namespace) -> None:
    with Vault.open(options.home) as vault:
        key_id = rotate_mark_key(vault.home / "keys")
    print(f"New watermark key {key_id}. Programs that are running use it after a restart.")


def _public_key(options: argparse.Namespace) -> None:
    with Vault.open(options.home) as vault:
        print(vault.consent_key.public_hex)


def _phrase(options: argparse.Namespace) -> None:
    with Vault.open(options.home) as vault:
        made = issue_challenge(vault, COMMAND_LINE, options.language)
    print(f"{made.id}  {made.phrase}")
    print(f"Good for {PHRASE_SECONDS // 60} minutes and one record.", file=sys.stderr)


def _receipt(options: argparse.Namespace) -> None:
    with Vault.open(options.home) as vault:
        save_receipt(make_receipt(vault, load_consent(options.consent)), options.out)
    print(f"Receipt written to {options.out}.")


def _check(options: argparse.Namespace) -> None:
    found = check_receipt(load_receipt(options.receipt), options.key)
    record = found.record
    processing, event = record["processing"], record["event"]
    facts = {
        "record": record["record_id"],
        "basis": processing["basis"],
        "evidence": processing.get("evidence", {}).get("kind", "not recorded then"),
        "scope": json.dumps(processing["scope"], ensure_ascii=False),
        "given": event["given_at"],
        "expires": event["expires_at"],
        "log": f"entry {found.log_index} of {found.log_size}, root {found.root}",
        "signed by": f"{found.key}{'' if found.pinned else '  (compare: anybody can sign with a key of their own)'}",
        "notice": found.notice or "unknown to this program",
    }
    for name, value in facts.items():
        print(f"{name:10} {''.join(c if c.isprintable() else ' ' for c in str(value))}")
    if options.withdrawn:
        with Vault.open(options.home) as vault:
            since = withdrawn_at(vault, str(record["record_id"]))
        print(f"{'withdrawn':10} {since:%Y-%m-%d}" if since else f"{'withdrawn':10} no")
    print(f"The receipt holds together{'' if found.pinned else '; whose key it is, it cannot say'}.")


if __name__ == "__main__":
    sys.exit(main())
