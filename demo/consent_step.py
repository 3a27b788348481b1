"""The consent step of the Create page: a short form whose wording follows the basis, read into an attestation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from demo import cards, texts
from demo.errors import Missing
from demo.inputs import QUIET

if TYPE_CHECKING:
    from safety.consent import Attestation


@dataclass(frozen=True)
class ConsentStep:
    """The form's widgets, in the order in which `read` takes their values."""

    basis: gr.Radio
    subject: gr.Textbox
    attester: gr.Textbox
    source: gr.Textbox
    purpose: gr.Dropdown
    agreed: gr.Checkbox

    @property
    def inputs(self) -> list[gr.Component]:
        return [self.basis, self.subject, self.attester, self.source, self.purpose, self.agreed]


def build() -> ConsentStep:
    """Draw the form inside the current layout."""
    with gr.Column(elem_classes="step-body"):
        gr.HTML(cards.hint(texts.CONSENT_INTRO))
        basis = gr.Radio(
            [(label, value) for value, label in texts.BASIS.items()],
            label=texts.CONSENT_STEP,
            show_label=False,
            container=False,
            elem_id="basis",
        )
        with gr.Row(visible=False) as names:
            subject = gr.Textbox(label=texts.SUBJECT["self"], max_length=200, min_width=180, elem_id="subject")
            attester = gr.Textbox(label=texts.ATTESTER, max_length=200, min_width=180, elem_id="attester")
        with gr.Row(visible=False) as reasons:
            source = gr.Textbox(label=texts.SOURCE["synthetic"], max_length=500, min_width=180, elem_id="source")
            purpose = gr.Dropdown(
                texts.PURPOSES,
                value=texts.PURPOSES[0],
                label=texts.PURPOSE,
                allow_custom_value=True,
                min_width=180,
                elem_id="purpose",
            )
        agreed = gr.Checkbox(label=texts.STATEMENT_BEFORE, visible=False, container=False, elem_id="statement")
        term = gr.HTML(cards.hint(texts.CONSENT_TERM), visible=False)

    def reword(chosen: str | None) -> dict[Any, Any]:
        if chosen not in texts.BASIS:
            return {agreed: gr.Checkbox(value=False, visible=False)}
        return {
            names: gr.Row(visible=True),
            reasons: gr.Row(visible=True),
            subject: gr.Textbox(label=texts.SUBJECT[chosen]),
            attester: gr.Textbox(visible=chosen != "self"),
            source: gr.Textbox(label=texts.SOURCE[chosen] or " ", visible=bool(texts.SOURCE[chosen])),
            agreed: gr.Checkbox(label=texts.STATEMENT[chosen], value=False, visible=True),
            term: gr.HTML(visible=True),
        }

    outputs = [names, reasons, subject, attester, source, agreed, term]
    basis.change(reword, basis, outputs, **QUIET)
    return ConsentStep(basis, subject, attester, source, purpose, agreed)


def read(basis: str | None, subject: str, attester: str, source: str, purpose: str, agreed: bool) -> Attestation:
    """The form as an attestation. Raises `Missing` for an empty field, `ConsentMissing` without the statement.

    The page cannot be trusted to have asked: this runs for every request, whatever door it came through.
    """
    from safety.consent import Attestation
    from safety.errors import ConsentMissing

    if basis not in texts.BASIS:
        raise Missing(texts.MISSING_BASIS)
    if basis == "self":
        attester, source = subject, ""
    fields = {texts.SUBJECT[basis]: subject, texts.ATTESTER: attester, texts.PURPOSE: purpose}
    if texts.SOURCE[basis]:
        fields[texts.SOURCE[basis]] = source
    for label, value in fields.items():
        if not isinstance(value, str) or not value.strip():
            raise Missing(texts.MISSING_FIELD.format(field=label))
    if agreed is not True:
        raise ConsentMissing(texts.MISSING_STATEMENT)
    return Attestation(basis, subject.strip(), attester.strip(), purpose.strip(), source=source.strip())  # type: ignore[arg-type]
