"""Withdrawing a consent on the Verify page: a receipt, or what stands in it, and the record reads as withdrawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from demo import cards, texts
from demo.errors import Missing
from demo.guard import address, explain
from demo.inputs import QUIET
from demo.logs import event
from demo.session import Visitors
from demo.studio import Studio


class Withdrawing:
    """A folded form and what its button does. Draws itself inside the current layout."""

    def __init__(self, studio: Studio, visitors: Visitors) -> None:
        self.studio, self.visitors = studio, visitors
        with gr.Accordion(texts.WITHDRAW_TITLE, open=False, elem_id="withdraw"):
            gr.HTML(cards.hint(texts.WITHDRAW_INTRO) + cards.hint(texts.WITHDRAW_HINT))
            self.receipt = gr.File(
                label=texts.WITHDRAW_RECEIPT,
                file_types=[".json"],
                type="filepath",
                height=150,
                elem_id="withdraw-receipt",
            )
            with gr.Row():
                self.record = gr.Textbox(
                    label=texts.WITHDRAW_RECORD, max_length=36, min_width=240, elem_id="withdraw-record"
                )
                self.code = gr.Textbox(
                    label=texts.WITHDRAW_CODE, max_length=100, min_width=180, elem_id="withdraw-code"
                )
            self.sure = gr.Checkbox(label=texts.WITHDRAW_SURE, container=False, elem_id="withdraw-sure")
            self.go = gr.Button(texts.WITHDRAW, size="sm", elem_id="withdraw-go")
            self.notice = gr.HTML(elem_id="withdraw-notice")
        self.receipt.upload(self.read, self.receipt, [self.receipt, self.record, self.code, self.notice], **QUIET)
        given = [self.record, self.code, self.sure]
        self.go.click(self.withdraw, given, [self.sure, self.notice], **QUIET)

    def read(self, path: str | None) -> dict[Any, Any]:
        """Fill the form in from a receipt. The upload goes at once: there is a secret in it."""
        from safety.receipt import load_receipt

        if path is None:
            return {self.notice: ""}
        try:
            receipt = load_receipt(path)
            record, code = receipt.get("record"), receipt.get("withdrawal_code")
            if not (isinstance(record, dict) and isinstance(code, str) and code):
                raise Missing(texts.WITHDRAW_NO_CODE)
        except Exception as error:
            return {self.receipt: None, self.notice: cards.notice(explain(error))}
        finally:
            if self.visitors.root in Path(path).parents:  # an upload, not one of the files that ship
                Path(path).unlink(missing_ok=True)
        return {
            self.receipt: None,
            self.record: str(record.get("record_id", ""))[:36],
            self.code: code[:100],
            self.notice: cards.notice(texts.WITHDRAW_READ, "note"),
        }

    def withdraw(self, record: str, code: str, sure: bool, request: gr.Request) -> dict[Any, Any]:
        """Withdraw the consent for good, or say why not."""
        from safety.consent import withdraw

        try:
            for label, value in ((texts.WITHDRAW_RECORD, record), (texts.WITHDRAW_CODE, code)):
                if not isinstance(value, str) or not value.strip():
                    raise Missing(texts.WITHDRAW_MISSING.format(field=label))
            if sure is not True:
                raise Missing(texts.WITHDRAW_UNSURE)
            self.studio.limits.check("withdrawals", address(request))
            withdraw(self.studio.vault, record, code)
        except Exception as error:
            return {self.notice: cards.notice(explain(error))}
        event("consent withdrawn")
        done = texts.WITHDRAWN.format(record=record.strip().lower())
        return {self.sure: False, self.notice: cards.notice(done, "good")}
