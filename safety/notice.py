"""What a person agrees to when attesting consent. A record names the version and the hash of the text shown."""

from __future__ import annotations

import hashlib

NOTICE_VERSION = "2026-11"

NOTICE = {
    "en": (
        "I am the person in this picture, or I hold that person's written consent, or the picture is in the public "
        "domain, or it shows nobody who exists. I also have the right to use this recording. The video is generated"
        " by a computer. It carries an invisible watermark and a signed statement of origin in every copy, and this"
        " consent is kept, signed, in a ledger until I withdraw it. Withdrawing marks all videos made with it as "
        "withdrawn; it cannot call copies back. I will not use the video to deceive, to harass, or to put words "
        "into the mouth of someone who did not agree to them."
    ),
    "fr": (
        "Je suis la personne sur cette image, ou je dispose de son consentement écrit, ou l'image est dans le "
        "domaine public, ou elle ne montre personne qui existe. J'ai aussi le droit d'utiliser cet enregistrement. "
        "La vidéo est générée par un ordinateur. Chaque copie porte un filigrane invisible et une déclaration "
        "d'origine signée, et ce consentement est conservé, signé, dans un registre jusqu'à ce que je le retire. Le"
        " retrait signale comme retirées toutes les vidéos faites avec lui ; il ne peut pas rappeler les copies. Je"
        " n'utiliserai pas la vidéo pour tromper, harceler, ni pour prêter à quelqu'un des paroles qu'il n'a pas "
        "acceptées."
    ),
}


def notice_hash(language: str) -> str:
    """SHA-256 of the notice as shown, hex. Raises KeyError for a language without a notice."""
    return hashlib.sha256(NOTICE[language].encode()).hexdigest()
