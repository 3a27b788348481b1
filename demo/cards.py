"""The pieces of HTML the pages show. Every value that comes from a person or a file is escaped here."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from demo import texts
from demo.progress import STAGES, Step

if TYPE_CHECKING:
    from demo.studio import Creation, PhotoCheck

PREVIEW = 640  # pixels, longer side of the photo shown with its face box
ACCENT, QUIET = (20, 184, 166), (255, 255, 255)
ADDRESS = {"en": "./?lang=en", "fr": "./fr"}  # of the page in each language
CURRENT = ' aria-current="true"'


LOGO = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="9" fill="#0f766e"/>'
    '<path d="M21.6 11.2a8 8 0 1 0 0 9.6" fill="none" stroke="#fff" stroke-width="3.2" stroke-linecap="round"/>'
    '<circle cx="22.5" cy="16" r="2.2" fill="#fff"/></svg>'
)


def header(warned: bool = False) -> str:
    """The page's name, what it does, and the way to the other language. warned: of the development authority."""
    banner = f'<p class="banner" role="note">{escape(texts.WARNING)}</p>' if warned else ""
    links = "".join(
        f'<a href="{ADDRESS[name]}" lang="{name}" hreflang="{name}"'
        f"{CURRENT if name == texts.language() else ''}>{escape(word)}</a>"
        for name, word in texts.LANGUAGES.items()
    )
    return (
        f'<header class="top">{LOGO}<h1>{texts.NAME}</h1><p>{escape(texts.TAGLINE)}</p>'
        f'<nav class="languages" aria-label="{escape(texts.LANGUAGE)}">{links}</nav></header>{banner}'
    )


def footer() -> str:
    """What becomes of files, and the sentences for the framework's messages, which static/toasts.js looks up here."""
    words = escape(json.dumps(texts.TOASTS, ensure_ascii=False))
    return f'<footer class="foot" data-words="{words}">{escape(texts.FOOTER)}</footer>'


def heading(number: int, title: str) -> str:
    """A numbered step's title."""
    return f'<h2 class="step"><span>{number}</span>{escape(title)}</h2>'


def notice(message: str, kind: str = "error") -> str:
    """One sentence that needs attention. kind: error, note or good."""
    role = "alert" if kind == "error" else "status"
    return f'<div class="notice {kind}" role="{role}">{escape(message)}</div>'


def hint(message: str) -> str:
    return f'<p class="hint">{escape(message)}</p>'


def empty(title: str, message: str, known: str = "") -> str:
    """What stands where a result will be. known: what can be said already."""
    first = f"<strong>{escape(known)}</strong>" if known else ""
    return (
        f'<div class="stage empty"><svg viewBox="0 0 96 96" aria-hidden="true"><circle cx="48" cy="36" r="17"/>'
        f'<path d="M16 88c2-20 15-29 32-29s30 9 32 29"/></svg><h2>{escape(title)}</h2><p>{escape(message)}</p>'
        f"{first}</div>"
    )


def photo_card(check: PhotoCheck) -> str:
    """The photo with its face box, the face's size, and advice."""
    facts = (texts.FACE_ONE if len(check.faces) == 1 else texts.FACE_CHOSEN).format(size=check.face.size)
    advice = texts.said(check.face.advice) if check.face.advice else texts.FACE_GOOD
    kind = "note" if check.face.advice else "good"
    return (
        f'<figure class="photo-card"><img src="{_boxed(check)}" alt="{escape(facts)}">'
        f'<figcaption class="{kind}"><strong>{escape(facts)}</strong><span>{escape(advice)}</span></figcaption>'
        "</figure>"
    )


def _boxed(check: PhotoCheck) -> str:
    """The photo, scaled down, with its face boxes, as a data address: it never becomes a file."""
    picture = Image.fromarray(check.photo.pixels)
    scale = min(1.0, PREVIEW / max(picture.size))
    small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    pen = ImageDraw.Draw(small)
    for number, face in enumerate(check.faces):
        chosen = number == check.index
        box = tuple(side * scale for side in face.box)
        pen.rounded_rectangle(box, radius=10, outline=ACCENT if chosen else QUIET, width=4 if chosen else 2)
        if len(check.faces) > 1:
            left, top = box[0] + 6, max(box[1] + 4, 0)
            pen.text((left, top), str(number + 1), fill=QUIET, stroke_width=2, stroke_fill=(0, 0, 0), font_size=20)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def gaze_pad(yaw: str, pitch: str) -> str:
    """A field to point at with a finger, the mouse or the arrow keys; it moves two sliders, named by their ids."""
    return (
        f'<div class="gaze-pad" tabindex="0" role="group" aria-label="{escape(texts.GAZE_PAD)}" data-yaw="{yaw}" '
        f'data-pitch="{pitch}"><i></i><span>{escape(texts.GAZE_PAD)}</span></div>'
    )


def preview(address: str) -> str:
    """A still under the controls. address: of the picture."""
    return f'<img class="preview" src="{address}" alt="{escape(texts.PREVIEW)}">'


