"""The About page: what this is trained on, what fails, how to report misuse; and the documents it points to."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from demo import samples, texts

ROOT = Path(__file__).resolve().parents[1]
DETECTOR = ROOT / "detection" / "weights" / "detector.safetensors"
DOCUMENTS = {  # address under documents/ -> file
    "model-card": ROOT / "MODEL_CARD.md",
    "safety": ROOT / "docs" / "safety.md",
    "threat-model": ROOT / "docs" / "threat_model.md",
    "app": ROOT / "docs" / "demo.md",
    "live": ROOT / "docs" / "live.md",
    "detection": ROOT / "docs" / "detection.md",
    "api": ROOT / "docs" / "api.md",
    "security": ROOT / "SECURITY.md",
    "licence": ROOT / "LICENSE",
    "samples": ROOT / "demo" / "samples" / "SOURCES.md",
}


def draw() -> None:
    """Draw the page inside the current layout."""
    gr.HTML(page(os.environ.get("CANDOR_CONTACT", "").strip()[:200]), elem_id="about")


def page(contact: str = "") -> str:
    """The page as HTML. contact: whom to write to about this installation, empty when nobody said."""
    parts = [f'<p class="lead">{escape(texts.ABOUT_INTRO)}</p>', _pictures(), _way()]
    for title, sentences in texts.ABOUT:
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
        parts.append(f"<section><h2>{escape(title)}</h2><ul>{items}</ul></section>")
    parts.insert(-2, _error_rates())
    if contact:
        parts.append(f'<p class="notice note">{escape(texts.ABOUT_CONTACT.format(contact=contact))}</p>')
    links = "".join(
        f'<li><a href="documents/{name}" target="_blank" rel="noopener">{escape(texts.DOCUMENTS[name])}</a></li>'
        for name, path in DOCUMENTS.items()
        if path.exists()
    )
    parts.append(f'<section><h2>{escape(texts.ABOUT_MORE)}</h2><ul class="links">{links}</ul></section>')
    return f'<article class="about">{"".join(parts)}</article>'


def _error_rates() -> str:
    """How often the shipped detector is wrong, as its own weights file says; nothing where it says nothing."""
    figures = detector_figures()
    if not figures.get("people"):
        return ""
    rows = bars = ""
    for kind, label in texts.ABOUT_RATES_ROWS.items():
        generated, authentic = figures[f"{kind}_called_generated"], figures[f"{kind}_called_authentic"]
        shares = (generated, authentic, 1 - generated - authentic)
        cells = "".join(f"<td>{_percent(share)}</td>" for share in shares)
        parts = "".join(f'<i style="width:{share:.1%}"></i>' for share in shares)
        bars += f'<p class="shares"><span>{escape(label)}</span><b aria-hidden="true">{parts}</b></p>'
        rows += f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>'
    head = "".join(f'<th scope="col"><i></i>{escape(label)}</th>' for label in texts.ABOUT_RATES_HEAD)
    intro = texts.ABOUT_RATES_INTRO.format(**figures)
    return (
        f'<section id="rates"><h2>{escape(texts.ABOUT_RATES_TITLE)}</h2><p>{escape(intro)}</p>'
        f'<table class="rates"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>{bars}</section>'
    )


def _percent(share: float) -> str:
    return f"{texts.Number(share):.1%}"


def detector_figures() -> dict[str, Any]:
    """What the detector's training measured on people it never saw; the weights themselves are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(DETECTOR), "np") as file:
            figures: dict[str, Any] = json.loads(file.metadata()["facts"])["figures"]
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return {}  # the Detect page names what is wrong with the file
    return figures


def _pictures() -> str:
    """What becomes of a photo: samples that ship with the program, as the server serves them."""
    figures = "".join(
        f'<figure><img src="gradio_api/file={quote(str(samples.FOLDER / name))}" alt="" loading="lazy" width="150">'
        f"<figcaption>{escape(words)}</figcaption></figure>"
        for name, words in texts.ABOUT_PICTURES.items()
    )
    return f'<div class="pictures">{figures}</div>'


def _way() -> str:
    """The way of a video, in five boxes."""
    boxes = "".join(f"<li><b>{escape(word)}</b><span>{escape(more)}</span></li>" for word, more in texts.ABOUT_WAY)
    return f'<ol class="way">{boxes}</ol>'
