"""The consent form, read on the server whatever the page has shown."""

from __future__ import annotations

import pytest

from demo import consent_step, texts
from demo.errors import Missing
from safety.consent import Attestation
from safety.errors import ConsentMissing


@pytest.mark.parametrize("basis", list(texts.BASIS))
def test_a_complete_form_becomes_an_attestation(basis: str) -> None:
    attestation = consent_step.read(basis, " Ada ", "Bob", "A letter", "Test", True)
    assert isinstance(attestation, Attestation) and attestation.basis == basis and attestation.subject == "Ada"
    if basis == "self":  # who consents for themselves is asked for one name only
        assert attestation.attester == "Ada" and attestation.source == ""


@pytest.mark.parametrize("basis", list(texts.BASIS))
@pytest.mark.parametrize("agreed", [False, None, 0, "yes", 1])
def test_without_the_statement_there_is_no_consent(basis: str, agreed: object) -> None:
    with pytest.raises(ConsentMissing) as refusal:
        consent_step.read(basis, "Ada", "Bob", "A letter", "Test", agreed)  # type: ignore[arg-type]
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("empty", ["", "   ", None])
def test_an_empty_field_is_named(place: int, empty: str | None) -> None:
    form = ["written-consent", "Ada", "Bob", "A letter", "Test"]
    form[place] = empty  # type: ignore[call-overload]
    with pytest.raises(Missing, match="step 3"):
        consent_step.read(*form, True)  # type: ignore[arg-type]


def test_every_basis_has_its_own_statement_and_labels() -> None:
    assert texts.BASIS.keys() == texts.STATEMENT.keys() == texts.SUBJECT.keys() == texts.SOURCE.keys()
    assert len(set(texts.STATEMENT.values())) == len(texts.STATEMENT)
