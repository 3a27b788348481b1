"""Les phrases des pages en français : mêmes noms et mêmes `{champs}` que dans `en.py`."""

from demo.texts.consent_fr import *  # noqa: F403

NAME = "Candor"
TAGLINE = "Une photo et une voix deviennent une vidéo parlante qui dit ce qu’elle est."
FOOTER = (
    "Photo, voix et vidéo sont effacées quand vous fermez cette page ; le consentement signé reste chez l’exploitant."
)
LANGUAGE = "Langue"
TOASTS = {  # ce que dit le cadre web ; la page remplit {files}
    "large": "{files} : un fichier peut avoir 100 Mo au plus. Choisissez-en un plus petit, ou coupez-le.",
    "type": "{files} n’est pas du genre demandé ici. Choisissez un autre fichier.",
    "microphone": "Le micro a été refusé. Autorisez-le pour cette page dans votre navigateur, puis réessayez.",
    "camera": "La caméra a été refusée. Autorisez-la pour cette page dans votre navigateur, puis réessayez.",
    "lost": "Le serveur ne répond plus. Cette page réessaie d’elle-même et se rouvrira dès que possible.",
    "broken": "La connexion s’est rompue avant que tout soit arrivé. Vérifiez-la et réessayez.",
    "busy": "Trop de monde en ce moment. Réessayez dans quelques minutes.",
    "titles": {"Error": "Erreur", "Warning": "Remarque", "Info": "Remarque", "Connection Lost": "Connexion perdue"},
}
WARNING = "Autorité de développement : les vidéos faites ici se lisent « signataire inconnu » partout ailleurs."
DEVELOPMENT = "Cette installation signe avec sa propre autorité de développement. Ses vidéos sont « de confiance » ici, et « signataire inconnu » ailleurs."

# Create -------------------------------------------------------------------------------------------------------------
CREATE_TAB = "Créer"
PHOTO_STEP = "Photo"
PHOTO_LABEL = "Photo de portrait"
PHOTO_DROP = "Déposez un portrait ici, ou cliquez pour choisir"
PHOTO_HINT = "Un visage, tourné vers l’appareil. JPEG, PNG, WebP ou HEIC, {megabytes} Mo au plus."
PHOTO_CHANGE = "Choisir une autre photo"
FACE_CHOICE = "Quel visage doit parler ?"
FACE_NAME = "Visage {number}"
FACE_LARGEST = "Visage {number} (le plus grand)"
FACE_ONE = "1 visage, {size} px"
FACE_CHOSEN = "Visage choisi, {size} px"
FACE_GOOD = "Net et bien placé."
SPEECH_STEP = "Voix"
SPEECH_LABEL = "Enregistrement de parole"
SPEECH_HINT = "Déposez un enregistrement ou utilisez le micro. De 0,3 seconde à 5 minutes, {megabytes} Mo au plus."
SPEECH_VIDEO = "Prendre le son d’une vidéo"
SPEECH_LENGTH = "{name} : {seconds:.1f} secondes de son."
SPEECH_SILENT = "{name} : {seconds:.1f} secondes de silence. Le portrait ne fera que respirer et cligner des yeux."

TYPE_TITLE = "Ou tapez ce qu’il doit dire"
TYPE_LABEL = "Texte, 500 caractères au plus"
TYPE_VOICE = "Langue de la voix de synthèse"
TYPE_SAY = "Utiliser ce texte"
TYPE_DONE = "Voix de synthèse ({voice}), {seconds:.1f} secondes. Le consentement et le manifeste le diront."

CONSENT_STEP = "Consentement"

