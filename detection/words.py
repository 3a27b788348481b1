"""The detector's sentences in English and French: verdicts, reasons, what the branches saw.

Plain text; whoever puts it into HTML escapes it. Sentences about probability never stand alone: each says what it is a
probability of, and among what.
"""

from __future__ import annotations

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
            "passer inaperçus : ce n’est pas un certificat d’authenticité."
        ),
        "cannot_tell": "Le détecteur ne répond pas pour ce fichier. Cela ne dit rien, ni pour ni contre lui.",
        "no_face": "Aucun visage humain n’a pu être suivi dans la partie examinée : il n’y avait rien à juger.",
        "unreadable": "Le fichier n’a pas pu être lu : rien n’a été jugé.",
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
        "hdr": "The video is in high dynamic range ({name}); the detector knows standard range only.",
        "disagree": "The parts of the video disagree: from {start:.0f} to {end:.0f} s it looks generated, on the whole not.",
        "between": "The evidence lies between what real and generated videos show.",
        "damaged": "{count} damaged packets or pictures were skipped.",
        "sampled": "The video is long: {read:.0f} of {total:.0f} s were examined, spread evenly over it.",
        "out_of_time": "The examination was cut short after {seconds:.0f} s of work.",
        "many_faces": "At most {most} faces are followed at a time, the largest.",
        "other_faces": "{count} further faces were too small, too short or too turned to be judged.",
        "pixels_generated": "fine texture and skin that change less, or otherwise, than a camera's do",
        "pixels_authentic": "texture, light and noise that change as a camera sees them",
        "pixels_unsure": "texture and skin without a clear leaning",
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
        "picture": "C’est une seule image. Le détecteur juge comment un visage bouge ; il ne lit que des vidéos.",
        "too_short": "Le visage est visible {seconds:.1f} s d’affilée ; il en faut au moins {least:.1f}.",
        "few_pictures": "Seulement {rate:.0f} images par seconde ; en dessous de {least:.0f}, le mouvement échappe.",
        "too_small": "Le visage fait {width:.0f} pixels de large ; il en faut au moins {least:.0f}.",
        "blurred": "Le visage est trop flou pour que sa peau puisse être jugée.",
        "turned": "Le visage est tourné de {degrees:.0f} degrés la plupart du temps ; jusqu’à {most:.0f}, il se juge.",
        "strange": "Le visage ne ressemble à rien de ce que le détecteur a appris ou sur quoi il a été mesuré.",
        "hdr": "La vidéo est en plage dynamique étendue ({name}) ; le détecteur ne connaît que la plage standard.",
        "disagree": "Les parties se contredisent : de {start:.0f} à {end:.0f} s elle semble générée, dans l’ensemble non.",
        "between": "Les indices se situent entre ce que montrent les vidéos réelles et les vidéos générées.",
        "damaged": "{count} paquets ou images endommagés ont été sautés.",
        "sampled": "La vidéo est longue : {read:.0f} s sur {total:.0f} ont été examinées, réparties également.",
        "out_of_time": "L’examen a été interrompu après {seconds:.0f} s de travail.",
        "many_faces": "Au plus {most} visages sont suivis à la fois, les plus grands.",
        "other_faces": "{count} autres visages étaient trop petits, trop brefs ou trop tournés pour être jugés.",
        "pixels_generated": "une texture et une peau qui changent moins, ou autrement, que devant une caméra",
        "pixels_authentic": "une texture, une lumière et un bruit qui changent comme devant une caméra",
        "pixels_unsure": "une texture et une peau sans tendance nette",
        "motion_generated": "des mouvements de tête, de paupières, de sourcils et de lèvres comme ceux de visages pilotés",
        "motion_authentic": "des mouvements de tête, de paupières, de sourcils et de lèvres comme ceux des gens",
        "motion_unsure": "des mouvements sans tendance nette",
        "sync": "lèvres et voix s’accordent à {correlation:.2f} (réels : {low:.2f} à {high:.2f}), lèvres {offset:+.0f} ms",
        "no_voice": "pas de son : lèvres et voix n’ont pas pu être comparées",
        "no_speech": "trop peu de parole : lèvres et voix n’ont pas pu être comparées",
    },
}
BRANCHES = {
    "en": {"pixels": "Pixels", "motion": "Movement", "sync": "Lips and voice"},
    "fr": {"pixels": "Pixels", "motion": "Mouvement", "sync": "Lèvres et voix"},
}


def reason(item: Reason, language: str) -> str:
    """The sentence of a reason or of what a branch saw."""
    return REASONS[language][item.code].format(**item.values)


def outcome(report: Report) -> str:
    """Key of VERDICTS and MEANINGS: the verdict, or the status where there is none."""
    return report.status if report.status in ("no_face", "unreadable") else report.verdict


def verdict(report: Report, language: str) -> str:
    return VERDICTS[language][outcome(report)]


def meaning(report: Report, language: str) -> str:
    """What the verdict means, in words."""
    return MEANINGS[language][outcome(report)].format(false_alarms=false_alarms(report.error_rates))


def false_alarms(figures: dict[str, Any]) -> str:
    """Measured share of real takes called generated, never below what their number allows to say."""
    count = int(figures.get("real", 0))
    share = float(figures.get("real_called_generated", 0.0))
    if not count:
        return "?"
    return f"{share:.1%}" if share > 0 else f"< {1 / count:.1%}"
