"""The Verify page: any file in, what it says about itself and whether the parts agree out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from demo import cards, texts
from demo.guard import explain
from demo.inputs import QUIET, UPLOAD_MEGABYTES
from demo.session import Visitors
from demo.studio import Studio


class Verify:
    """The page's widgets and what they do. Draws itself inside the current layout.

    The file field is a plain one on purpose: a video field re-encodes some files and would strip their manifests.
    """

    def __init__(self, studio: Studio, visitors: Visitors) -> None:
        self.studio, self.visitors = studio, visitors
        with gr.Row(elem_classes="halves"):
            with gr.Column(min_width=320, elem_classes="left"):
                gr.HTML(f'<p class="lead">{texts.VERIFY_INTRO}</p>')
                self.file = gr.File(
                    label=texts.VERIFY_LABEL, show_label=False, type="filepath", height=220, elem_id="verify-file"
                )
                gr.HTML(cards.hint(texts.VERIFY_PRIVATE.format(megabytes=UPLOAD_MEGABYTES)))
            with gr.Column(min_width=320, elem_classes="right"):
                self.report = gr.HTML(self._empty(), elem_id="report")
        self.file.upload(self.examine, self.file, self.report, **(QUIET | {"show_progress": "minimal"}))
        self.file.clear(self._empty, None, self.report, **QUIET)

    def examine(self, path: str | None, request: gr.Request) -> str:
        """HTML of the report on a file, or of the reason why there is none."""
        if path is None:
            return self._empty()
        try:
            self.visitors.of(request.session_hash).uploads.add(Path(path))
            return report_html(self.studio.audit(path).to_dict())
        except Exception as error:
            return cards.notice(explain(error))

    @staticmethod
    def _empty() -> str:
        return cards.empty(texts.VERIFY_EMPTY_TITLE, texts.VERIFY_EMPTY_TEXT)


def report_html(facts: dict[str, Any]) -> str:
    """facts: what `verify --json` prints."""
    manifest, mark, consent, log = facts["manifest"], facts["watermark"], facts["consent"], facts["log"]
    state = str(manifest["state"]).lower()
    generator = manifest.get("generator")
    made = texts.GENERATOR.format(generator=generator) if generator else ""
    claims = f"{texts.CLAIMS} {'; '.join(map(str, manifest['claims']))}" if manifest.get("claims") else ""
    manifest_mood = {"trusted": "good", "none": "none"}.get(state, "bad" if state == "invalid" else "none")
    found = texts.WATERMARK_FOUND.format(id=mark["id"]) if mark["found"] else texts.WATERMARK_NONE
    consent_state = str(consent["state"]).lower()
    known = bool(consent.get("record_id"))
    rows = [
        (texts.ROW_MANIFEST, manifest_mood, texts.MANIFEST_STATE.get(state, str(manifest["state"])), f"{made} {claims}".strip()),
        (texts.ROW_WATERMARK, "good" if mark["found"] else "none", found, ""),
        (
            texts.ROW_CONSENT,
            "good" if known and consent_state not in ("withdrawn", "revoked") else "bad" if known else "none",
            texts.CONSENT_STATE.get(consent_state, consent_state),
            str(consent["record_id"]) if known else "",
        ),
        (texts.ROW_LOG, "good" if log["included"] else "none", texts.LOG_IN if log["included"] else texts.LOG_OUT, ""),
    ]
    return cards.report_card(facts["summary"], facts["contradictions"], rows)