LOOK = "Apparence et mouvement"
LOOK_MORE = "Plus de réglages"
GAZE_YAW = "Regard de côté"
GAZE_PITCH = "Regard vers le bas"
DISTANCE = "Distance"
GAZE_PAD = "Regard : montrez où les yeux doivent se poser"
PREVIEW = "Aperçu, au repos"
PREVIEW_NEEDS = "Ajoutez une photo pour voir un aperçu ici."
EMOTION = "Expression"
EMOTIONS = {
    "neutral": "Neutre",
    "happy": "Joie",
    "sad": "Tristesse",
    "angry": "Colère",
    "surprised": "Surprise",
    "disgusted": "Dégoût",
    "fearful": "Peur",
    "contempt": "Mépris",
}
EMOTION_STRENGTH = "Intensité"
HEAD_MOTION = "Mouvement de tête"
MOUTH = "Bouche"
BLINKS = "Clignements (0 = auto)"
POSITION_X = "Vers la droite"
POSITION_Y = "Vers le bas"
ROTATION = ("Tourner", "Hocher", "Pencher")
SEED = "Graine"
SEED_ROLL = "Nouvelle graine"
SMOOTHNESS = "Images par seconde"
FRAMING = "Cadre"
FRAMINGS = [("Tête, 512 x 512", "head"), ("Photo entière", "photo")]
SIGN_SWITCH = "Montrer le signe « AI-generated » dans l’image (filigrane et déclaration signée restent toujours)"
LOOK_RESET = "Réinitialiser"

CREATE = "Créer la vidéo"
CANCEL = "Arrêter"
STAGE = {
    "waiting": "En attente",
    "photo": "Lecture du visage",
    "motion": "Écoute de la voix",
    "rendering": "Dessin et filigrane",
    "signing": "Signature",
    "checking": "Contrôle du sceau",
}
AHEAD_ONE = "Une personne est avant vous."
AHEAD_MANY = "{count} personnes sont avant vous."
AHEAD_LEFT = "Votre tour dans {seconds:.0f} s environ."
TIME_LEFT = "encore {seconds:.0f} s environ"
TIME_UNKNOWN = "à l’instant"
EMPTY_TITLE = "Votre vidéo apparaîtra ici"
EMPTY_TEXT = "Ajoutez une photo et une voix, répondez pour le consentement, puis Créer la vidéo."
EXAMPLE = "Première visite ? Tout remplir avec un exemple"

MISSING_PHOTO = "Ajoutez d’abord une photo de portrait (étape 1)."
MISSING_SPEECH = "Ajoutez d’abord un enregistrement (étape 2)."
STILL_WORKING = "Votre dernière vidéo est encore en cours. Attendez-la, ou appuyez sur Arrêter."
STOPPED = "Arrêté. Rien n’a été gardé."
LEFT = "Cette page a été fermée."
GONE = "Vos fichiers ont été effacés parce que la page n’a pas servi pendant une heure. Ajoutez-les de nouveau."
FAULT = "Quelque chose s’est mal passé de notre côté, et rien n’a été gardé. Réessayez ; si cela se reproduit, signalez {mark}."

RESULT_TITLE = "Vidéo scellée"
RESULT_WATERMARK = "Filigrane"
RESULT_MANIFEST = "Manifeste"
RESULT_CONSENT = "Consentement"
RESULT_LOG = "Inscription au registre"
RESULT_LENGTH = "Durée"
RESULT_LENGTH_VALUE = "{seconds:.1f} s, {frames} images, {fps} par seconde"
RESULT_MADE = "Faite en"
RESULT_MADE_VALUE = "{wall:.1f} s ({realtime:.1f} × le temps réel)"
RESULT_TIMINGS = "Temps par étape"
TIMING = {
    "read": "Lecture des fichiers",
    "consent": "Signature du consentement",
    "photo": "Préparation du portrait",
    "motion": "De la voix au mouvement",
    "frames": "Toutes les images, temps réel",
    "render": "attente du rendu",
    "mark": "filigrane, processeur",
    "encode": "encodage, processeur",
    "sign": "Signature du manifeste",
    "write": "Écriture du fichier",
    "check": "Contrôle du sceau",
}
VIDEO_LABEL = "Vidéo parlante"
DOWNLOAD_VIDEO = "Télécharger la vidéo"
DOWNLOAD_RECEIPT = "Reçu du consentement"
DOWNLOAD_MOTION = "Fichier de mouvement"
SEND = "La vérifier"
SEND_DETECT = "L’examiner"
AGAIN = "Comparer les graines"
EARLIER_LABEL = "La prise précédente"
TAKE = "Graine {seed}"

