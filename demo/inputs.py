"""The photo and speech steps of the Create page: upload, look at it at once, say what to do if it cannot be used."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demo import cards, texts, voices
from demo.guard import explain
from demo.session import Visitor, Visitors
from demo.studio import READERS, Studio

UPLOAD_MEGABYTES = 100
SILENCE = 1e-3  # peak amplitude below which a recording counts as silent
# Everything goes through the framework's queue: its direct routes are closed (see doorman.py).
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
# Files are read one or two at a time (`Studio.reading`); the others wait in the queue, not in the page's threads.
READS: dict[str, Any] = QUIET | {"concurrency_id": "reads", "concurrency_limit": READERS}
# On a phone the answer is below what was pressed: go there. Filled in: its selector.
SHOW = """() => { const place = document.querySelector("%s");
  if (innerWidth <= 720 && place) place.scrollIntoView({behavior: "smooth", block: "start"}) }"""


def untouched(field: gr.Image) -> gr.Image:
    """Let an image field hand its file over as it is.

    The stock field decodes the file before our code sees it: it drops what provenance needs, ignores EXIF orientation,
    and answers a damaged file with a message that names nothing. Done on the instance, since Gradio writes a stub file
    beside the source of every subclass; so handlers may give the field a value, but no other property: Gradio answers
    those with a new instance.
    """

    def preprocess(payload: Any) -> str | None:
        return None if payload is None else payload.path

    field.preprocess = preprocess  # type: ignore[method-assign]
    return field


class PhotoStep:
    """The photo field: its widgets, and what happens when something is dropped on it. A visitor has one photo.

    number: shown before the title.   prefix: of the widgets' ids, where the page has the step more than once.
    """

    def __init__(self, studio: Studio, visitors: Visitors, number: int = 1, prefix: str = "") -> None:
        self.studio, self.visitors = studio, visitors
        self._hint = cards.hint(texts.PHOTO_HINT.format(megabytes=UPLOAD_MEGABYTES))
        gr.HTML(cards.heading(number, texts.PHOTO_STEP))
        # Shown and hidden by what is around it: an update of the field itself would make a stock field of it.
        with gr.Column(min_width=0) as self.around:
            self.photo = untouched(
                gr.Image(
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "webcam", "clipboard"],
                    label=texts.PHOTO_LABEL,
                    show_label=False,
                    placeholder=texts.PHOTO_DROP,
                    height=260,
                    buttons=[],
                    elem_id=f"{prefix}photo",
                )
            )
        self.card = gr.HTML(visible=False, elem_id=f"{prefix}photo-card")
        self.faces = gr.Radio([], label=texts.FACE_CHOICE, visible=False, elem_id=f"{prefix}faces")
        self.again = gr.Button(
            texts.PHOTO_CHANGE, size="sm", visible=False, elem_id=f"{prefix}photo-again", elem_classes="quiet"
        )
        self.notice = gr.HTML(self._hint, elem_id=f"{prefix}photo-notice")
        self.widgets = [self.around, self.photo, self.card, self.faces, self.again, self.notice]
        # Not `input`: choosing clipboard or camera empties the field first, which is an input too, and what comes
        # while that one is being answered is lost.
        self.photo.upload(self.take_photo, self.photo, self.widgets, trigger_mode="always_last", **READS)
        self.faces.input(self.choose_face, self.faces, self.widgets, **READS)
        self.again.click(self.drop_photo, None, self.widgets, **QUIET)

    # what the visitor does ------------------------------------------------------------------------------------------

    def take_photo(self, upload: str | None, request: gr.Request) -> dict[Any, Any]:
        """Keep the photo and show its face box, or say why it cannot be used."""
        if upload is None:  # taken out of the field again before it got here
            return self.drop_photo(request)
        visitor = None
        try:
            visitor = self.visitors.of(request.session_hash)
            visitor.photo, visitor.face = visitor.keep(upload, "photo"), None
            visitor.photo_name = Path(upload).name
            return self._shown(visitor)
        except Exception as error:
            if visitor is not None:
                visitor.photo = None
            return self._none(cards.notice(explain(error)))

    def choose_face(self, number: int | None, request: gr.Request) -> dict[Any, Any]:
        """Take another face of the same photo. Its own advice appears, or the reason why it cannot be used."""
        visitor = self.visitors.find(request.session_hash)
        if visitor is None or visitor.photo is None:
            return {self.notice: cards.notice(texts.GONE)}
        chosen = visitor.face
        try:
            visitor.face = number
            return self._shown(visitor)
        except Exception as error:
            visitor.face = chosen
            return {self.notice: cards.notice(explain(error)), self.faces: gr.Radio(value=chosen or 0)}

    def drop_photo(self, request: gr.Request) -> dict[Any, Any]:
        """Start over with an empty photo field."""
        if visitor := self.visitors.find(request.session_hash):
            visitor.photo = None
        return self._none(self._hint)

    def refresh(self, request: gr.Request) -> dict[Any, Any]:
        """Show the visitor's photo as it is now: it may have been given elsewhere on the page."""
        visitor = self.visitors.find(request.session_hash)
        if visitor is None or visitor.photo is None:
            return self._none(self._hint)
        try:
            return self._shown(visitor)
        except Exception as error:
            return self._none(cards.notice(explain(error)))

    # what is shown --------------------------------------------------------------------------------------------------

    def _shown(self, visitor: Visitor) -> dict[Any, Any]:
        assert visitor.photo is not None
        check = self.studio.check_photo(visitor.photo, visitor.photo_name, visitor.face)
        self.studio.portraits.anticipate(visitor.photo, check.photo, visitor.face)  # while the form is filled in
        names = [
            ((texts.FACE_NAME if place else texts.FACE_LARGEST).format(number=place + 1), place)
            for place in range(len(check.faces))
        ]
        return {
            self.around: gr.Column(visible=False),
            self.photo: None,
            self.card: gr.HTML(cards.photo_card(check), visible=True),
            self.faces: gr.Radio(names, value=check.index, visible=len(names) > 1),
            self.again: gr.Button(visible=True),
            self.notice: "",
        }

    def _none(self, message: str) -> dict[Any, Any]:
        return {
            self.around: gr.Column(visible=True),
            self.photo: None,
            self.card: gr.HTML("", visible=False),
            self.faces: gr.Radio(visible=False),
            self.again: gr.Button(visible=False),
            self.notice: message,
        }


