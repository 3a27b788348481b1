"""The consent form, read on the server whatever the page has shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from demo import consent_step, texts
from demo.errors import Missing
from safety.attestation import MAX_DOCUMENT, Attestation, Reply
from safety.errors import ConsentInvalid, ConsentMissing
from safety.notice import STATEMENT, TERMS
from vasa_core.audio import load_speech
from vasa_core.types import Speech


def read(*form: object, hear: Callable[[str], Speech] = load_speech, **rest: object) -> Attestation:
    return consent_step.read(*form, hear=hear, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("basis", list(texts.BASIS))
def test_a_complete_form_becomes_an_attestation(basis: str) -> None:
    attestation = read(basis, " Ada ", "Bob", "A letter", "Test", True, "five words", "id", visitor="visitor")
    assert isinstance(attestation, Attestation) and attestation.basis == basis and attestation.subject == "Ada"
    assert (attestation.reference, attestation.source) == {
        "self": ("", ""),
        "written-consent": ("A letter", ""),
    }.get(basis, ("", "A letter"))
    if basis == "self":  # who consents for themselves is asked for one name only, and for the phrase
        assert attestation.attester == "Ada" and attestation.reply == Reply("id", "visitor", typed="five words")
    else:
        assert attestation.reply is None


@pytest.mark.parametrize(("answer", "asked"), [("", "id"), ("  ", "id"), (None, "id"), ("five words", None), (7, 7)])
def test_who_consents_for_themselves_answers_the_phrase(answer: object, asked: object) -> None:
    with pytest.raises(Missing, match="words"):
        read("self", "Ada", "", "", "Test", True, answer, asked, visitor="visitor")


@pytest.mark.parametrize("basis", list(texts.BASIS))
@pytest.mark.parametrize("agreed", [False, None, 0, "yes", 1])
def test_without_the_statement_there_is_no_consent(basis: str, agreed: object) -> None:
    with pytest.raises(ConsentMissing) as refusal:
        read(basis, "Ada", "Bob", "A letter", "Test", agreed, "five words", "id")
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("empty", ["", "   ", None])
def test_an_empty_field_is_named(place: int, empty: str | None) -> None:
    form = ["written-consent", "Ada", "Bob", "A letter", "Test"]
    form[place] = empty  # type: ignore[call-overload]
    with pytest.raises(Missing, match="step 3"):
        read(*form, True)


def test_the_words_may_be_spoken_and_typed_ones_come_first(tmp_path: Path) -> None:
    voice = Speech(np.full(16_000, 0.1, np.float32), np.zeros((48_000, 1), np.int16), b"", "audio/wav")
    heard: list[str] = []

    def hear(path: str) -> Speech:
        heard.append(path)
        return voice

    form = ("self", "Ada", "", "", "Test", True)
    reply = read(*form, " ", "id", "words.wav", visitor="visitor", hear=hear).reply
    assert reply is not None and reply.spoken is voice and reply.typed == "" and heard == ["words.wav"]
    reply = read(*form, "five words", "id", "words.wav", visitor="visitor", hear=hear).reply
    assert reply is not None and reply.spoken is None and reply.typed == "five words" and heard == ["words.wav"]
    with pytest.raises(Missing, match="words"):
        read(*form, "", None, "words.wav", visitor="visitor", hear=hear)


def test_a_written_permission_is_a_place_or_the_document_itself(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_bytes(b"She may.")
    form = ("written-consent", "Ada", "Bob")
    both = read(*form, "drawer 4", "Test", True, document=str(letter))
    assert (both.reference, both.document, both.source) == ("drawer 4", b"She may.", "")
    assert read(*form, None, "Test", True, document=str(letter)).document == b"She may."
    assert read("synthetic", "Ada", "Bob", "a program", "Test", True, document=str(letter)).document == b""
    letter.write_bytes(b"")
    with pytest.raises(Missing, match="empty"):
        read(*form, "", "Test", True, document=str(letter))
    with letter.open("wb") as file:
        file.truncate(MAX_DOCUMENT + 1)
    with pytest.raises(ConsentInvalid, match="20 MB"):
        read(*form, "", "Test", True, document=str(letter))
    assert consent_step.DOCUMENT_MEGABYTES << 20 == MAX_DOCUMENT


def test_every_basis_has_its_own_statement_and_labels() -> None:
    assert texts.BASIS.keys() == texts.SUBJECT.keys() == texts.SOURCE.keys()
    for language in texts.LANGUAGES:  # what is shown is what the record names by its hash
        assert texts.BASIS.keys() == STATEMENT[language].keys()
        assert len(set(STATEMENT[language].values())) == len(texts.BASIS)
        assert TERMS[language].split()[0] in consent_step.terms(TERMS[language])