SAMPLES_TITLE = "Exemples"
SAMPLES_HINT = "Faits auparavant avec ce programme ; ils se lancent aussitôt."
SAMPLE_TITLE = "Exemple préparé"
SAMPLE_SIGNER = "Signé par l’autorité des exemples de Candor lors de sa préparation."
SAMPLE_USE = "En faire une pareille"
SAMPLE_USED = (
    "La photo, la voix et l’apparence sont chargées. À l’étape 3, ajoutez votre nom et confirmez la déclaration, puis "
    "Créer la vidéo."
)

SPECIMENS_TITLE = "Ou essayez l’un de ceux-ci"
SPECIMENS_HINT = (
    "Une vidéo faite ici par ce programme, deux copies que quelqu’un a changées, et une vraie photographie filmée."
)
SPECIMENS_WAIT = "La première fois, la vidéo est faite ici même, ce qui prend quelques secondes."
SPECIMENS = {
    "own": "Vidéo faite ici",
    "stripped": "Manifeste retiré",
    "tampered": "Fichier modifié",
    "real": "Vraie photographie",
}

# Live ---------------------------------------------------------------------------------------------------------------
LIVE_TAB = "En direct"
LIVE_INTRO = "Parlez, et le portrait parle avec vous, dans cette page."
LIVE_CONSENT = "Ce consentement vaut pour tout ce qui sera dit pendant une session en direct de {minutes} minutes au plus. Votre voix est entendue par le serveur, gardée seulement pendant la session, et ne devient un fichier que si vous le demandez."
LIVE_START = "Passer en direct"
LIVE_STOP = "Arrêter"
LIVE_HEAR = "Entendre ma voix, en accord avec l’image"
LIVE_SEAL = "Sceller l’enregistrement en vidéo"
LIVE_CANVAS = "Le portrait, généré en direct"
LIVE_IDLE = "Choisissez une photo, répondez pour le consentement, puis Passer en direct."
LIVE_MARKED = "Chaque image porte le filigrane invisible et un signe visible. Une image en direct n’a pas de manifeste signé ; un enregistrement scellé en a un."
LIVE_GONE = "Cette session en direct est finie. Appuyez sur Passer en direct pour une autre."
LIVE_WORDS = {
    "asking": "Votre navigateur demande le micro : autorisez-le.",
    "speak": "Vous êtes en direct. Parlez.",
    "again": "La connexion s’est rompue. Nouvel essai …",
    "lost": "La connexion est perdue. Appuyez sur Passer en direct pour recommencer.",
    "stopping": "Arrêt …",
    "stopped": "Arrêté.",
    "recorded": "{seconds} s ont été enregistrées.",
    "facts": "{ms} ms de la voix à l’image · {fps} images par seconde · encore {left} s",
    "denied": "Le micro a été refusé. Autorisez-le pour cette page dans votre navigateur, puis recommencez.",
    "none": "Aucun micro n’a été trouvé. Branchez-en un, puis recommencez.",
    "insecure": "Les navigateurs ne donnent le micro qu’aux pages en https ou sur cet ordinateur. Ouvrez-la ainsi.",
    "old": "Ce navigateur n’a pas ce qu’il faut pour le direct. Utilisez un Chrome, Edge, Firefox ou Safari récent.",
}

