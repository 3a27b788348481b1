"""What a person states before a video may be made, and what each basis asks for beyond a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from safety.errors import ConsentInvalid
from vasa_core.types import Speech

MAX_NAME, MAX_TEXT, MAX_DAYS = 200, 1000, 3650
MAX_LANGUAGES = 20
MAX_DOCUMENT = 20 << 20  # bytes of a written consent that is committed to

Basis = Literal["self", "written-consent", "public-domain", "synthetic"]
Distribution = Literal["private", "organisation", "public"]


@dataclass(frozen=True)
class Reply:
    """The answer to a challenge phrase (safety.challenge), checked and used up when the record is signed.

    visitor: who answers; must be who the phrase was shown to.  typed: the words as typed, or spoken: a recording of
    them, one of the two.
    """

    challenge_id: str
    visitor: str
    typed: str = ""
    spoken: Speech | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Attestation:
    """What a person states. Raises ConsentInvalid when a field cannot stand.

    basis:    self: the attester is the person shown, and answers a challenge phrase (`reply`); written-consent: the
              attester holds that person's consent (`reference` to where it is kept, or the `document` itself; both
              are stored as salted commitments only); public-domain, synthetic: `source` says where the picture is from.
    subject:  who is shown.  attester: who states it.  purpose: what the video is for; several are separated by ";".
    expires_days: 1 to 3650.
    unstated: why the basis' own field is missing, where nobody could be asked; the record then says so.
    any_audio: the record is good for every recording under the same photo, not only for the one it is signed with.
    languages: BCP 47 tags the person may be made to speak, empty for any.  distribution: how far the video may go.
    Languages and distribution are promises: they stand in the record, and no program can hold them.
    """

    basis: Basis
    subject: str
    attester: str
    purpose: str
    expires_days: int = 365
    source: str = ""
    reference: str = field(default="", repr=False)
    document: bytes = field(default=b"", repr=False)
    reply: Reply | None = None
    unstated: str = ""
    any_audio: bool = False
    languages: tuple[str, ...] = ()
    distribution: Distribution = "public"

    def __post_init__(self) -> None:
        if self.basis not in get_args(Basis):
            raise ConsentInvalid(f"The basis {self.basis!r} is unknown; choose one of {', '.join(get_args(Basis))}.")
        for name, limit, required in (
            ("subject", MAX_NAME, True),
            ("attester", MAX_NAME, True),
            ("purpose", MAX_TEXT, True),
            ("source", MAX_TEXT, False),
            ("reference", MAX_TEXT, False),
            ("unstated", MAX_NAME, False),
        ):
            _check_text(name, getattr(self, name), limit, required)
        if not self.purposes:
            raise ConsentInvalid("The purpose is empty; fill it in.")
        if type(self.expires_days) is not int or not 1 <= self.expires_days <= MAX_DAYS:
            raise ConsentInvalid(f"Consent must expire after 1 to {MAX_DAYS} days; choose a number in that range.")
        if self.basis == "self" and self.subject.strip().casefold() != self.attester.strip().casefold():
            raise ConsentInvalid(
                "With the basis 'self', subject and attester must be the same person; "
                "write the same name twice or choose 'written-consent'."
            )
        self._check_evidence()
        self._check_scope()

    @property
    def purposes(self) -> list[str]:
        return [part.strip() for part in self.purpose.split(";") if part.strip()]

    def _check_evidence(self) -> None:
        if not isinstance(self.document, bytes) or len(self.document) > MAX_DOCUMENT:
            raise ConsentInvalid(f"The document has more than {MAX_DOCUMENT >> 20} MB; give a smaller copy.")
        stated = {
            "self": self.reply is not None,
            "written-consent": bool(self.reference.strip() or self.document),
            "public-domain": bool(self.source.strip()),
            "synthetic": bool(self.source.strip()),
        }[self.basis]
        if not stated and not self.unstated.strip():
            needed = {
                "self": "the words of a challenge phrase; ask for a phrase and answer it",
                "written-consent": "a reference to the written consent, or the document itself",
                "public-domain": "the source of the picture",
                "synthetic": "who or what made the picture (its source)",
            }[self.basis]
            raise ConsentInvalid(f"The basis '{self.basis}' needs {needed}.")
        if self.reply is not None and self.basis != "self":
            raise ConsentInvalid("A challenge phrase is answered only by who consents for themselves (basis 'self').")

    def _check_scope(self) -> None:
        if type(self.any_audio) is not bool:
            raise ConsentInvalid("The scope is either this recording or any recording; choose one.")
        if self.distribution not in get_args(Distribution):
            raise ConsentInvalid(
                f"The distribution {self.distribution!r} is unknown; choose one of {', '.join(get_args(Distribution))}."
            )
        tags = self.languages
        if not isinstance(tags, tuple) or len(tags) > MAX_LANGUAGES or not all(_is_tag(tag) for tag in tags):
            raise ConsentInvalid(f"Languages are up to {MAX_LANGUAGES} tags such as en or fr-CA; correct the list.")


def _check_text(name: str, value: object, limit: int, required: bool) -> None:
    if not isinstance(value, str) or len(value) > limit:
        raise ConsentInvalid(f"The {name} must be text of at most {limit} characters; shorten it.")
    if required and not value.strip():
        raise ConsentInvalid(f"The {name} is empty; fill it in.")
    if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ConsentInvalid(f"The {name} contains control characters; retype it.")


def _is_tag(tag: object) -> bool:
    """The shape of a language tag (RFC 5646, section 2.1), not whether the language exists."""
    if not isinstance(tag, str) or not tag.isascii():
        return False
    first, *rest = tag.split("-")
    return first.isalpha() and 2 <= len(first) <= 8 and all(part.isalnum() and len(part) <= 8 for part in rest)
