"""The consent step of the Create page: a short form whose wording follows the basis, read into an attestation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from demo import cards, texts
from demo.errors import Busy, Missing
from demo.guard import explain
from demo.inputs import QUIET
from demo.samples import Sample
from demo.session import Visitors
from demo.studio import Studio

if TYPE_CHECKING:
    from safety.attestation import Attestation
    from vasa_core.types import Speech

DOCUMENT_MEGABYTES = 20  # as safety.attestation has it, whose import would keep the page waiting


@dataclass(frozen=True)
class ConsentStep:
    """The form's widgets, in the order in which `read` takes their values.

    answer, spoken: the words of the challenge phrase, typed or as a recording.   asked: id of the phrase, kept on the
    server.   document: the written permission.
    """

    basis: gr.Radio
    subject: gr.Textbox
    attester: gr.Textbox
    source: gr.Textbox
    purpose: gr.Dropdown
    agreed: gr.Checkbox
    answer: gr.Textbox
    asked: gr.State
    spoken: gr.Audio
    document: gr.File

    @property
    def inputs(self) -> list[gr.Component]:
        return [
            self.basis,
            self.subject,
            self.attester,
            self.source,
            self.purpose,
            self.agreed,
            self.answer,
            self.asked,
            self.spoken,
            self.document,
        ]

    def answers(self, sample: Sample, language: str) -> dict[gr.Component, Any]:
        """What is known of a sample's picture, by widget. The statement is never confirmed for anybody."""
        known = sample.answers(language)
        return {
            self.basis: known["basis"],
            self.subject: known["subject"],
            self.source: known["source"],
            self.agreed: False,
        }


def build(studio: Studio, visitors: Visitors, prefix: str = "") -> ConsentStep:
    """Draw the form inside the current layout. Phrases come from the studio's vault.

    prefix: of the widgets' ids, where the page has the form more than once.
    """
    with gr.Column(elem_classes="step-body"):
        gr.HTML(cards.hint(texts.CONSENT_INTRO))
        basis = gr.Radio(
            [(label, value) for value, label in texts.BASIS.items()],
            label=texts.CONSENT_STEP,
            show_label=False,
            container=False,
            elem_id=f"{prefix}basis",
        )
        with gr.Row(visible=False) as names:
            subject = gr.Textbox(label=texts.SUBJECT["self"], max_length=200, min_width=180, elem_id=f"{prefix}subject")
            attester = gr.Textbox(label=texts.ATTESTER, max_length=200, min_width=180, elem_id=f"{prefix}attester")
        with gr.Row(visible=False) as reasons:
            source = gr.Textbox(
                label=texts.SOURCE["synthetic"], max_length=500, min_width=180, elem_id=f"{prefix}source"
            )
            purpose = gr.Dropdown(
                texts.PURPOSES,
                value=texts.PURPOSES[0],
                label=texts.PURPOSE,
                allow_custom_value=True,
                min_width=180,
                elem_id=f"{prefix}purpose",
            )
        with gr.Column(visible=False, elem_classes="plain") as permission:
            document = gr.File(label=texts.DOCUMENT, type="filepath", height=120, elem_id=f"{prefix}document")
            gr.HTML(cards.hint(texts.DOCUMENT_HINT.format(megabytes=DOCUMENT_MEGABYTES)))
        with gr.Column(visible=False, elem_classes="plain") as phrase:
            with gr.Row():
                answer = gr.Textbox(
                    label=" ", info=texts.PHRASE_INFO, max_length=200, min_width=240, elem_id=f"{prefix}answer"
                )
                again = gr.Button(
                    texts.PHRASE_AGAIN, size="sm", scale=0, min_width=120, elem_id=f"{prefix}answer-again"
                )
            with gr.Accordion(texts.PHRASE_SPOKEN, open=False, elem_id=f"{prefix}say", elem_classes="framed"):
                spoken = gr.Audio(
                    type="filepath",
                    sources=["microphone", "upload"],
                    label=texts.PHRASE_SPOKEN,
                    show_label=False,
                    buttons=[],
                    editable=False,
                    elem_id=f"{prefix}spoken",
                )
                gr.HTML(cards.hint(texts.PHRASE_SPOKEN_HINT))
        asked = gr.State(None)
        agreed = gr.Checkbox(label=texts.STATEMENT_BEFORE, visible=False, container=False, elem_id=f"{prefix}statement")
        term = gr.HTML(cards.hint(texts.CONSENT_TERM), visible=False)

    def ask(request: gr.Request) -> dict[Any, Any]:
        """Show new words to this visitor; those shown before are void."""
        from safety.challenge import issue_challenge

        try:
            made = issue_challenge(studio.vault, str(request.session_hash), texts.language())
        except Exception as error:
            return {answer: gr.Textbox(label=explain(error), value=""), asked: None, spoken: None}
        shown = gr.Textbox(label=texts.PHRASE_LABEL.format(phrase=made.phrase), value="")
        return {answer: shown, asked: made.id, spoken: None}

    def reword(chosen: str | None, request: gr.Request) -> dict[Any, Any]:
        if chosen is None or chosen not in texts.BASIS:
            return {agreed: gr.Checkbox(value=False, visible=False)}
        from safety.notice import STATEMENT, TERMS

        language = texts.language()
        return {
            names: gr.Row(visible=True),
            reasons: gr.Row(visible=True),
            phrase: gr.Column(visible=chosen == "self"),
            permission: gr.Column(visible=chosen == "written-consent"),
            subject: gr.Textbox(label=texts.SUBJECT[chosen]),
            attester: gr.Textbox(visible=chosen != "self"),
            source: gr.Textbox(label=texts.SOURCE[chosen] or " ", visible=bool(texts.SOURCE[chosen])),
            agreed: gr.Checkbox(label=STATEMENT[language][chosen], value=False, visible=True),
            term: gr.HTML(terms(TERMS[language]), visible=True),
            **(ask(request) if chosen == "self" else {}),
        }

    def take(path: str | None, request: gr.Request) -> None:
        """What was uploaded is this visitor's, and goes with them; where there is no place for them, it goes soon."""
        if path is not None:
            with suppress(Busy):
                visitors.of(request.session_hash).uploads.add(Path(path))

    evidence = [phrase, permission, answer, asked, spoken]
    basis.change(reword, basis, [names, reasons, subject, attester, source, agreed, term, *evidence], **QUIET)
    again.click(ask, None, [answer, asked, spoken], **QUIET)
    spoken.input(take, spoken, None, **QUIET)
    document.upload(take, document, None, **QUIET)
    return ConsentStep(basis, subject, attester, source, purpose, agreed, answer, asked, spoken, document)


