"""The consent form, read on the server whatever the page has shown."""

from __future__ import annotations

import pytest

from demo import consent_step, texts
from demo.errors import Missing
from safety.attestation import Attestation, Reply
from safety.errors import ConsentMissing
from safety.notice import STATEMENT, TERMS


@pytest.mark.parametrize("basis", list(texts.BASIS))
def test_a_complete_form_becomes_an_attestation(basis: str) -> None:
    attestation = consent_step.read(basis, " Ada ", "Bob", "A letter", "Test", True, "five words", "id", "visitor")
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
        consent_step.read("self", "Ada", "", "", "Test", True, answer, asked, "visitor")  # type: ignore[arg-type]


@pytest.mark.parametrize("basis", list(texts.BASIS))
@pytest.mark.parametrize("agreed", [False, None, 0, "yes", 1])
def test_without_the_statement_there_is_no_consent(basis: str, agreed: object) -> None:
    with pytest.raises(ConsentMissing) as refusal:
        consent_step.read(basis, "Ada", "Bob", "A letter", "Test", agreed, "five words", "id")  # type: ignore[arg-type]
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("empty", ["", "   ", None])
def test_an_empty_field_is_named(place: int, empty: str | None) -> None:
    form = ["written-consent", "Ada", "Bob", "A letter", "Test"]
    form[place] = empty  # type: ignore[call-overload]
    with pytest.raises(Missing, match="step 3"):
        consent_step.read(*form, True)  # type: ignore[arg-type]


def test_every_basis_has_its_own_statement_and_labels() -> None:
    assert texts.BASIS.keys() == texts.SUBJECT.keys() == texts.SOURCE.keys()
    for language in texts.LANGUAGES:  # what is shown is what the record names by its hash
        assert texts.BASIS.keys() == STATEMENT[language].keys()
        assert len(set(STATEMENT[language].values())) == len(texts.BASIS)
        assert TERMS[language].split()[0] in consent_step.terms(TERMS[language])
