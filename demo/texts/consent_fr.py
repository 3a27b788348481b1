"""Ce que disent l’étape du consentement et le retrait, en français : mêmes noms que dans `consent_en.py`."""

CONSENT_INTRO = (
    "Qui est-ce, et de quel droit le faites-vous parler ? Votre réponse est signée et scellée dans la vidéo."
)
BASIS = {
    "self": "C’est moi",
    "written-consent": "J’ai son autorisation",
    "public-domain": "Image du domaine public",
    "synthetic": "Personnage inventé",
}
SUBJECT = {
    "self": "Votre nom",
    "written-consent": "Nom de la personne sur la photo",
    "public-domain": "Qui est sur l’image",
    "synthetic": "Nom du personnage",
}
SOURCE = {
    "self": "",
    "written-consent": "Où l’autorisation est écrite",
    "public-domain": "D’où vient l’image",
    "synthetic": "Qui ou quoi a fait l’image",
}
ATTESTER = "Votre nom"
PURPOSE = "À quoi servira la vidéo"
PURPOSES = ["Message personnel", "Enseignement", "Recherche", "Art ou satire", "Accessibilité"]
PHRASE_LABEL = "Pour montrer que vous êtes là, tapez ces mots : {phrase}"
PHRASE_INFO = "Ils valent une demi-heure et pour une seule vidéo."
PHRASE_AGAIN = "D’autres mots"
PHRASE_SPOKEN = "Ou dites-les à voix haute"
PHRASE_SPOKEN_HINT = "Enregistrez-vous en disant les mots, ou envoyez un tel enregistrement d’une minute au plus. Seule une empreinte salée en est gardée, et le consentement le dit : ce programme ne vérifie pas ce qui y est dit, comme il vérifie les mots tapés."
DOCUMENT = "Ou ajoutez le document lui-même"
DOCUMENT_HINT = "{megabytes} Mo au plus. Seule une empreinte salée en est gardée : en montrant plus tard le document, on pourra la vérifier."
TERMS_TITLE = "Ce que vous acceptez"
STATEMENT_BEFORE = "Choisissez ci-dessus ce qui vous autorise à faire cette vidéo."
CONSENT_TERM = (
    "Le consentement vaut un an, et seulement pour cette photo avec cet enregistrement. Vous pouvez le retirer."
)
MISSING_BASIS = "Dites ce qui vous autorise à faire cette vidéo (étape 3) : c’est vous, vous avez l’autorisation, ou personne n’est lésé."
MISSING_FIELD = "Remplissez « {field} » (étape 3)."
MISSING_PHRASE = "Tapez ou dites les mots que l’étape 3 vous montre, ou demandez-y d’autres mots."
MISSING_PERMISSION = "Dites où l’autorisation est écrite, ou ajoutez le document (étape 3)."
EMPTY_DOCUMENT = "Le document est vide. Ajoutez l’autorisation écrite elle-même."
MISSING_STATEMENT = (
    "Confirmez la déclaration à la fin de l’étape 3. Sans consentement, aucune vidéo ne peut être faite."
)

# Sur quoi repose un consentement, tel que Vérifier le montre --------------------------------------------------------
BASES = {
    "self": "la personne elle-même",
    "written-consent": "autorisation écrite",
    "public-domain": "image du domaine public",
    "synthetic": "personne réelle : aucune",
}
EVIDENCE = {
    "challenge": "des mots demandés, tapés ou dits",
    "document": "un document (empreinte salée)",
    "reference": "la référence d’un document (empreinte salée)",
    "source": "la source déclarée de l’image",
    "none": "rien que la déclaration",
}
TIME_STAMP = {"trusted": "par l’autorité choisie ici", "unknown": "par une autorité inconnue ici"}

# Le retrait, sur la page Vérifier -----------------------------------------------------------------------------------
WITHDRAW_TITLE = "Retirer un consentement"
WITHDRAW_INTRO = "La personne qui a consenti peut revenir là-dessus avec le code du reçu. Plus aucune vidéo ne peut alors être faite avec ce consentement, et toute vidéo faite avec lui est signalée ici comme retirée. Les copies ne peuvent pas être rappelées, et le retrait est définitif."
WITHDRAW_RECEIPT = "Reçu"
WITHDRAW_HINT = "Déposez ici le reçu, ou recopiez-en les deux."
WITHDRAW_RECORD = "Numéro du consentement"
WITHDRAW_CODE = "Code de retrait"
WITHDRAW_SURE = "Je veux retirer ce consentement pour de bon."
WITHDRAW = "Retirer"
WITHDRAW_READ = "Le reçu est lu. Confirmez ci-dessous, puis appuyez sur Retirer."
WITHDRAW_NO_CODE = "Ce reçu n’a pas de code de retrait. Utilisez celui qui a été téléchargé quand la vidéo a été faite."
WITHDRAW_MISSING = "Remplissez « {field} »."
WITHDRAW_UNSURE = "Confirmez que vous voulez retirer le consentement ; c’est définitif."
WITHDRAWN = "Le consentement {record} est retiré. Toute vidéo faite avec lui est désormais signalée comme retirée."