class SpeechStep:
    """The voice field: recording, microphone, or the sound of a video."""

    def __init__(self, studio: Studio, visitors: Visitors) -> None:
        self.studio, self.visitors = studio, visitors
        self._hint = cards.hint(texts.SPEECH_HINT.format(megabytes=UPLOAD_MEGABYTES))
        gr.HTML(cards.heading(2, texts.SPEECH_STEP))
        self.speech = gr.Audio(
            type="filepath",
            sources=["upload", "microphone"],
            label=texts.SPEECH_LABEL,
            show_label=False,
            buttons=[],
            editable=False,
            elem_id="speech",
        )
        self.of_video = gr.UploadButton(
            texts.SPEECH_VIDEO,
            file_types=["video"],
            size="sm",
            type="filepath",
            elem_id="speech-video",
            elem_classes="quiet",
        )
        if voices.available():
            self._draw_typing()
        self.notice = gr.HTML(self._hint, elem_id="speech-notice")
        self.widgets = [self.speech, self.notice]
        if voices.available():
            self.say.click(self.take_text, [self.text, self.voice], self.widgets, **READS)
        self.speech.input(self.take_speech, self.speech, self.widgets, **READS)
        self.speech.clear(self.take_speech, self.speech, self.widgets, **READS)
        self.of_video.upload(self.take_film, self.of_video, self.widgets, **READS)

    def _draw_typing(self) -> None:
        with gr.Accordion(texts.TYPE_TITLE, open=False, elem_id="typing"):
            self.text = gr.Textbox(
                label=texts.TYPE_LABEL, max_length=voices.LONGEST, lines=3, max_lines=6, elem_id="type-text"
            )
            spoken = "fr-fr" if texts.language() == "fr" else "en-us"
            choices = [(name, voice) for voice, name in voices.VOICES.items()]
            self.voice = gr.Dropdown(choices, value=spoken, label=texts.TYPE_VOICE, elem_id="type-voice")
            self.say = gr.Button(texts.TYPE_SAY, size="sm", elem_id="type-say")

    def take_text(self, text: str, voice: str, request: gr.Request) -> dict[Any, Any]:
        """Have typed text spoken by a synthetic voice and take that as the recording; consent and manifest say so."""
        try:
            visitor = self.visitors.of(request.session_hash)
            made = voices.speak(text, voice, visitor.new("typed", ".wav"))
            shown = self.take_speech(str(made), request)
            made.unlink(missing_ok=True)
            if visitor.speech is not None:
                visitor.voice = voices.name_of(voice)
                visitor.speech_name = f"synthetic voice, {visitor.voice}.wav"
                shown |= {self.speech: str(visitor.speech), self.notice: self._synthetic(visitor)}
            return shown
        except Exception as error:
            return {self.notice: cards.notice(explain(error))}

    def _synthetic(self, visitor: Visitor) -> str:
        assert visitor.speech is not None
        seconds = texts.Number(self.studio.hear(visitor.speech, visitor.speech_name).seconds)
        return cards.notice(texts.TYPE_DONE.format(voice=visitor.voice, seconds=seconds), "good")

    def take_speech(self, upload: str | None, request: gr.Request, shown: bool = True) -> dict[Any, Any]:
        """Keep the recording and say how long it is, or why it cannot be used. shown: the page's player plays it."""
        if visitor := self.visitors.find(request.session_hash):
            visitor.speech, visitor.voice = None, ""
        if upload is None:
            return {self.notice: self._hint}
        try:
            visitor = self.visitors.of(request.session_hash)
            kept = visitor.keep(upload, "speech", shown)
            visitor.speech_name = Path(upload).name
            message = self._heard(kept, visitor.speech_name)
            visitor.speech = kept
        except Exception as error:
            return {self.speech: gr.Audio(value=None), self.notice: cards.notice(explain(error))}
        return {self.notice: message}

    def refresh(self, request: gr.Request) -> dict[Any, Any]:
        """Show the visitor's recording as it is now. What came from a video has no player."""
        visitor = self.visitors.find(request.session_hash)
        if visitor is None or visitor.speech is None:
            return {self.notice: self._hint}
        try:
            said = self._synthetic(visitor) if visitor.voice else self._heard(visitor.speech, visitor.speech_name)
        except Exception as error:
            return {self.notice: cards.notice(explain(error))}
        kind = mimetypes.guess_type(visitor.speech.name)[0] or ""
        player = {self.speech: str(visitor.speech)} if kind.startswith("audio") else {}
        return player | {self.notice: said}

    def take_film(self, upload: str | None, request: gr.Request) -> dict[Any, Any]:
        """Keep a video for its sound. The player is emptied: browsers cannot play every video's sound."""
        return {self.speech: gr.Audio(value=None)} | self.take_speech(upload, request, shown=False)

    def _heard(self, path: Path, name: str) -> str:
        speech = self.studio.hear(path, name)
        silent = float(np.abs(speech.samples).max(initial=0.0)) < SILENCE
        sentence = texts.SPEECH_SILENT if silent else texts.SPEECH_LENGTH
        said = sentence.format(name=name, seconds=texts.Number(speech.seconds))
        return cards.notice(said, "note" if silent else "good")


class Inputs:
    """Both steps of the Create page, side by side."""

    def __init__(self, studio: Studio, visitors: Visitors) -> None:
        with gr.Row(elem_classes="inputs"):
            with gr.Column(min_width=210):
                self.photo = PhotoStep(studio, visitors)
            with gr.Column(min_width=210):
                self.speech = SpeechStep(studio, visitors)
        self.widgets = [*self.photo.widgets, *self.speech.widgets]

    def refresh(self, request: gr.Request) -> dict[Any, Any]:
        """Show both files of the visitor as they are now."""
        return self.photo.refresh(request) | self.speech.refresh(request)

    def load_files(self, photo: Path, speech: Path, request: gr.Request) -> dict[Any, Any]:
        """Put two files that ship with the program into the fields, as if the visitor had dropped them."""
        shown = self.photo.take_photo(str(photo), request) | {self.speech.speech: str(speech)}
        return shown | self.speech.take_speech(str(speech), request)
