"""The closed panel of look and motion controls on the Create page."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo import cards, texts
from demo.inputs import QUIET
from vasa_core.errors import ControlError
from vasa_core.types import Controls

MAX_SEED = 2**31 - 1
FPS_CHOICES = (25, 40, 60)


@dataclass(frozen=True)
class Look:
    """The panel's widgets, in the order in which `read` takes their values.

    panel: what holds them.   preview: where a still is shown.   seen: those of the inputs that change a still.
    """

    inputs: Sequence[gr.Component]
    panel: gr.Accordion
    preview: gr.HTML | None = None
    seen: Sequence[gr.Component] = ()


def build() -> Look:
    """Draw the panel inside the current layout."""

    def slider(low: float, high: float, value: float, step: float, label: str, name: str) -> gr.Slider:
        return gr.Slider(low, high, value=value, step=step, label=label, min_width=200, elem_id=name)

    with gr.Accordion(texts.LOOK, open=False, elem_id="look") as panel:
        with gr.Row(elem_classes="looking"):
            preview = gr.HTML(cards.hint(texts.PREVIEW_NEEDS), elem_id="preview")
            gr.HTML(cards.gaze_pad("gaze-yaw", "gaze-pitch"))
        emotion = gr.Radio(
            [(texts.EMOTIONS[name], name) for name in Controls.EMOTIONS],
            value="neutral",
            label=texts.EMOTION,
            elem_id="emotion",
            elem_classes="chips",
        )
        strength = slider(0, 1, 0.6, 0.05, texts.EMOTION_STRENGTH, "emotion-strength")
        with gr.Row():
            gaze_yaw = slider(-30, 30, 0, 1, texts.GAZE_YAW, "gaze-yaw")
            gaze_pitch = slider(-30, 30, 0, 1, texts.GAZE_PITCH, "gaze-pitch")
        with gr.Row(equal_height=True):
            seed = gr.Number(
                0, label=texts.SEED, precision=0, minimum=0, maximum=MAX_SEED, min_width=120, elem_id="seed"
            )
            roll = gr.Button(texts.SEED_ROLL, size="sm", min_width=120, elem_id="seed-roll")
            reset = gr.Button(texts.LOOK_RESET, size="sm", min_width=120, elem_id="look-reset")
        with gr.Accordion(texts.LOOK_MORE, open=False, elem_id="look-more"):
            with gr.Row():
                head_motion = slider(0, 2, 1, 0.05, texts.HEAD_MOTION, "head-motion")
                mouth = slider(0, 2, 1, 0.05, texts.MOUTH, "mouth")
            with gr.Row():
                blinks = slider(0, 60, 0, 1, texts.BLINKS, "blinks")
                distance = slider(-0.5, 0.5, 0, 0.01, texts.DISTANCE, "distance")
            with gr.Row():
                position_x = slider(-0.5, 0.5, 0, 0.01, texts.POSITION_X, "position-x")
                position_y = slider(-0.5, 0.5, 0, 0.01, texts.POSITION_Y, "position-y")
            with gr.Row():
                turns = [
                    slider(-20, 20, 0, 1, label, f"rotation-{axis}")
                    for label, axis in zip(texts.ROTATION, ("yaw", "pitch", "roll"), strict=True)
                ]
            with gr.Row(equal_height=True):
                fps = gr.Radio(FPS_CHOICES, value=40, label=texts.SMOOTHNESS, min_width=200, elem_id="fps")
                framing = gr.Radio(texts.FRAMINGS, value="head", label=texts.FRAMING, min_width=200, elem_id="framing")
            sign = gr.Checkbox(True, label=texts.SIGN_SWITCH, elem_id="sign")

    widgets = [gaze_yaw, gaze_pitch, emotion, strength, head_motion, mouth, blinks, distance, position_x, position_y]
    seen = [gaze_yaw, gaze_pitch, emotion, strength, distance, position_x, position_y, *turns]
    widgets += [*turns, fps, seed, framing, sign]
    neutral = [widget.value for widget in widgets]
    roll.click(lambda: random.randint(0, MAX_SEED), None, seed, **QUIET)
    reset.click(lambda: neutral, None, widgets, **QUIET)
    return Look(widgets, panel, preview, seen)


def fill(panel: Look, controls: Mapping[str, Any], fps: int) -> dict[gr.Component, Any]:
    """The panel as a recipe has it, as updates: what the recipe does not name is as it was at first.

    controls: fields of `Controls`; of them the gaze, one emotion, head motion and the seed are taken.
    """
    emotion, strength = next(iter(controls.get("emotion", {}).items()), ("neutral", None))
    yaw, pitch = controls.get("gaze", (0, 0))
    wanted = {
        "gaze-yaw": yaw,
        "gaze-pitch": pitch,
        "emotion": emotion,
        "emotion-strength": strength,
        "head-motion": controls.get("head_motion"),
        "seed": controls.get("seed"),
        "fps": fps,
    }
    chosen = {name: value for name, value in wanted.items() if value is not None}
    return {widget: gr.update(value=chosen.get(str(widget.elem_id), widget.value)) for widget in panel.inputs}


def build_live() -> Look:
    """Draw the controls that act while the portrait speaks, in the order of `live_controls`."""

    def slider(low: float, high: float, value: float, step: float, label: str, name: str) -> gr.Slider:
        return gr.Slider(low, high, value=value, step=step, label=label, min_width=160, elem_id=f"live-{name}")

    with gr.Accordion(texts.LOOK, open=True, elem_id="live-look") as panel:
        gr.HTML(cards.gaze_pad("live-gaze-yaw", "live-gaze-pitch"))
        emotion = gr.Radio(
            [(texts.EMOTIONS[name], name) for name in Controls.EMOTIONS],
            value="neutral",
            label=texts.EMOTION,
            elem_id="live-emotion",
            elem_classes="chips",
        )
        with gr.Row():
            strength = slider(0, 1, 0.6, 0.05, texts.EMOTION_STRENGTH, "strength")
            head_motion = slider(0, 2, 1, 0.05, texts.HEAD_MOTION, "head-motion")
        with gr.Row():
            gaze_yaw = slider(-30, 30, 0, 1, texts.GAZE_YAW, "gaze-yaw")
            gaze_pitch = slider(-30, 30, 0, 1, texts.GAZE_PITCH, "gaze-pitch")
        with gr.Row():
            mouth = slider(0, 2, 1, 0.05, texts.MOUTH, "mouth")
            distance = slider(-0.5, 0.5, 0, 0.01, texts.DISTANCE, "distance")
    return Look([emotion, strength, gaze_yaw, gaze_pitch, head_motion, mouth, distance], panel)


def live_controls(values: Sequence[object]) -> Controls:
    """The values of the live panel, as the browser sends them. Raises `ControlError`."""
    name, *numbers = values
    if name not in Controls.EMOTIONS or len(numbers) != 6 or not all(type(value) in (int, float) for value in numbers):
        raise ControlError("A control of look and motion has no value it can have. Press Reset there.")
    strength, gaze_yaw, gaze_pitch, head_motion, mouth, distance = map(float, numbers)  # type: ignore[arg-type]
    return Controls(
        gaze=(gaze_yaw, gaze_pitch),
        distance=distance,
        head_motion=head_motion,
        mouth=mouth,
        emotion={} if name == "neutral" or not strength else {str(name): strength},
    )


def read(
    gaze_yaw: float,
    gaze_pitch: float,
    emotion: str,
    strength: float,
    head_motion: float,
    mouth: float,
    blinks: float,
    distance: float,
    position_x: float,
    position_y: float,
    yaw: float,
    pitch: float,
    roll: float,
    fps: int,
    seed: int | None,
    framing: str,
    sign: bool = True,
) -> tuple[Controls, int, bool, bool]:
    """Controls, frames per second, whether the whole photo is shown, and the visible sign. Raises `ControlError`."""
    numbers = [gaze_yaw, gaze_pitch, strength, head_motion, mouth, blinks, distance, position_x, position_y]
    numbers += [yaw, pitch, roll, fps, seed or 0]
    if not isinstance(emotion, str) or not all(isinstance(value, (int, float)) for value in numbers):
        raise ControlError("A control of look and motion has no value it can have. Press Reset there.")
    name = emotion.lower()
    controls = Controls(
        gaze=(gaze_yaw, gaze_pitch),
        distance=distance,
        head_motion=head_motion,
        mouth=mouth,
        blinks=blinks or None,
        emotion={} if name == "neutral" or not strength else {name: strength},
        position=(position_x, position_y),
        rotation=(yaw, pitch, roll),
        seed=int(seed or 0),
    )
    return controls, int(fps), framing == "photo", sign is not False
