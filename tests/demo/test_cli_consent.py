"""What the command line asks for, and takes, as evidence of consent."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from demo.cli import main
from safety.__main__ import main as phrases
from safety.consent import load_consent
from safety.notice import STATEMENT
from tests.demo.conftest import Desk


def test_consent_with_all_that_a_basis_asks_for(desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The options beyond the contract; without them the record says that its evidence was not given."""
    out, paper = tmp_path / "c.json", tmp_path / "paper.pdf"
    paper.write_bytes(b"%PDF signed")
    names = ["--subject", "Ann", "--attester", "Bob", "--purpose", "a test; another", "-o", str(out)]

    def evidence(*options: str) -> dict[str, Any]:
        assert main(["consent", str(desk.photo), str(desk.speech), *names, *options]) == 0
        body = load_consent(out).body
        assert STATEMENT["fr" if "fr" in options else "en"][options[1]] in capfd.readouterr().err
        return body["processing"]

    assert evidence("--basis", "public-domain")["evidence"]["kind"] == "none"
    assert evidence("--basis", "public-domain", "--source", "Navy")["source"] == "Navy"
    written = evidence("--basis", "written-consent", "--document", str(paper), "--language", "fr")
    assert (written["evidence"]["kind"], written["purposes"]) == ("document", ["a test", "another"])
    scope = evidence(
        "--basis", "written-consent", "--reference", "x", "--any-audio", "--languages", "en, fr-CA", "--distribution",
        "private",
    )["scope"]  # fmt: skip
    assert (scope["audio"], scope["languages"], scope["distribution"]) == ("any", ["en", "fr-CA"], "private")
    own = ["--subject", "Ann", "--attester", "Ann"]
    assert evidence("--basis", "self", *own)["evidence"]["kind"] == "none"  # nobody could be asked: no terminal
    assert phrases(["phrase"]) == 0
    number, *words = capfd.readouterr().out.split()
    asked = evidence("--basis", "self", *own, "--phrase", number, "--answer", " ".join(words))["evidence"]
    assert (asked["kind"], asked["channel"]) == ("challenge", "typed")
    for wrong in (["--answer", "x"], ["--phrase", number], ["--phrase", number, "--answer", "other words"]):
        command = ["consent", str(desk.photo), str(desk.speech), *names, "--basis", "self", *own, *wrong]
        assert main(command) in (2, 3)


def test_at_a_terminal_the_phrase_is_asked_for(desk: Desk, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo", "consent", str(desk.photo), str(desk.speech), "--basis", "self"]
    command += ["--subject", "Ann", "--attester", "Ann", "--purpose", "a test", "-o", str(tmp_path / "c.json")]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"these words: " not in seen or not seen.endswith(b"\n"):
        seen += os.read(ours, 4096)
    os.write(ours, seen.rsplit(b"these words: ", 1)[1].strip() + b"\n")
    while process.poll() is None:
        with suppress(OSError):  # the other end is closed when the program ends
            os.read(ours, 4096)
    os.close(ours)
    assert process.returncode == 0
    assert load_consent(tmp_path / "c.json").body["processing"]["evidence"]["channel"] == "typed"
