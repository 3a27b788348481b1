"""The detector that belongs beside the generator: face tracks into evidence, evidence into a calibrated report.

    from detection import Detector

    report = Detector.from_pretrained().examine("suspect.mp4")
    print(report.verdict, report.probability)

It knows the output of this generator and abstains where it is not sure. Of the safety package it uses the watermark
only, on both classes when it builds its training set; provenance is shown beside its score and never part of it.
"""

from detection.detector import Detector, Progress
from detection.report import Report

__all__ = ["Detector", "Progress", "Report"]