def progress_card(step: Step) -> str:
    """The bar, the stages, and the time left."""
    if step.stage == "waiting":
        left = texts.AHEAD_ONE if step.ahead == 1 else texts.AHEAD_MANY.format(count=step.ahead)
        if step.left is not None:
            left += " " + texts.AHEAD_LEFT.format(seconds=max(step.left, 1))
        stages, title = "", texts.STAGE["waiting"]
    else:
        left = texts.TIME_UNKNOWN if step.left is None else texts.TIME_LEFT.format(seconds=max(step.left, 1))
        title, at = texts.STAGE[step.stage], STAGES.index(step.stage)
        states = ["done" if place < at else "now" if place == at else "" for place in range(len(STAGES))]
        stages = "".join(
            f'<li class="{state}">{escape(texts.STAGE[name])}</li>' for name, state in zip(STAGES, states, strict=True)
        )
    percent = round(step.done * 100)
    return (
        f'<div class="stage working"><h2>{escape(title)}</h2>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
        f'<i style="width:{percent}%"></i></div><p><b>{percent} %</b><span>{escape(left)}</span></p>'
        f"<ol>{stages}</ol></div>"
    )


def facts_list(rows: Iterable[tuple[str, str]]) -> str:
    """Term and value, one pair a line."""
    return "<dl>" + "".join(f"<dt>{escape(term)}</dt><dd>{escape(value)}</dd>" for term, value in rows) + "</dl>"


def result_card(made: Creation) -> str:
    """What the finished video carries and what its making took."""
    sealed = made.sealed
    warning = notice(texts.DEVELOPMENT, "note") if made.development else ""
    timings = [(label, made.timings[stage]) for stage, label in texts.TIMING.items() if stage in made.timings]
    stages = facts_list((label, f"{texts.Number(seconds):.2f} s") for label, seconds in timings)
    facts = sealed_facts(made.report())
    wall, realtime = texts.Number(made.wall), texts.Number(made.realtime)
    facts.append((texts.RESULT_MADE, texts.RESULT_MADE_VALUE.format(wall=wall, realtime=realtime)))
    return (
        f'<section class="card result"><h2>{escape(texts.RESULT_TITLE)}{badge(sealed.manifest_state)}</h2>'
        f"{facts_list(facts)}<details><summary>{escape(texts.RESULT_TIMINGS)}</summary>{stages}</details>{warning}</section>"
    )


def sample_card(title: str, report: Mapping[str, Any]) -> str:
    """What a prepared clip carries. report: what `generate --json` printed when it was made."""
    return (
        f'<section class="card result"><h2>{escape(texts.SAMPLE_TITLE)}: {escape(title)}</h2>'
        f"{facts_list(sealed_facts(report))}{hint(texts.SAMPLE_SIGNER)}</section>"
    )


def sealed_facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows that tell what a sealed video carries."""
    seconds = texts.Number(report["seconds"])
    length = texts.RESULT_LENGTH_VALUE.format(seconds=seconds, frames=report["frames"], fps=report["fps"])
    return [
        (texts.RESULT_WATERMARK, str(report["watermark_id"])),
        (texts.RESULT_CONSENT, str(report["record_id"])),
        (texts.RESULT_LOG, f"№ {report['log_index']}"),
        (texts.RESULT_LENGTH, length),
    ]


def badge(state: str) -> str:
    """A manifest's state as a small coloured word."""
    word = texts.MANIFEST[state][0] if state in texts.MANIFEST else state
    return f'<span class="badge {"good" if state == "Trusted" else "bad"}">{escape(word)}</span>'


@dataclass(frozen=True)
class Row:
    """One witness. mood: good, bad or none.  word: its state in a word.  details: further facts, folded away."""

    title: str
    mood: str
    word: str
    sentence: str
    details: tuple[tuple[str, str], ...] = ()


def report_card(verdict: str, summary: str, contradictions: Sequence[str], rows: Sequence[Row]) -> str:
    """The answer to "what is this file?": contradictions first, then the witnesses one by one."""
    warning = ""
    if contradictions:
        items = "".join(f"<li>{escape(texts.said(item))}</li>" for item in contradictions)
        title = f"<strong>{escape(texts.CONTRADICTION)}</strong>"
        warning = f'<div class="notice error" role="alert">{title}<ul>{items}</ul></div>'
    lines = "".join(_row(row) for row in rows)
    lead = f'<p class="lead">{escape(texts.said(summary))}</p>' if summary else ""
    return (
        f'<section class="card report"><h2>{escape(verdict)}</h2>{warning}{lead}<ul class="rows">{lines}</ul></section>'
    )


def _row(row: Row) -> str:
    more = ""
    if row.details:
        more = f"<details><summary>{escape(texts.DETAILS)}</summary>{facts_list(row.details)}</details>"
    word = f'<span class="badge {row.mood}">{escape(row.word)}</span>'
    return f'<li class="{row.mood}"><b>{escape(row.title)}</b><div>{word}<p>{escape(row.sentence)}</p>{more}</div></li>'
