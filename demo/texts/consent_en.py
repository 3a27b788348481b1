"""What the consent step and the withdrawal say, in English. `consent_fr.py` holds the same names."""

CONSENT_INTRO = "Who is this, and why may you let them speak? Your answer is signed and sealed into the video."
BASIS = {
    "self": "It is me",
    "written-consent": "I have their permission",
    "public-domain": "Public-domain picture",
    "synthetic": "Not a real person",
}
SUBJECT = {
    "self": "Your name",
    "written-consent": "Name of the person in the photo",
    "public-domain": "Who is in the picture",
    "synthetic": "Name of the character",
}
SOURCE = {
    "self": "",
    "written-consent": "Where the permission is written down",
    "public-domain": "Where the picture comes from",
    "synthetic": "Who or what made the picture",
}
ATTESTER = "Your name"
PURPOSE = "What the video is for"
PURPOSES = ["Personal message", "Education", "Research", "Art or satire", "Accessibility"]
PHRASE_LABEL = "To show that you are here, type these words: {phrase}"
PHRASE_INFO = "They are good for half an hour and for one video."
PHRASE_AGAIN = "Other words"
PHRASE_SPOKEN = "Or say them aloud"
PHRASE_SPOKEN_HINT = (
    "Record yourself saying the words, or upload such a recording of at most a minute. It is kept as a salted hash only, "
    "and the record says so: this program does not check what is said in it, as it checks typed words."
)
DOCUMENT = "Or add the document itself"
DOCUMENT_HINT = (
    "Up to {megabytes} MB. Only a salted hash of it is kept: show the document later, and it can be checked."
)
TERMS_TITLE = "What you agree to"
STATEMENT_BEFORE = "Choose above what entitles you to make this video."
CONSENT_TERM = "The record is good for one year and only for this photo with this recording. You can withdraw it."
MISSING_BASIS = (
    "Say what entitles you to make this video (step 3): it is you, you have permission, or no one is harmed."
)
MISSING_FIELD = "Fill in “{field}” (step 3)."
MISSING_PHRASE = "Type or say the words that step 3 shows you, or ask for other words there."
MISSING_PERMISSION = "Say where the permission is written down, or add the document (step 3)."
EMPTY_DOCUMENT = "The document is empty. Add the written permission itself."
MISSING_STATEMENT = "Confirm the statement at the end of step 3. Without consent no video can be made."

# What a record rests on, as Verify shows it -------------------------------------------------------------------------
BASES = {
    "self": "the person themselves",
    "written-consent": "written permission",
    "public-domain": "public-domain picture",
    "synthetic": "no real person",
}
EVIDENCE = {
    "challenge": "a phrase, typed or spoken",
    "document": "a document (salted hash)",
    "reference": "a reference to a document (salted hash)",
    "source": "the stated source of the picture",
    "none": "nothing but the statement",
}
TIME_STAMP = {"trusted": "by the authority set here", "unknown": "by an authority not known here"}

# Withdrawal, on the Verify page -------------------------------------------------------------------------------------
WITHDRAW_TITLE = "Withdraw a consent"
WITHDRAW_INTRO = (
    "Whoever consented can take it back with the code in the receipt. No further video can then be made with it, and every "
    "video made with it reads as withdrawn here. Copies cannot be called back, and this cannot be undone."
)
WITHDRAW_RECEIPT = "Receipt"
WITHDRAW_HINT = "Drop the receipt here, or type both from it."
WITHDRAW_RECORD = "Consent record"
WITHDRAW_CODE = "Withdrawal code"
WITHDRAW_SURE = "I want to withdraw this consent for good."
WITHDRAW = "Withdraw"
WITHDRAW_READ = "The receipt was read. Confirm below, then press Withdraw."
WITHDRAW_NO_CODE = "This receipt has no withdrawal code. Use the one that was downloaded when the video was made."
WITHDRAW_MISSING = "Fill in “{field}”."
WITHDRAW_UNSURE = "Confirm that you want to withdraw the consent; it cannot be undone."
WITHDRAWN = "Consent {record} is withdrawn. Every video made with it reads as withdrawn from now on."
