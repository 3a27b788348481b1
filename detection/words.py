"""The detector's sentences in English and French: verdicts, reasons, what the branches saw.

Plain text; whoever puts it into HTML escapes it. Sentences about probability never stand alone: each says what it is a
probability of, and among what.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detection.report import Reason, Report

VERDICTS = {
    "en": {
        "generated": "Looks generated",
        "authentic_looking": "Looks authentic",
        "cannot_tell": "Cannot tell",
        "no_face": "No face to judge",
        "unreadable": "Could not be read",
    },
    "fr": {
        "generated": "Semble générée",
        "authentic_looking": "Semble authentique",
        "cannot_tell": "Impossible à dire",
        "no_face": "Aucun visage à juger",
        "unreadable": "Illisible",
    },
}
MEANINGS = {
    "en": {
        "generated": (
            "What was examined is like the output of this generator and unlike the real people the detector was measured "
            "on. Of real recordings like those, about {false_alarms} are wrongly called so. It is evidence, not proof."
        ),
        "authentic_looking": (
            "Nothing was found that this generator leaves behind. Other generators and edits may go unnoticed: this is "
            "not a certificate of authenticity."
        ),
        "cannot_tell": "The detector does not answer for this file. That says nothing for or against it.",
        "no_face": "No human face could be followed in the part that was examined, so there was nothing to judge.",
        "unreadable": "The file could not be read, so nothing was judged.",
    },
    "fr": {
        "generated": (
            "Ce qui a été examiné ressemble à ce que produit ce générateur, et non aux personnes réelles sur lesquelles "
            "le détecteur a été mesuré. Environ {false_alarms} de tels enregistrements réels sont accusés à tort. C’est "
            "un indice, pas une preuve."
        ),
        "authentic_looking": (
            "Rien n’a été trouvé de ce que ce générateur laisse derrière lui. D’autres générateurs et retouches peuvent "
            "passer inaperçus : ce n’est pas un certificat d’authenticité."
        ),
        "cannot_tell": "Le détecteur ne répond pas pour ce fichier. Cela ne dit rien, ni pour ni contre lui.",
        "no_face": "Aucun visage humain n’a pu être suivi dans la partie examinée : il n’y avait rien à juger.",
        "unreadable": "Le fichier n’a pas pu être lu : rien n’a été jugé.",
    },
}
REASONS = {
    "en": {
        "unreadable": "{text}",
        "no_face": "No human face was found in the pictures that were examined.",
        "no_pictures": "No picture of the video could be decoded.",
        "picture": "This is a single picture. The detector judges how a face moves; it reads videos only.",
        "too_short": "The face is seen for {seconds:.1f} s without a break; at least {least:.1f} s are needed.",
        "few_pictures": "Only {rate:.0f} pictures a second; below {least:.0f} the movement cannot be judged.",
        "too_small": "The face is {width:.0f} pixels wide; at least {least:.0f} are needed.",
        "blurred": "The face is too blurred for its skin to be judged.",
        "turned": "The face is turned away by {degrees:.0f} degrees most of the time; up to {most:.0f} can be judged.",
        "strange": "The face is unlike anything the detector was trained or measured on.",
        "unlike_filmed": "It shows no trace of this generator, but is not like the filmed faces the detector knows either.",
        "still": "Lips, chin and lids hardly move: it may be a filmed photograph, about which nothing can be said.",
        "hdr": "The video is in high dynamic range ({name}); the detector knows standard range only.",
        "disagree": "The parts of the video disagree: from {start:.0f} to {end:.0f} s it looks generated, on the whole not.",
        "between": "The evidence lies between what real and generated videos show.",
        "damaged": "{count} damaged packets or pictures were skipped.",
        "sampled": "The video is long: {read:.0f} of {total:.0f} s were examined, spread evenly over it.",
        "out_of_time": "The examination was cut short after {seconds:.0f} s of work.",
        "many_faces": "At most {most} faces are followed at a time, the largest.",
        "other_faces": "{count} further faces were too small, too short or too turned to be judged.",
        "pixels_generated": "fine texture like that of generated faces",
        "pixels_authentic": "fine texture like that of filmed faces",
        "pixels_unsure": "fine texture without a clear leaning",
        "skin_generated": "light and wrinkles that hardly follow the movement of the head, as on a picture",
        "skin_authentic": "light and wrinkles that change as the head moves",
        "skin_unsure": "skin that changes, but not clearly as it should",
        "motion_generated": "movement of head, lids, brows and lips that resembles driven faces",
        "motion_authentic": "movement of head, lids, brows and lips as people's",
        "motion_unsure": "movement without a clear leaning",
        "sync": "lips and voice agree with {correlation:.2f} (real talkers: {low:.2f} to {high:.2f}), lips {offset:+.0f} ms",
        "no_voice": "no sound: lips and voice could not be compared",
        "no_speech": "too little speech: lips and voice could not be compared",
    },
    "fr": {
        "unreadable": "{text}",
        "no_face": "Aucun visage humain n’a été trouvé dans les images examinées.",
        "no_pictures": "Aucune image de la vidéo n’a pu être décodée.",
        "picture": "C’est une seule image. Le détecteur juge comment un visage bouge ; il ne lit que des vidéos.",
        "too_short": "Le visage est visible {seconds:.1f} s d’affilée ; il en faut au moins {least:.1f}.",
        "few_pictures": "Seulement {rate:.0f} images par seconde ; en dessous de {least:.0f}, le mouvement échappe.",
        "too_small": "Le visage fait {width:.0f} pixels de large ; il en faut au moins {least:.0f}.",
        "blurred": "Le visage est trop flou pour que sa peau puisse être jugée.",
        "turned": "Le visage est tourné de {degrees:.0f} degrés la plupart du temps ; jusqu’à {most:.0f}, il se juge.",
        "strange": "Le visage ne ressemble à rien de ce que le détecteur a appris ou sur quoi il a été mesuré.",
        "unlike_filmed": "Aucune trace de ce générateur, mais le visage ne ressemble pas non plus à ceux, filmés, qu’il connaît.",
        "still": "Lèvres, menton et paupières bougent à peine : peut-être une photo filmée, dont rien ne peut être dit.",
        "hdr": "La vidéo est en plage dynamique étendue ({name}) ; le détecteur ne connaît que la plage standard.",
        "disagree": "Les parties se contredisent : de {start:.0f} à {end:.0f} s elle semble générée, dans l’ensemble non.",
        "between": "Les indices se situent entre ce que montrent les vidéos réelles et les vidéos générées.",
        "damaged": "{count} paquets ou images endommagés ont été sautés.",
        "sampled": "La vidéo est longue : {read:.0f} s sur {total:.0f} ont été examinées, réparties également.",
        "out_of_time": "L’examen a été interrompu après {seconds:.0f} s de travail.",
        "many_faces": "Au plus {most} visages sont suivis à la fois, les plus grands.",
        "other_faces": "{count} autres visages étaient trop petits, trop brefs ou trop tournés pour être jugés.",
        "pixels_generated": "une texture fine comme celle de visages générés",
        "pixels_authentic": "une texture fine comme celle de visages filmés",
        "pixels_unsure": "une texture fine sans tendance nette",
        "skin_generated": "une lumière et des rides qui suivent à peine le mouvement de la tête, comme sur une image",
        "skin_authentic": "une lumière et des rides qui changent avec le mouvement de la tête",
        "skin_unsure": "une peau qui change, mais pas clairement comme il le faudrait",
        "motion_generated": "des mouvements de tête, de paupières, de sourcils et de lèvres comme ceux de visages pilotés",
        "motion_authentic": "des mouvements de tête, de paupières, de sourcils et de lèvres comme ceux des gens",
        "motion_unsure": "des mouvements sans tendance nette",
        "sync": "lèvres et voix s’accordent à {correlation:.2f} (réels : {low:.2f} à {high:.2f}), lèvres {offset:+.0f} ms",
        "no_voice": "pas de son : lèvres et voix n’ont pas pu être comparées",
        "no_speech": "trop peu de parole : lèvres et voix n’ont pas pu être comparées",
    },
}
BRANCHES = {
    "en": {"pixels": "Texture", "skin": "Skin in motion", "motion": "Movement", "sync": "Lips and voice"},
    "fr": {"pixels": "Texture", "skin": "Peau en mouvement", "motion": "Mouvement", "sync": "Lèvres et voix"},
}


class French(float):
    """A number that is written as French writes it: 0.7 % with a comma and a narrow no-break space."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).replace(".", ",").replace("%", "\u202f%")


