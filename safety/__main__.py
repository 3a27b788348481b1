"""`python -m safety rotate-mark-key`: a new watermark key; videos marked with the old ones stay readable."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from safety.keys import rotate_mark_key
from safety.vault import Vault
from vasa_core.errors import CandorError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 2 not possible."""
    top = argparse.ArgumentParser(prog="python -m safety", description="Keys of this installation.")
    top.add_argument("--home", type=Path, help="folder of keys and ledger ($CANDOR_HOME, else ~/.candor)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("rotate-mark-key", help="make a new watermark key; old videos stay readable")
    options = top.parse_args(argv)
    try:
        with Vault.open(options.home) as vault:
            key_id = rotate_mark_key(vault.home / "keys")
    except CandorError as error:
        print(f"safety: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    print(f"New watermark key {key_id}. Programs that are running use it after a restart.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
