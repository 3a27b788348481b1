"""From phone names (ARPAbet of flite and PocketSphinx, IPA of espeak-ng) to viseme classes."""

from __future__ import annotations

import unicodedata

import numpy as np

from vasa_core.motion.visemes import VISEME_RATE, VISEMES

Phone = tuple[str, float, float]  # name, start s, end s
_ID = {name: i for i, name in enumerate(VISEMES)}

# A diphthong is a path: (class, share of its duration).
_ARPABET = {
    "rest": "pau sil h# +spn+ +nsn+ brth ssil",
    "bilabial": "m b p em",
    "labiodental": "f v",
    "dental": "th dh",
    "alveolar": "t d n l en el dx nx",
    "sibilant": "s z",
    "postalveolar": "sh zh ch jh",
    "back": "k g ng hh hv q",
    "rhotic": "r er axr",
    "tight_round": "w uw ux",
    "round": "ao uh",
    "open": "aa",
    "mid": "ae eh ah ax",
    "spread": "iy ih y ix",
}
_DIPHTHONGS = {
    "ay": (("open", 0.6), ("spread", 0.4)),
    "aw": (("open", 0.55), ("tight_round", 0.45)),
    "ey": (("mid", 0.55), ("spread", 0.45)),
    "ow": (("round", 0.55), ("tight_round", 0.45)),
    "oy": (("round", 0.55), ("spread", 0.45)),
}
_IPA = {
    "bilabial": "mbpɓʙɱ",
    "labiodental": "fvʋⱱ",
    "dental": "θðβɸ",
    "alveolar": "tdnlɾɲʎɫɬɖʈɳɭɗ",
    "sibilant": "sz",
    "postalveolar": "ʃʒɕʑʂʐ",
    "back": "kɡgŋhxɣχħʕɦqɢɴʔçʁʀɠ",
    "rhotic": "rɹɻɽɝɚɜ",
    "tight_round": "uwyʉɥøʏ",
    "round": "oɔʊœɒɵɞ",
    "open": "aɑɐ",
    "mid": "æɛeəʌɘɤɨɯ",
    "spread": "iɪjᵻ",
}
_ARPABET_CLASS = {phone: name for name, phones in _ARPABET.items() for phone in phones.split()}
_IPA_CLASS = {letter: name for name, letters in _IPA.items() for letter in letters}


def arpabet_path(phone: str) -> list[tuple[int, float]]:
    """Classes an ARPAbet phone passes through and their shares of its duration."""
    name = phone.lower().rstrip("012")
    if name in _DIPHTHONGS:
        return [(_ID[c], share) for c, share in _DIPHTHONGS[name]]
    return [(_ID[_ARPABET_CLASS.get(name, "rest")], 1.0)]


def ipa_path(phone: str) -> list[tuple[int, float]]:
    """Classes an espeak-ng phone passes through; length marks, tones and diacritics are ignored."""
    letters = [c for c in unicodedata.normalize("NFD", phone) if c in _IPA_CLASS]
    if not letters:
        return [(_ID["rest"], 1.0)]
    if letters[:2] in (
        ["t", "ʃ"],
        ["d", "ʒ"],
        ["t", "ɕ"],
        ["d", "ʑ"],
        ["t", "ʂ"],
    ):  # affricates look like their release
        letters = letters[1:]
    return [(_ID[_IPA_CLASS[c]], 1 / len(letters)) for c in letters]


def viseme_labels(phones: list[Phone], seconds: float, ipa: bool) -> np.ndarray:
    """uint8 (ceil(seconds * VISEME_RATE),): the class in the middle of every 20 ms frame; rest where no phone is."""
    labels = np.zeros(int(np.ceil(seconds * VISEME_RATE - 1e-6)), np.uint8)
    for name, start, end in phones:
        at = start
        for viseme, share in (ipa_path if ipa else arpabet_path)(name):
            stop = at + share * (end - start)
            labels[int(round(at * VISEME_RATE)) : int(round(stop * VISEME_RATE))] = viseme
            at = stop
    return labels
