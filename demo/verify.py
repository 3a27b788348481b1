"""The Verify page: any file in, what it says about itself and whether the parts agree out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from demo import cards, texts
from demo.cards import Row
from demo.guard import address, explain, outcome
from demo.inputs import QUIET, READS, SHOW, UPLOAD_MEGABYTES
from demo.samples.recognise import Recognised, recognise
from demo.session import Visitors
from demo.specimens import Specimens, draw
from demo.studio import Studio
from demo.withdrawing import Withdrawing

WHILE_THERE = """file => ({__type__: "update", visible: !!file})"""


class Verify:
    """The page's widgets and what they do. Draws itself inside the current layout.

    The file field is a plain one on purpose: a video field re-encodes some files and would strip their manifests.
    """

    def __init__(self, studio: Studio, visitors: Visitors, specimens: Specimens) -> None:
        self.studio, self.visitors, self.specimens = studio, visitors, specimens
        with gr.Row(elem_classes="halves"):
            with gr.Column(min_width=320, elem_classes="left"):
                gr.HTML(f'<p class="lead">{texts.VERIFY_INTRO}</p>')
                self.file = gr.File(
                    label=texts.VERIFY_LABEL, show_label=False, type="filepath", height=220, elem_id="verify-file"
                )
                gr.HTML(cards.hint(texts.VERIFY_PRIVATE.format(megabytes=UPLOAD_MEGABYTES)))
                buttons = draw("verify-")
                Withdrawing(studio, visitors)
            with gr.Column(min_width=320, elem_classes="right"):
                self.report = gr.HTML(self._empty(), elem_id="report")
                self.onward = gr.Button(texts.VERIFY_ONWARD, size="sm", visible=False, elem_id="verify-detect")
        self.file.upload(self.watch, self.file, self.report, **READS)
        self.file.upload(None, js=SHOW % "#report")
        self.file.change(None, self.file, self.onward, js=WHILE_THERE, **QUIET)
        self.file.clear(self._empty, None, self.report, **QUIET)
        for kind, button in buttons:
            button.click(None, js=SHOW % "#report")
            button.click(self._picker(kind), None, [self.file, self.report], **READS)

    def watch(self, path: str | None, request: gr.Request) -> Iterator[str]:
        """`examine`, with something to look at meanwhile."""
        yield cards.empty(texts.VERIFY_WAIT_TITLE, texts.VERIFY_WAIT_TEXT)
        yield self.examine(path, request)

    def _picker(self, kind: str) -> Any:
        def pick(request: gr.Request) -> Iterator[dict[Any, Any]]:
            yield {self.report: cards.empty(texts.VERIFY_WAIT_TITLE, texts.SPECIMENS_WAIT)}
            try:
                path = str(self.specimens.path(kind))
            except Exception as error:
                yield {self.report: cards.notice(explain(error))}
                return
            yield {self.file: path, self.report: self.examine(path, request)}

        return pick

    def examine(self, path: str | None, request: gr.Request) -> str:
        """HTML of the report on a file, or of the reason why there is none."""
        if path is None:
            return self._empty()
        problem: BaseException | None = None
        try:
            self.studio.limits.check("examined", address(request))
            self.visitors.of(request.session_hash).uploads.add(Path(path))
            facts = self.studio.audit(path).to_dict()
            if facts["verdict"] == "foreign_manifest":
                known = recognise(path)
                if known is not None:
                    return sample_html(facts, known)
            return report_html(facts)
        except Exception as error:
            problem = error
            return cards.notice(explain(error))
        finally:
            self.studio.metrics.readings.labels("verify", outcome(problem)).inc()

    @staticmethod
    def _empty() -> str:
        return cards.empty(texts.VERIFY_EMPTY_TITLE, texts.VERIFY_EMPTY_TEXT)


def report_html(facts: dict[str, Any]) -> str:
    """The report as HTML. facts: what `verify --json` prints; its strings come from the file and are escaped."""
    verdict, contradictions = str(facts["verdict"]), facts["contradictions"]
    summary = "" if contradictions else str(facts["summary"])
    rows = [manifest_row(facts["manifest"]), *_other_rows(facts)]
    if facts.get("recovered"):
        rows.insert(1, recovered_row(facts["recovered"]))
    return cards.report_card(texts.VERDICT.get(verdict, verdict), summary, contradictions, rows)


def sample_html(facts: dict[str, Any], known: Recognised) -> str:
    """The report on a clip that ships with the program, made on another machine with keys that are gone."""
    rows = [manifest_row(facts["manifest"], "sample"), *_other_rows(facts)]
    if known.marked:
        word, sentence = texts.WATERMARK["sample"]
        rows[1] = Row(texts.ROW_WATERMARK, "good", word, sentence.format(id=known.watermark_id))
    return cards.report_card(texts.VERDICT["sample"], texts.SAMPLE_SUMMARY, (), rows)


def manifest_row(manifest: dict[str, Any], state: str = "") -> Row:
    """What the signed manifest says. state: overrides the one read."""
    state = state or str(manifest["state"])
    word, sentence = texts.MANIFEST[state]
    details = [(label, str(manifest[key])) for key, label in texts.MANIFEST_FACTS.items() if manifest.get(key)]
    for key, label in (("claims", texts.MANIFEST_CLAIMS), ("failures", texts.MANIFEST_FAILURES)):
        if manifest.get(key):
            details.append((label, "; ".join(map(str, manifest[key]))))
    details += _signing_facts(manifest)
    if state == "Trusted" and manifest.get("development_authority"):
        sentence = f"{sentence} {texts.SIGNED_BY_ITSELF}"
    mood = {"Trusted": "good", "sample": "good", "Invalid": "bad"}.get(state, "none")
    return Row(texts.ROW_MANIFEST, mood, word, sentence, tuple(details))


def recovered_row(recovered: dict[str, Any]) -> Row:
    """What the lost manifest said. It counts as a hint: nothing but the watermark binds it to this copy."""
    word, sentence = texts.RECOVERED
    details = [(label, str(recovered[key])) for key, label in texts.MANIFEST_FACTS.items() if recovered.get(key)]
    if recovered.get("claims"):
        details.append((texts.MANIFEST_CLAIMS, "; ".join(map(str, recovered["claims"]))))
    return Row(texts.ROW_RECOVERED, "none", word, sentence, (*details, *_signing_facts(recovered)))


def _signing_facts(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """The visible sign and the time-stamp, where a manifest states them."""
    shown = (manifest.get("badge") or {}).get("shown")
    facts = [(texts.SIGN_LABEL, texts.SIGN[shown])] if isinstance(shown, bool) else []
    if manifest.get("signed_at"):
        state = str(manifest.get("time_stamp") or "")
        facts.append((texts.SIGNED_AT, f"{manifest['signed_at']} ({texts.TIME_STAMP.get(state, '?')})"))
    return facts


def _other_rows(facts: dict[str, Any]) -> list[Row]:
    """Watermark, sound, consent and log, in this order."""
    mark, consent, log = facts["watermark"], facts["consent"], facts["log"]
    seen = "found" if mark["found"] else "trace" if mark.get("trace") else "none"
    mark_word, mark_sentence = texts.WATERMARK[seen]
    consent_word, consent_sentence = texts.CONSENT[consent["state"]]
    log_word, log_sentence = texts.LOG[log["included"]]
    consent_facts = (
        (texts.CONSENT_RECORD, consent["record_id"]),
        (texts.CONSENT_BASIS, texts.BASES.get(consent.get("basis"), consent.get("basis"))),
        (texts.CONSENT_EVIDENCE, texts.EVIDENCE.get(consent.get("evidence"), consent.get("evidence"))),
    )
    log_facts = ((texts.LOG_ENTRY, log.get("index")), (texts.LOG_MADE, log.get("made_at")))
    return [
        _mark_row(mark, seen, mark_word, mark_sentence),
        _sound_row(facts.get("sound") or {"state": "unknown"}),
        Row(
            texts.ROW_CONSENT,
            {"valid": "good", "withdrawn": "bad", "unknown": "bad"}.get(consent["state"], "none"),
            consent_word,
            consent_sentence.format(**consent),
            _given(consent_facts),
        ),
        Row(
            texts.ROW_LOG,
            {True: "good", False: "bad"}.get(log["included"], "none"),
            log_word,
            log_sentence,
            _given(log_facts),
        ),
    ]


def _mark_row(mark: dict[str, Any], seen: str, word: str, sentence: str) -> Row:
    seconds = [map(texts.Number, span) for span in mark.get("seconds") or ()]
    spans = [texts.MARK_SPAN.format(start=start, end=end) for start, end in seconds]
    picture = (mark.get("picture") or {}).get("state", "unknown")
    details = [(texts.MARK_SECONDS, ", ".join(spans))] if spans else []
    if seen == "found":
        details.append((texts.MARK_PICTURE, texts.PICTURE[picture]))
    mood = "none" if seen != "found" else "bad" if picture == "other" else "good"
    return Row(texts.ROW_WATERMARK, mood, word, sentence.format(id=mark["id"]), tuple(details))


def _sound_row(sound: dict[str, Any]) -> Row:
    word, sentence = texts.SOUND[sound["state"]]
    mood = {"same": "good", "other": "bad"}.get(sound["state"], "none")
    difference = sound.get("difference")
    written = None if difference is None else f"{texts.Number(difference)}"
    facts = ((texts.SOUND_MARK, sound.get("mark")), (texts.SOUND_DIFFERENCE, written))
    return Row(texts.ROW_SOUND, mood, word, sentence, _given(facts))


def _given(facts: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((label, str(value)) for label, value in facts if value not in (None, ""))