# About --------------------------------------------------------------------------------------------------------------
ABOUT_TAB = "À propos"
ABOUT_INTRO = "Candor fait parler un portrait, sur un ordinateur ordinaire, et ne peut pas le faire sans laisser de preuves. Son code est ouvert ; il suit VASA-1, que Microsoft a décrit et gardé fermé par crainte des abus."
ABOUT_WAY = [
    ("Consentement", "signé par vous, gardé dans un registre qui ne fait que grandir"),
    ("Mouvement", "les lèvres selon ce qui est dit, tête et yeux selon la manière"),
    ("Image", "la photo est déformée ; bouche et yeux sont dessinés"),
    ("Marques", "deux filigranes invisibles et un signe visible dans chaque image"),
    ("Sceau", "un manifeste C2PA signé ; le fichier est relu avant de vous parvenir"),
]
ABOUT_PICTURES = {  # fichier des exemples -> ce qu’il montre
    "grace_hopper.jpg": "Une photographie…",
    "english.jpg": "… parle",
    "rosalind.jpg": "Un visage dessiné…",
    "happy.jpg": "… est joyeux",
    "gaze.jpg": "… regarde de côté",
}
ABOUT = [
    (
        "De quoi il a appris",
        [
            "Les lèvres : de la parole synthétique et enregistrée, avec l’heure de chaque son, et des suivis de vraies "
            "personnes qui parlent.",
            "Tête, sourcils, clignements : des suivis de vrais locuteurs. Rien n’est jamais appris des visiteurs.",
            "La fiche du modèle nomme chaque source.",
        ],
    ),
    (
        "Ce qui échoue",
        [
            "Dents et langue sont plausibles, pas celles de la personne. Ce que la photo cache est deviné.",
            "Les têtes très tournées, les mains ou cheveux devant le visage et les visages très petits donnent mal.",
            "Les lèvres suivent de nombreuses langues ; la musique sous la voix et les cris les rendent moins sûres.",
            "Les animaux et les dessins loin d’un visage humain sont refusés, et parfois un visage humain aussi.",
        ],
    ),
    (
        "Ce que valent les preuves",
        [
            "Un manifeste valable dit qui a signé. Il ne dit pas que ce que l’on voit est vrai.",
            "Aucun filigrane trouvé ne veut pas dire authentique : on peut le détruire, et d’autres programmes n’en mettent "
            "pas.",
            "Le consentement est déclaré par qui fait la vidéo. Personne ne vérifie d’identité.",
            "Le détecteur dit s’il est probable qu’un visage soit généré, et le dit quand il ne sait pas.",
        ],
    ),
    (
        "Si quelque chose ne va pas",
        [
            "Une vidéo de vous dont vous ne vouliez pas : Vérifier montre son consentement. L’exploitant de cette page peut "
            "le retirer ; chaque copie est alors signalée comme retirée.",
            "Votre propre consentement : retirez-le sur la page Vérifier avec le code de votre reçu, à tout moment.",
            "Une faiblesse ou un abus du programme : le document de sécurité dit à qui écrire.",
        ],
    ),
    (
        "Ce que deviennent vos fichiers",
        [
            "Photo, voix et vidéo sont dans un dossier à vous et disparaissent quand vous fermez la page, au plus tard après "
            "une heure.",
            "Le consentement reste : ce que vous avez tapé, et des empreintes salées de la photo et de l’enregistrement, pas "
            "les fichiers.",
            "La page ne demande rien à aucun autre site.",
        ],
    ),
]
ABOUT_RATES_TITLE = "Combien de fois le détecteur se trompe"
ABOUT_RATES_INTRO = (
    "Mesuré sur {people} personnes qu’il n’avait jamais vues, {real} prises réelles et {generated} générées d’environ "
    "deux secondes. Il connaît ce que fait ce programme ; sur d’autres il n’a pas été assez mesuré pour rien promettre."
)
ABOUT_RATES_HEAD = ["dites générées", "d’apparence authentique", "sans réponse"]
ABOUT_RATES_ROWS = {"real": "Prises réelles", "generated": "Prises générées"}
ABOUT_CONTACT = "Questions sur cette installation : {contact}"
ABOUT_MORE = "En savoir plus"
DOCUMENTS = {
    "model-card": "Fiche du modèle (en anglais)",
    "safety": "Comment marchent consentement, filigrane et manifeste (en anglais)",
    "threat-model": "Modèle de menaces (en anglais)",
    "app": "L’application, ses réglages et ses limites (en anglais)",
    "live": "Le direct (en anglais)",
    "detection": "Le détecteur et ses taux d’erreur (en anglais)",
    "api": "Par HTTP, pour les programmes (en anglais)",
    "security": "Signaler une faiblesse ou un abus (en anglais)",
    "licence": "Licence (Apache-2.0)",
    "samples": "D’où viennent les exemples (en anglais)",
}

