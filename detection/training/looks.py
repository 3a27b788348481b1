"""What a recording or a photo may look like before it reaches anybody: old film, filters that smooth or draw.

Portraits that people give the generator are prints, paintings and drawings too, and the training clips are none of
these. A real clip gets its look frame by frame, as a camera or a filter gives it; a generated one gets it in its photo,
which is where it is when a print or a painting is made to speak. Grain is therefore new in every real frame and stays
on generated skin: a true difference, not a shortcut.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

KINDS = {"none": 0.55, "film": 0.18, "smooth": 0.14, "drawn": 0.13}  # name -> probability
FACE = 200.0  # pixels: the size of face at which the sizes below hold


@dataclass(frozen=True)
class Look:
    """kind: of KINDS.  strength: 0..1.  sepia: 0 grey to 1 brown, film only.  grain: grey levels, standard deviation.
    coarse: size of the grain, pixels at a face of FACE pixels."""

    kind: str = "none"
    strength: float = 0.0
    sepia: float = 0.0
    grain: float = 0.0
    coarse: float = 0.0

    def on(self, frame: np.ndarray, face: float, rng: np.random.Generator) -> np.ndarray:
        """A frame uint8 (H, W, 3) whose face is `face` pixels large, with this look. rng: for the grain of this
        frame."""
        if self.kind == "film":
            return self._film(frame, face, rng)
        if self.kind in ("smooth", "drawn"):
            return self._painted(frame, face)
        return frame

    def _film(self, frame: np.ndarray, face: float, rng: np.random.Generator) -> np.ndarray:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
        grain = np.asarray(rng.standard_normal(grey.shape), np.float32)
        sigma = self.coarse * face / FACE
        if sigma > 0.3:
            smooth = cv2.GaussianBlur(grain, (0, 0), sigma)
            grain = np.asarray(smooth / max(float(smooth.std()), 1e-6), np.float32)
        light = 1 - np.abs(grey / 255 - 0.45)  # grain shows most in the middle tones
        shade = 128 + (grey - 128) * (0.85 + 0.4 * self.strength) + grain * self.grain * light
        tone = np.array([1.0, 0.93, 0.78], np.float32) * self.sepia + (1 - self.sepia)
        return np.clip(shade[..., None] * tone, 0, 255).astype(np.uint8)

    def _painted(self, frame: np.ndarray, face: float) -> np.ndarray:
        """Flat areas with edges left standing; `drawn` has few tones and dark lines too."""
        scale = min(1.0, FACE / max(face, 1.0))
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else frame
        flat = small
        for _ in range(1 if self.kind == "smooth" else 2):
            flat = cv2.bilateralFilter(flat, 7, 20 + 50 * self.strength, 4)
        if self.kind == "drawn":
            step = 14 + 22 * self.strength
            levels = (np.arange(256) + 1e-3) / step
            near = np.round(levels)
            soft = near + np.tanh(6 * (levels - near)) / (2 * np.tanh(3))  # steps with a narrow slope between them
            gain = (np.clip(soft * step, 0, 255) + 4) / (np.arange(256) + 4.0)
            luma = cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY)
            flat = np.clip(flat * gain.astype(np.float32)[luma][..., None], 0, 255).astype(np.uint8)
            grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0, 0), 1.2)
            lines = cv2.GaussianBlur(grey, (0, 0), 2.5).astype(np.float32) - grey
            ink = 1 - np.clip((lines - 4) / 14, 0, 0.75)
            flat = np.clip(flat * ink[..., None], 0, 255).astype(np.uint8)
        if scale < 1:
            flat = cv2.resize(flat, frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return flat


def draw_look(rng: np.random.Generator) -> Look:
    """A random look."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "none":
        return Look()
    strength = float(rng.uniform(0, 1))
    if kind != "film":
        return Look(kind, strength)
    return Look(kind, strength, float(rng.choice([0.0, rng.uniform(0.2, 1)])), float(rng.uniform(3, 22)),
                float(rng.uniform(0, 2.2)))  # fmt: skip
