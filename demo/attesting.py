"""`demo consent`: from options, and at a terminal from a typed phrase, to an attestation."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from demo.errors import UsageError

if TYPE_CHECKING:
    from safety.attestation import Attestation
    from safety.vault import Vault

VISITOR = "command line"  # as `python -m safety phrase` names it
NOT_GIVEN = "not given at the command line"


def draft(args: argparse.Namespace) -> Attestation:
    """The attestation that the options describe, checked before any work is done.

    What a basis asks for may be left out here, where whoever types is trusted with the keys: the record then says so.
    Raises UsageError, ConsentInvalid.
    """
    from safety.attestation import Attestation

    if args.phrase and args.basis != "self":
        raise UsageError("--phrase is for the basis self. Leave it out.")
    if bool(args.phrase) != bool(args.answer or args.answer_recording):
        raise UsageError("--phrase ID goes with --answer TEXT or --answer-recording FILE. Give both or neither.")
    return Attestation(
        args.basis,
        args.subject,
        args.attester,
        args.purpose,
        expires_days=args.expires,
        source=args.source,
        reference=args.reference,
        document=_document(args),
        unstated=NOT_GIVEN,
        any_audio=args.any_audio,
        languages=tuple(tag.strip() for tag in args.languages.split(",") if tag.strip()),
        distribution=args.distribution,
    )


def complete(drafted: Attestation, args: argparse.Namespace, vault: Vault, err: TextIO) -> Attestation:
    """Show the notice and, for the basis self at a terminal, ask for a phrase. Raises ChallengeFailed."""
    from safety.attestation import Reply
    from safety.challenge import check_reply, issue_challenge
    from safety.notice import notice

    print(notice(args.language, args.basis), file=err)
    reply = None
    if args.phrase:
        spoken = _recording(args)
        reply = Reply(args.phrase, VISITOR, typed=args.answer, spoken=spoken)
    elif args.basis == "self" and sys.stdin is not None and sys.stdin.isatty() and err.isatty():
        asked = issue_challenge(vault, VISITOR, args.language)
        print(f"To show that you are here, type these words: {asked.phrase}", file=err, flush=True)
        reply = Reply(asked.id, VISITOR, typed=sys.stdin.readline())
    if reply is not None:
        check_reply(vault, reply)
        return replace(drafted, reply=reply, unstated="")
    return drafted


def _document(args: argparse.Namespace) -> bytes:
    from safety.attestation import MAX_DOCUMENT

    if args.document is None:
        return b""
    try:
        with args.document.open("rb") as file:
            content: bytes = file.read(MAX_DOCUMENT + 1)  # what is longer is refused by the attestation
    except OSError as error:
        raise UsageError(
            f"The document '{args.document}' cannot be read ({error.strerror}). Check the path."
        ) from error
    if not content:
        raise UsageError(f"The document '{args.document}' is empty. Give the written consent.")
    return content


def _recording(args: argparse.Namespace) -> Any:
    from vasa_core.audio import load_speech

    return load_speech(args.answer_recording) if args.answer_recording else None