def terms(text: str) -> str:
    """What the record will name by its hash, folded away under the statement."""
    folded = f"<details><summary>{escape(texts.TERMS_TITLE)}</summary><p>{escape(text)}</p></details>"
    return f'<div class="hint">{escape(texts.CONSENT_TERM)} {folded}</div>'


def read(
    basis: str | None,
    subject: str,
    attester: str,
    source: str,
    purpose: str,
    agreed: bool,
    answer: str = "",
    asked: str | None = None,
    spoken: str | None = None,
    document: str | None = None,
    visitor: str = "",
    *,
    hear: Callable[[str], Speech],
) -> Attestation:
    """The form as an attestation. Raises `Missing` for an empty field, `ConsentMissing` without the statement.

    answer: typed words, which are taken where there is a recording too.   spoken, document: paths of uploads.
    visitor: whom the phrase was shown to.   hear: reads a recording; its errors are passed on.
    The page cannot be trusted to have asked: this runs for every request, whatever door it came through, and the
    phrase is checked and used up when the record is signed.
    """
    from safety.attestation import Attestation, Reply
    from safety.errors import ConsentMissing

    if basis not in texts.BASIS:
        raise Missing(texts.MISSING_BASIS)
    if basis == "self":
        attester, source = subject, ""
    fields = {texts.SUBJECT[basis]: subject, texts.ATTESTER: attester, texts.PURPOSE: purpose}
    written, typed = basis == "written-consent", isinstance(answer, str) and bool(answer.strip())
    if texts.SOURCE[basis] and not written:
        fields[texts.SOURCE[basis]] = source
    for label, value in fields.items():
        if not isinstance(value, str) or not value.strip():
            raise Missing(texts.MISSING_FIELD.format(field=label))
    source = source.strip() if isinstance(source, str) else ""
    if written and not (source or document):
        raise Missing(texts.MISSING_PERMISSION)
    if basis == "self" and not ((typed or spoken) and isinstance(asked, str)):
        raise Missing(texts.MISSING_PHRASE)
    if agreed is not True:
        raise ConsentMissing(texts.MISSING_STATEMENT)
    reply = None
    if basis == "self":
        recording = None if typed or spoken is None else hear(spoken)
        reply = Reply(str(asked), visitor, typed=answer if typed else "", spoken=recording)
    return Attestation(
        basis,  # type: ignore[arg-type]
        subject.strip(),
        attester.strip(),
        purpose.strip(),
        source="" if written else source,
        reference=source if written else "",
        document=_content(document) if written and document else b"",
        reply=reply,
    )


def _content(path: str) -> bytes:
    """Of the written permission; one byte more than may be, if there is more: the attestation refuses it."""
    with Path(path).open("rb") as file:
        content = file.read((DOCUMENT_MEGABYTES << 20) + 1)
    if not content:
        raise Missing(texts.EMPTY_DOCUMENT)
    return content
