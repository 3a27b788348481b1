"""Errors of the safety package. Every message says what is wrong and what to do."""

from vasa_core.errors import CandorError


class ConsentError(CandorError):
    """The consent gate refuses."""

    code = "consent"
    exit_code = 3


class ConsentMissing(ConsentError):
    """No token was given, or it is none of this installation's."""

    code = "consent_missing"


class ConsentInvalid(ConsentError):
    """The attestation or record is malformed, altered, or signed by someone else."""

    code = "consent_invalid"


class ChallengeFailed(ConsentError):
    """The challenge phrase was not answered, not by who was asked, not in time, or twice."""

    code = "challenge"


class ConsentExpired(ConsentError):
    """The record or the token is past its date."""

    code = "consent_expired"


class ConsentMismatch(ConsentError):
    """The consent was given for another photo or another recording."""

    code = "consent_mismatch"


class ConsentWithdrawn(ConsentError):
    """The consent has been revoked."""

    code = "consent_withdrawn"


class TokenUsed(ConsentError):
    """A one-time token was presented a second time."""

    code = "token_used"


class SealError(CandorError):
    """The video could not be sealed; no file was handed out."""

    code = "seal"
    exit_code = 4


class SelfCheckFailed(SealError):
    """The finished file did not read back as sealed."""

    code = "self_check"


class SigningFailed(SealError):
    """The manifest could not be made or signed."""

    code = "signing"


class RenderingFailed(SealError):
    """The frames stopped, were none, or had the wrong shape."""

    code = "rendering"


class OutputError(CandorError):
    """The file cannot be written where it was asked for."""

    code = "output"


class UnreadableVideo(CandorError):
    """The file to verify is neither a video nor an image."""

    code = "video_unreadable"


class AuthorityError(CandorError):
    """Keys or certificates are missing, unreadable or do not belong together."""

    code = "authority"


class LedgerError(CandorError):
    """The ledger cannot be opened, or its contents do not match its signed tree head."""

    code = "ledger"