# Verify -------------------------------------------------------------------------------------------------------------
VERIFY_TAB = "Vérifier"
VERIFY_INTRO = (
    "Déposez une vidéo ou une image. Candor lit ce qu’elle dit d’elle-même, et si ces témoignages concordent."
)
VERIFY_LABEL = "Vidéo ou image à vérifier"
VERIFY_PRIVATE = "Le fichier est lu tel quel, {megabytes} Mo au plus, et effacé quand vous partez."
VERIFY_EMPTY_TITLE = "Le rapport apparaîtra ici"
VERIFY_EMPTY_TEXT = "Quatre traces indépendantes : le manifeste signé, le filigrane, le consentement et le registre."
VERIFY_ONWARD = "Examiner aussi les visages"
VERIFY_WAIT_TITLE = "Lecture du fichier"
VERIFY_WAIT_TEXT = "Le manifeste, puis les pixels, puis le registre. Une longue vidéo prend quelques secondes."
VERDICT = {
    "sealed": "Générée par Candor, sceau intact",
    "sample": "Un des exemples de Candor",
    "stripped_copy": "Générée par Candor, manifeste enlevé",
    "altered": "Modifiée après la signature",
    "contradiction": "Les traces se contredisent",
    "foreign_manifest": "Signée par quelqu’un d’autre",
    "trace": "Traces d’un filigrane",
    "nothing": "Rien trouvé",
}
SAMPLE_SUMMARY = "Ce clip a été généré par Candor, qui le fournit comme exemple. Son manifeste est intact et signé par l’autorité des exemples, dont la clé a été détruite après usage."
ROW_MANIFEST = "Manifeste"
ROW_WATERMARK = "Filigrane"
ROW_CONSENT = "Consentement"
ROW_LOG = "Registre"
DETAILS = "Détails"
CONTRADICTION = "Ceci ne concorde pas"
MANIFEST = {  # état -> mot, phrase
    "Trusted": ("De confiance", "Signé par une autorité que cette installation reconnaît, et inchangé depuis."),
    "Valid": (
        "Signataire inconnu",
        "Inchangé depuis la signature, mais cette installation ne connaît pas le signataire.",
    ),
    "Invalid": ("Invalide", "La signature ne correspond pas au fichier : l’un des deux a été modifié."),
    "none": ("Aucun", "Le fichier ne dit pas d’où il vient."),
    "sample": ("Autorité des exemples", "Signé par l’autorité des exemples de Candor, et inchangé depuis."),
}
MANIFEST_FACTS = {"generator": "Fait avec", "signer": "Signé par", "title": "Titre", "label": "Numéro du manifeste"}
MANIFEST_CLAIMS = "Affirme"
MANIFEST_FAILURES = "Problèmes"
WATERMARK = {
    "found": ("Trouvé", "Les pixels portent le numéro {id}."),
    "trace": ("Trace", "Il y a un filigrane de cette installation, trop abîmé pour lire son numéro."),
    "none": ("Introuvable", "Les pixels ne portent aucun filigrane de cette installation."),
    "sample": ("Trouvé", "Les pixels portent le numéro {id} dans la marque publique, comme le dit le manifeste."),
}
CONSENT = {
    "valid": ("Valable", "Le consentement est connu ici et toujours valable, jusqu’au {expires_at}."),
    "expired": ("Expiré", "Le consentement est connu ici ; il a pris fin le {expires_at}."),
    "withdrawn": ("Retiré", "Le consentement a été retiré le {withdrawn_at}. Ne montrez ni ne partagez ce fichier."),
    "unknown": ("Inconnu", "Le fichier nomme un consentement que cette installation n’a pas."),
    "none": ("Aucun", "Rien dans le fichier ne mène à un consentement de cette installation."),
}
CONSENT_RECORD = "Numéro"
CONSENT_BASIS = "Fondement"
LOG = {
    True: ("Inscrite", "Le registre, qui ne peut que s’allonger, contient cette vidéo et le prouve."),
    False: ("Absente", "Le registre ne contient pas cette vidéo."),
    None: ("Rien à chercher", "Rien dans le fichier ne mène à une inscription du registre de cette installation."),
}
LOG_ENTRY = "Inscription"
LOG_MADE = "Faite le"
ROW_SOUND = "Son"
SOUND = {
    "same": ("Comme scellé", "Le son est celui avec lequel cette vidéo a été scellée."),
    "other": ("Échangé", "Le son n’est pas celui avec lequel cette vidéo a été scellée."),
    "unsure": ("Incertain", "Le son a trop changé pour dire si c’est celui qui a été scellé."),
    "none": ("Muet", "Le fichier n’a pas de son à comparer."),
    "unknown": ("Rien à comparer", "Aucune vidéo de cette installation n’a été trouvée pour comparer le son."),
}
SOUND_DIFFERENCE = "Différence"
SOUND_MARK = "Marque dans le son"
MARK_SECONDS = "Secondes qui le portent"
MARK_SPAN = "{start:.1f} à {end:.1f} s"
MARK_PICTURE = "Image sous le filigrane"
PICTURE = {
    "same": "celle pour laquelle il a été fait",
    "other": "une autre : le filigrane a été copié",
    "unsure": "trop modifiée pour le dire",
    "unknown": "rien à comparer",
}
ROW_RECOVERED = "Retrouvé"
RECOVERED = (
    "Lien faible",
    "Le manifeste que ce fichier a perdu, retrouvé par son filigrane. Il dit ce qui a été signé un jour, non que cette "
    "copie est intacte.",
)
SIGN = {True: "dans l’image lors de la signature", False: "laissé de côté lors de la création"}
SIGN_LABEL = "Signe visible"
SIGNED_AT = "Horodatage"
SIGNED_BY_ITSELF = "AUTORITÉ DE DÉVELOPPEMENT : faite par cette installation ; personne d’autre n’en répond."
AUTHORITY = "Autorité"
CONSENT_EVIDENCE = "Repose sur"

