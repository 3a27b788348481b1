"""The About page: what this is trained on, what fails, how to report misuse; and the documents it points to."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

import gradio as gr

from demo import texts

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = {  # address under documents/ -> file
    "model-card": ROOT / "MODEL_CARD.md",
    "safety": ROOT / "docs" / "safety.md",
    "threat-model": ROOT / "docs" / "threat_model.md",
    "live": ROOT / "docs" / "live.md",
    "detection": ROOT / "docs" / "detection.md",
    "security": ROOT / "SECURITY.md",
    "licence": ROOT / "LICENSE",
    "samples": ROOT / "demo" / "samples" / "SOURCES.md",
}


def draw() -> None:
    """Draw the page inside the current layout."""
    gr.HTML(page(os.environ.get("CANDOR_CONTACT", "").strip()[:200]), elem_id="about")


def page(contact: str = "") -> str:
    """The page as HTML. contact: whom to write to about this installation, empty when nobody said."""
    parts = [f'<p class="lead">{escape(texts.ABOUT_INTRO)}</p>', _picture()]
    for title, sentences in texts.ABOUT:
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
        parts.append(f"<section><h2>{escape(title)}</h2><ul>{items}</ul></section>")
    if contact:
        parts.append(f'<p class="notice note">{escape(texts.ABOUT_CONTACT.format(contact=contact))}</p>')
    links = "".join(
        f'<li><a href="documents/{name}" target="_blank" rel="noopener">{escape(texts.DOCUMENTS[name])}</a></li>'
        for name, path in DOCUMENTS.items()
        if path.exists()
    )
    parts.append(f'<section><h2>{escape(texts.ABOUT_MORE)}</h2><ul class="links">{links}</ul></section>')
    return f'<article class="about">{"".join(parts)}</article>'


def _picture() -> str:
    """The way of a video, in five boxes."""
    boxes = "".join(f"<li><b>{escape(word)}</b><span>{escape(more)}</span></li>" for word, more in texts.ABOUT_WAY)
    return f'<ol class="way">{boxes}</ol>'
