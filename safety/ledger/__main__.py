"""`python -m safety.ledger`: audit the ledger, sign a checkpoint, prove an entry.

Exit codes: 0 done, and nothing found; 1 the audit found something; 2 bad input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from safety.errors import LedgerError
from safety.ledger.auditing import ADVICE, examine
from safety.vault import Vault
from vasa_core.errors import CandorError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(argv)
    try:
        with Vault.open(options.home) as vault:
            return int(options.run(vault, options))
    except CandorError as error:
        print(f"ledger: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m safety.ledger", description="Check and witness the ledger.")
    top.add_argument("--home", type=Path, help="folder of keys and ledger ($CANDOR_HOME, else ~/.candor)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    audit = commands.add_parser("audit", help="find every edited, removed, added or reordered row")
    audit.add_argument("--against", type=Path, metavar="FILE", help="a former checkpoint that the log must continue")
    audit.add_argument("--json", action="store_true", help="print one JSON object")
    audit.set_defaults(run=_audit)
    checkpoint = commands.add_parser("checkpoint", help="sign the log's present size and root")
    checkpoint.add_argument("-o", "--out", type=Path, metavar="FILE", help="where to write it (standard output)")
    checkpoint.set_defaults(run=_checkpoint)
    prove = commands.add_parser("prove", help="print the inclusion proof of one entry as JSON")
    prove.add_argument("position", type=int, metavar="N")
    prove.set_defaults(run=_prove)
    return top


def _audit(vault: Vault, options: argparse.Namespace) -> int:
    against = None
    if options.against is not None:
        try:
            against = options.against.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LedgerError(f"The checkpoint {options.against} cannot be read. Check the path.") from error
    result = examine(vault.ledger, against)
    if options.json:
        print(json.dumps(result.to_dict()))
        return 0 if result.sound else 1
    for finding in result.findings:
        print(f"FOUND {finding.code}: {finding.text}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in result.counts.items())
    print(f"{result.entries} entries ({kinds or 'none'}), root {result.root}")
    print("Nothing was edited, removed, added or reordered." if result.sound else ADVICE)
    return 0 if result.sound else 1


def _checkpoint(vault: Vault, options: argparse.Namespace) -> int:
    note = vault.ledger.checkpoint()
    if options.out is None:
        print(note, end="")
        return 0
    try:
        options.out.write_text(note, encoding="utf-8")
    except OSError as error:
        raise LedgerError(f"{options.out} cannot be written ({error.strerror}). Choose another place.") from error
    return 0


def _prove(vault: Vault, options: argparse.Namespace) -> int:
    print(json.dumps(vault.ledger.prove(options.position).to_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
