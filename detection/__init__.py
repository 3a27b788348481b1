"""The detector of generated video that belongs beside the generator. It is not part of this version yet.

What already exists is its place: it will turn face tracks into evidence and evidence into a calibrated report, and of
the safety package it may use the watermark only.
"""