# Detect -------------------------------------------------------------------------------------------------------------
DETECT_TAB = "Détecter"
DETECT_INTRO = "Déposez une vidéo suspecte. Candor en regarde les visages et dit s’ils semblent générés, ou qu’il ne peut pas le dire."
DETECT_LABEL = "Vidéo à examiner"
DETECT_PRIVATE = "Le fichier est examiné tel quel, jusqu’à {megabytes} Mo, et supprimé quand vous partez. Rien n’est envoyé ailleurs."
DETECT_SAVE = "Enregistrer le rapport"
DETECT_EMPTY_TITLE = "Le rapport apparaîtra ici"
DETECT_EMPTY_TEXT = (
    "D’où le fichier dit venir, ce que le détecteur voit au fil du temps, et combien de fois il se trompe."
)
DETECT_WAIT_TITLE = "Examen des visages"
DETECT_WAIT_TEXT = (
    "Les visages sont suivis à travers la vidéo, puis jugés. Dix secondes de vidéo prennent quelques secondes."
)
DETECT_TRACES = "Ce que le fichier dit de lui-même : {verdict}."
DETECT_PART = "{done:.0%} lus, aucun visage à juger pour l’instant."
DETECT_SO_FAR = "{done:.0%} lus. Pour l’instant : {probability} qu’elle soit générée."
