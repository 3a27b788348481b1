"""Errors a person can act on. Every message says what is wrong and what to do."""


class CandorError(Exception):
    """Base of every error that may reach a user.

    `code` is a stable, machine-readable name; `exit_code` is what the command line returns
    (2 bad input, 3 refused by the consent gate, 4 the seal's self-check failed).
    """

    code = "error"
    exit_code = 2


class PhotoError(CandorError):
    """The picture cannot be used."""

    code = "photo"


class UnreadablePhoto(PhotoError):
    """Not an image, truncated, or in a format no decoder here knows."""

    code = "photo_unreadable"


class PhotoSizeError(PhotoError):
    """Sides outside 64 to 12,000 pixels, or an absurd aspect ratio."""

    code = "photo_size"


class NoFaceFound(PhotoError):
    """No human face in the picture."""

    code = "no_face"


class FaceTooSmall(PhotoError):
    """The face is smaller than 96 pixels."""

    code = "face_too_small"


class FaceTooTurned(PhotoError):
    """The face looks more than 45 degrees away from the camera."""

    code = "face_too_turned"


class AudioError(CandorError):
    """The sound cannot be used."""

    code = "audio"


class UnreadableAudio(AudioError):
    """Not a media file, corrupt, or in a codec that cannot be decoded."""

    code = "audio_unreadable"


class NoAudioTrack(AudioError):
    """A media file without any sound."""

    code = "audio_missing"


class AudioLengthError(AudioError):
    """Shorter than 0.3 s or longer than 5 min."""

    code = "audio_length"


class ControlError(CandorError):
    """A control, rate or seed is outside its range."""

    code = "control"


class MotionError(CandorError):
    """A saved motion or a driving video cannot be used."""

    code = "motion"


class UnreadableMotion(MotionError):
    """Not a motion file, damaged, of another version, or made for another face space."""

    code = "motion_unreadable"


class UnusableDriver(MotionError):
    """A driving video without pictures, or without a face that can be followed."""

    code = "driver"


class WeightsError(CandorError):
    """A weights file is missing, damaged, or of another version."""

    code = "weights"


class Cancelled(CandorError):
    """The person stopped the work."""

    code = "cancelled"