def number(value: float, language: str) -> float:
    """The same number; formatting it writes it in the language."""
    return French(value) if language == "fr" else value


def filled(template: str, language: str, values: dict[str, Any]) -> str:
    """The template with its values, fractions as the language writes them."""
    said = {
        name: number(float(value), language) if isinstance(value, Real) and not isinstance(value, Integral) else value
        for name, value in values.items()
    }
    return template.format(**said)


def percent(share: float, language: str) -> str:
    """A probability in whole per cent. No estimate is certain: what rounds to 0 or 1 is said to be near it."""
    if share >= 0.995:
        return f"> {number(0.99, language):.0%}"
    return f"{number(share, language):.0%}" if share >= 0.005 else f"< {number(0.01, language):.0%}"


def probability(value: float, low: float, high: float, language: str) -> str:
    """The sentence of a probability and its range, which is left out where it reads the same."""
    said, least, most = (percent(each, language) for each in (value, low, high))
    labels = LABELS[language]
    between = "" if least == most else labels["between"].format(low=least, high=most)
    return labels["probability"].format(probability=said) + between


def reason(item: Reason, language: str) -> str:
    """The sentence of a reason or of what a branch saw."""
    return filled(REASONS[language][item.code], language, item.values)


def outcome(report: Report) -> str:
    """Key of VERDICTS and MEANINGS: the verdict, or the status where there is none."""
    return report.status if report.status in ("no_face", "unreadable") else report.verdict


