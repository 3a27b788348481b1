"""From one language's page to the other's with everything one has: files, form, controls, result.

Each language is a page of its own, so that changing it opens a new session. The link first asks for a ticket
(`Visitors.hand_over`), carries it over in the part of the address that no server sees, and the new page shows what the
visitor holds, in its own language. The consent's statement is never carried: its words change, so it is confirmed anew.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo import texts
from demo.create import Create
from demo.guard import explain
from demo.inputs import QUIET, READS
from demo.session import Visitors

CARRIED = (gr.Radio, gr.Textbox, gr.Dropdown, gr.Slider, gr.Number)
ASKED_ANEW = ("answer", "statement")
GO = "ticket => { window.candorMove.go(ticket); }"
TICKET = "() => window.candorMove.ticket()"


class Moving:
    """Two hidden buttons that the page's script presses. Draws itself inside the current layout."""

    def __init__(self, visitors: Visitors, create: Create) -> None:
        self.visitors, self.create = visitors, create
        widgets = [*create.consent.inputs, *create.look.inputs]
        self.fields = {
            str(part.elem_id): part for part in widgets if isinstance(part, CARRIED) and part.elem_id not in ASKED_ANEW
        }
        leave = gr.Button(visible="hidden", elem_id="move-leave")
        arrive = gr.Button(visible="hidden", elem_id="move-arrive")
        ticket = gr.Textbox(visible="hidden", elem_id="move-ticket")
        left = leave.click(self.leave, list(self.fields.values()), ticket, **QUIET)
        left.then(None, ticket, None, js=GO)
        shown = [create.notice, *create.inputs.widgets, *create.result.widgets, *self.fields.values()]
        arrive.click(self.arrive, ticket, shown, js=TICKET, **READS)

    def leave(self, request: gr.Request, *values: Any) -> str:
        """Note what was filled in and give the ticket; a visitor who gave no file carries the form alone."""
        try:
            visitor = self.visitors.of(request.session_hash)
            visitor.form = dict(zip(self.fields, values, strict=True)) | {"purposes": list(texts.PURPOSES)}
            return self.visitors.hand_over(request.session_hash)
        except Exception as error:
            explain(error)  # the way to the other page stays open
            return ""

    def arrive(self, ticket: str, request: gr.Request) -> dict[Any, Any]:
        """Everything of the visitor, as this page shows it."""
        visitor = self.visitors.take_over(str(ticket or ""), request.session_hash)
        if visitor is None:
            return {self.create.notice: ""}
        form, visitor.form = visitor.form, {}
        purposes = form.pop("purposes", [])
        if form.get("purpose") in purposes:
            form["purpose"] = texts.PURPOSES[purposes.index(form["purpose"])]
        shown = {
            field: gr.update(value=form[name]) for name, field in self.fields.items() if form.get(name) is not None
        }
        shown |= self.create.inputs.refresh(request)
        if (
            visitor.last is not None
            and visitor.last.made is not None
            and visitor.result == visitor.last.made.sealed.path
        ):
            shown |= self.create.result.made(visitor.last, None)
        return shown