def verdict(report: Report, language: str) -> str:
    return VERDICTS[language][outcome(report)]


def meaning(report: Report, language: str) -> str:
    """What the verdict means, in words."""
    return MEANINGS[language][outcome(report)].format(false_alarms=false_alarms(report.error_rates, language))


def false_alarms(figures: dict[str, Any], language: str = "en") -> str:
    """Measured share of real takes called generated, never below what their number allows to say."""
    count = int(figures.get("real", 0))
    share = float(figures.get("real_called_generated", 0.0))
    if not count:
        return "?"
    return f"{number(share, language):.1%}" if share > 0 else f"< {number(1 / count, language):.1%}"


COLON = {"en": ":", "fr": "\u00a0:"}  # French puts a space before it

LABELS = {
    "en": {
        "title": "Detector report",
        "provenance": "Provenance",
        "provenance_note": "What the file says about itself and what this installation remembers. It is never part of the score below.",
        "provenance_none": "Manifest, watermark, consent and log were not looked up for this report.",
        "manifest": "Manifest",
        "watermark": "Watermark",
        "consent": "Consent",
        "log": "Log",
        "found": "found, id {id}",
        "trace": "traces only",
        "not_found": "not found",
        "included": "included",
        "missing": "no entry",
        "nothing": "nothing to look up",
        "manifest_Trusted": "Trusted",
        "manifest_Valid": "intact, unknown signer",
        "manifest_Invalid": "does not fit the file",
        "manifest_none": "none",
        "consent_valid": "valid",
        "consent_withdrawn": "withdrawn",
        "consent_expired": "expired",
        "consent_unknown": "not known here",
        "consent_none": "none",
        "score": "What the detector sees",
        "probability": "Probability that it was generated: {probability}",
        "between": " (between {low} and {high})",
        "no_probability": "No probability is given.",
        "face": "Face {number}",
        "face_facts": "{seconds:.1f} s, {width:.0f} pixels wide",
        "timeline": "Probability over time, with its uncertainty. Choose a moment to jump to it.",
        "accused": "from here on: generated",
        "acquitted": "up to here: authentic looking",
        "branch": "Branch",
        "alone": "On its own",
        "saw": "What it saw",
        "silent": "nothing to look at",
        "shots": "The moments that speak most for “generated”, as the network saw them, and where in the face (red).",
        "shot": "{time:.1f} s: {probability}",
        "segments": "Stretches that look generated: {spans}.",
        "missing_title": "What was not examined, and why",
        "read": "{seconds:.0f} of {of:.0f} seconds and {pictures} pictures were examined.",
        "cuts": "Cuts at {times} s.",
        "all_read": "Everything that could be followed was examined.",
        "rates_title": "How often this detector is wrong",
        "rates": (
            "Measured on {people} people it never saw while learning, {real} real and {generated} generated takes: "
            "{false_alarms} of the real ones were called generated, {missed:.1%} of the generated ones authentic looking. "
            "Ranking (AUC) {auc:.3f}, 95 % interval {auc_low:.3f} to {auc_high:.3f}. The rest got no answer."
        ),
        "limits": (
            "It knows the output of this generator. On other generators, face swaps and edits it was not measured well "
            "enough to promise anything. Few people were available; groups of people were not compared."
        ),
        "container": "Container",
        "format": "{codec}, {width} x {height}, {fps:.4g} frames/s, {seconds:.1f} s, {sound}",
        "container_note": "Shown for orientation; the detector does not look at these.",
        "version": "Detector version {version}",
        "video": "Open the video here to jump to moments in it. It stays on this device.",
        "done": "Examined in {seconds:.1f} s.",
        "sound": "with sound",
        "silent_file": "without sound",
    },
    "fr": {
        "title": "Rapport du détecteur",
        "provenance": "Provenance",
        "provenance_note": "Ce que le fichier dit de lui-même et ce dont cette installation se souvient. Cela n’entre jamais dans le score.",
        "provenance_none": "Manifeste, filigrane, consentement et registre n’ont pas été consultés pour ce rapport.",
        "manifest": "Manifeste",
        "watermark": "Filigrane",
        "consent": "Consentement",
        "log": "Registre",
        "found": "trouvé, identifiant {id}",
        "trace": "des traces seulement",
        "not_found": "non trouvé",
        "included": "inscrit",
        "missing": "aucune inscription",
        "nothing": "rien à consulter",
        "manifest_Trusted": "de confiance",
        "manifest_Valid": "intact, signataire inconnu",
        "manifest_Invalid": "ne correspond pas au fichier",
        "manifest_none": "aucun",
        "consent_valid": "valable",
        "consent_withdrawn": "retiré",
        "consent_expired": "expiré",
        "consent_unknown": "inconnu ici",
        "consent_none": "aucun",
        "score": "Ce que voit le détecteur",
        "probability": "Probabilité qu’elle soit générée : {probability}",
        "between": " (entre {low} et {high})",
        "no_probability": "Aucune probabilité n’est donnée.",
        "face": "Visage {number}",
        "face_facts": "{seconds:.1f} s, {width:.0f} pixels de large",
        "timeline": "Probabilité au fil du temps, avec son incertitude. Choisissez un moment pour y aller.",
        "accused": "à partir d’ici : générée",
        "acquitted": "jusqu’ici : semble authentique",
        "branch": "Branche",
        "alone": "Seule",
        "saw": "Ce qu’elle a vu",
        "silent": "rien à regarder",
        "shots": "Les moments qui parlent le plus pour « générée », tels que le réseau les a vus, et où dans le visage (rouge).",
        "shot": "{time:.1f} s : {probability}",
        "segments": "Passages qui semblent générés : {spans}.",
        "missing_title": "Ce qui n’a pas été examiné, et pourquoi",
        "read": "{seconds:.0f} secondes sur {of:.0f} et {pictures} images ont été examinées.",
        "cuts": "Changements de plan à {times} s.",
        "all_read": "Tout ce qui pouvait être suivi a été examiné.",
        "rates_title": "Combien de fois ce détecteur se trompe",
        "rates": (
            "Mesuré sur {people} personnes jamais vues à l’apprentissage, {real} prises réelles et {generated} générées : "
            "{false_alarms} des réelles ont été dites générées, {missed:.1%} des générées ont semblé authentiques. "
            "Classement (AUC) {auc:.3f}, intervalle à 95 % de {auc_low:.3f} à {auc_high:.3f}. Le reste est sans réponse."
        ),
        "limits": (
            "Il connaît ce que produit ce générateur. Pour d’autres générateurs, échanges de visages et retouches, les "
            "mesures ne permettent aucune promesse. Peu de personnes étaient disponibles ; les groupes n’ont pas été comparés."
        ),
        "container": "Conteneur",
        "format": "{codec}, {width} × {height}, {fps:.4g} images/s, {seconds:.1f} s, {sound}",
        "container_note": "À titre indicatif ; le détecteur n’en tient pas compte.",
        "version": "Détecteur, version {version}",
        "video": "Ouvrez ici la vidéo pour aller à ses moments. Elle reste sur cet appareil.",
        "done": "Examinée en {seconds:.1f} s.",
        "sound": "avec son",
        "silent_file": "sans son",
    },
}
