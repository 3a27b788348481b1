"""The pages' sentences in English. `fr.py` holds the same names with the same `{fields}`."""

from demo.texts.consent_en import *  # noqa: F403

NAME = "Candor"
TAGLINE = "A photo and a voice become a talking video that says what it is."
FOOTER = (
    "Photo, voice and video are removed when you close this page; the signed consent record stays with whoever runs it."
)
LANGUAGE = "Language"
TOASTS = {  # what the web framework has to say; {files} is filled in by the page
    "large": "{files}: a file may have 100 MB at most. Choose a smaller one, or cut it.",
    "type": "{files} is of another kind than is asked for here. Choose another file.",
    "microphone": "The microphone was refused. Allow it for this page in your browser, then try again.",
    "camera": "The camera was refused. Allow it for this page in your browser, then try again.",
    "lost": "The server cannot be reached. This page tries again by itself and opens anew once it can.",
    "broken": "The connection broke before everything had arrived. Check it and try again.",
    "busy": "Too many people are here at the moment. Please try again in a few minutes.",
    "titles": {"Error": "Error", "Warning": "Note", "Info": "Note", "Connection Lost": "Connection lost"},
}
WARNING = "Development authority: videos made here read “unknown signer” everywhere else."
DEVELOPMENT = (
    "This installation signs with its own development authority. Its videos read Trusted here, and “unknown signer” "
    "elsewhere."
)

# Create -------------------------------------------------------------------------------------------------------------
CREATE_TAB = "Create"
PHOTO_STEP = "Photo"
PHOTO_LABEL = "Portrait photo"
PHOTO_DROP = "Drop a portrait here, or click to choose"
PHOTO_HINT = "One face, looking at the camera. JPEG, PNG, WebP or HEIC, up to {megabytes} MB."
PHOTO_CHANGE = "Choose another photo"
FACE_CHOICE = "Which face should speak?"
FACE_NAME = "Face {number}"
FACE_LARGEST = "Face {number} (largest)"
FACE_ONE = "1 face, {size} px"
FACE_CHOSEN = "Chosen face, {size} px"
FACE_GOOD = "Clear and well placed."
SPEECH_STEP = "Voice"
SPEECH_LABEL = "Speech recording"
SPEECH_HINT = "Drop a recording or use the microphone. 0.3 seconds to 5 minutes, up to {megabytes} MB."
SPEECH_VIDEO = "Take the sound of a video"
SPEECH_LENGTH = "{name}: {seconds:.1f} seconds of sound."
SPEECH_SILENT = "{name}: {seconds:.1f} seconds of silence. The portrait will only breathe and blink."

TYPE_TITLE = "Or type what it should say"
TYPE_LABEL = "Text, up to 500 characters"
TYPE_VOICE = "Language of the synthetic voice"
TYPE_SAY = "Use this text"
TYPE_DONE = "Synthetic voice ({voice}), {seconds:.1f} seconds. Consent record and manifest will say so."

CONSENT_STEP = "Consent"

LOOK = "Look and motion"
LOOK_MORE = "More controls"
GAZE_YAW = "Gaze sideways"
GAZE_PITCH = "Gaze down"
DISTANCE = "Distance"
GAZE_PAD = "Gaze: point where the eyes should look"
PREVIEW = "Preview, at rest"
PREVIEW_NEEDS = "Add a photo to see a preview here."
EMOTION = "Expression"
EMOTIONS = {
    "neutral": "Neutral",
    "happy": "Happy",
    "sad": "Sad",
    "angry": "Angry",
    "surprised": "Surprised",
    "disgusted": "Disgusted",
    "fearful": "Fearful",
    "contempt": "Contempt",
}
EMOTION_STRENGTH = "Strength"
HEAD_MOTION = "Head motion"
MOUTH = "Mouth"
BLINKS = "Blinks (0 = auto)"
POSITION_X = "Move right"
POSITION_Y = "Move down"
ROTATION = ("Turn", "Nod", "Tilt")
SEED = "Seed"
SEED_ROLL = "New seed"
SMOOTHNESS = "Frames a second"
FRAMING = "Picture"
FRAMINGS = [("Head, 512 x 512", "head"), ("Whole photo", "photo")]
SIGN_SWITCH = "Show the sign “AI-generated” in the picture (the watermark and the signed statement always stay)"
LOOK_RESET = "Reset"

CREATE = "Create video"
CANCEL = "Stop"
STAGE = {
    "waiting": "In line",
    "photo": "Reading the face",
    "motion": "Listening to the voice",
    "rendering": "Drawing and watermarking",
    "signing": "Signing",
    "checking": "Checking the seal",
}
AHEAD_ONE = "One person is before you."
AHEAD_MANY = "{count} people are before you."
AHEAD_LEFT = "Your turn in about {seconds:.0f} s."
TIME_LEFT = "about {seconds:.0f} s left"
TIME_UNKNOWN = "just started"
EMPTY_TITLE = "Your video appears here"
EMPTY_TEXT = "Add a photo and a voice, answer for consent, and press Create video."
EXAMPLE = "New here? Fill everything in with an example"

MISSING_PHOTO = "Add a portrait photo first (step 1)."
MISSING_SPEECH = "Add a recording first (step 2)."
STILL_WORKING = "Your last video is still being made. Wait for it, or press Stop."
STOPPED = "Stopped. Nothing was kept."
LEFT = "This page was closed."
GONE = "Your files were removed because the page had not been used for an hour. Please add them again."
FAULT = "Something went wrong on our side, and nothing was kept. Please try again; if it happens again, report {mark}."

RESULT_TITLE = "Sealed video"
RESULT_WATERMARK = "Watermark"
RESULT_MANIFEST = "Manifest"
RESULT_CONSENT = "Consent record"
RESULT_LOG = "Log entry"
RESULT_LENGTH = "Length"
RESULT_LENGTH_VALUE = "{seconds:.1f} s, {frames} frames, {fps} a second"
RESULT_MADE = "Made in"
RESULT_MADE_VALUE = "{wall:.1f} s ({realtime:.1f} × real time)"
RESULT_TIMINGS = "Time per stage"
TIMING = {
    "read": "Reading the files",
    "consent": "Signing the consent",
    "photo": "Preparing the portrait",
    "motion": "Speech to motion",
    "frames": "All frames, wall time",
    "render": "waiting for the renderer",
    "mark": "watermark, CPU",
    "encode": "encoding, CPU",
    "sign": "Signing the manifest",
    "write": "Writing the file",
    "check": "Checking the seal",
}
VIDEO_LABEL = "Talking video"
DOWNLOAD_VIDEO = "Download video"
DOWNLOAD_RECEIPT = "Consent receipt"
DOWNLOAD_MOTION = "Motion file"
SEND = "Verify it"
SEND_DETECT = "Examine it"
AGAIN = "Compare seeds"
EARLIER_LABEL = "The take before"
TAKE = "Seed {seed}"

SAMPLES_TITLE = "Samples"
SAMPLES_HINT = "Made earlier with this program; they play at once."
SAMPLE_TITLE = "Prepared sample"
SAMPLE_SIGNER = "Signed by Candor’s sample authority when it was prepared."
SAMPLE_USE = "Make one like this"
SAMPLE_USED = (
    "Photo, voice and look are loaded. In step 3, add your name and confirm the statement; then press Create video."
)

SPECIMENS_TITLE = "Or try one of these"
SPECIMENS_HINT = (
    "A video made here by this program, two copies that somebody changed, and a real photograph that was filmed."
)
SPECIMENS_WAIT = "The first time the video is made here and now, which takes some seconds."
SPECIMENS = {
    "own": "Own video",
    "stripped": "Manifest removed",
    "tampered": "Tampered with",
    "real": "Real photograph",
}

# Live ---------------------------------------------------------------------------------------------------------------
LIVE_TAB = "Live"
LIVE_INTRO = "Speak, and the portrait speaks along, in this page."
LIVE_CONSENT = (
    "This consent is for whatever is said in one live session of at most {minutes} minutes. Your voice is heard on the "
    "server, kept only while the session lasts, and becomes a file only if you ask for it."
)
LIVE_START = "Go live"
LIVE_STOP = "Stop"
LIVE_HEAR = "Hear my voice, in step with the picture"
LIVE_SEAL = "Seal the recording as a video"
LIVE_CANVAS = "The portrait, generated live"
LIVE_IDLE = "Choose a photo, answer for consent, then press Go live."
LIVE_MARKED = (
    "Every picture carries the invisible watermark and a visible sign. A live picture has no signed manifest: a sealed "
    "recording has."
)
LIVE_GONE = "This live session is over. Press Go live for another one."
LIVE_WORDS = {
    "asking": "Your browser asks for the microphone: allow it.",
    "speak": "You are live. Speak.",
    "again": "The connection broke. Trying again …",
    "lost": "The connection was lost. Press Go live to start again.",
    "stopping": "Stopping …",
    "stopped": "Stopped.",
    "recorded": "{seconds} s were recorded.",
    "facts": "{ms} ms from voice to picture · {fps} pictures a second · {left} s left",
    "denied": "The microphone was refused. Allow it for this page in your browser, then press Go live again.",
    "none": "No microphone was found. Connect one, then press Go live again.",
    "insecure": "Browsers give the microphone only to pages on https or on this computer. Open this page so.",
    "old": "This browser lacks what live mode needs. Use a current Chrome, Edge, Firefox or Safari.",
}

# About --------------------------------------------------------------------------------------------------------------
ABOUT_TAB = "About"
ABOUT_INTRO = (
    "Candor makes a portrait speak, on an ordinary computer, and cannot do so without leaving evidence. It is open "
    "source; it follows VASA-1, which Microsoft described and kept closed for fear of misuse."
)
ABOUT_WAY = [
    ("Consent", "signed by you, kept in a log that only grows"),
    ("Motion", "lips from what is said, head and eyes from how"),
    ("Picture", "the photo is warped; mouth and eyes are drawn"),
    ("Marks", "two invisible watermarks and a visible sign in every frame"),
    ("Seal", "a signed C2PA manifest; the file is read back before you get it"),
]
ABOUT_PICTURES = {  # file of the samples -> what it shows
    "grace_hopper.jpg": "A photograph …",
    "english.jpg": "… speaks",
    "rosalind.jpg": "A drawn face …",
    "happy.jpg": "… is happy",
    "gaze.jpg": "… looks aside",
}
ABOUT = [
    (
        "What it learned from",
        [
            "Lips: synthetic and recorded speech with the times of its sounds, and tracks of real people who talk.",
            "Head, brows, blinks: tracks of real talkers. No photo or voice of a visitor is ever learned from.",
            "The model card names every source.",
        ],
    ),
    (
        "What fails",
        [
            "Teeth and tongue are plausible, not those of the person. What the photo hides is guessed.",
            "Strong head turns, hands or hair before the face, and very small faces look wrong.",
            "Lips follow speech in many languages; music under the voice and shouting make them less sure.",
            "Animals and drawings that are far from a human face are refused, and sometimes a human face is too.",
        ],
    ),
    (
        "What the evidence is worth",
        [
            "A valid manifest says who signed. It does not say that what you see is true.",
            "No watermark found does not mean authentic: marks can be destroyed, and other programs leave none.",
            "Consent is stated by the person who makes the video. Nobody checks an identity.",
            "The detector says how likely a face is generated, and says so when it cannot tell.",
        ],
    ),
    (
        "If something is wrong",
        [
            "A video of you that you did not want: Verify shows its consent record. Whoever runs this page can withdraw it; "
            "every copy then reads as withdrawn.",
            "Your own consent: withdraw it on the Verify page with the code in your receipt, at any time.",
            "A weakness or a misuse of the program: the security document says whom to tell.",
        ],
    ),
    (
        "What happens to your files",
        [
            "Photo, voice and video lie in a folder of your own and go when you close the page, after an hour at the latest.",
            "The consent record stays: what you typed, and salted hashes of photo and recording, not the files.",
            "The page asks no other site for anything.",
        ],
    ),
]
ABOUT_RATES_TITLE = "How often the detector is wrong"
ABOUT_RATES_INTRO = (
    "Measured on {people} people it never saw while learning, {real} real and {generated} generated takes of about two "
    "seconds. It knows the output of this program; of others it was not measured well enough to promise anything."
)
ABOUT_RATES_HEAD = ["called generated", "called authentic looking", "no answer"]
ABOUT_RATES_ROWS = {"real": "Real takes", "generated": "Generated takes"}
ABOUT_CONTACT = "Questions about this installation: {contact}"
ABOUT_MORE = "Read more"
DOCUMENTS = {
    "model-card": "Model card",
    "safety": "How consent, watermark and manifest work",
    "threat-model": "Threat model",
    "app": "The app, its settings and limits",
    "live": "Live mode",
    "detection": "The detector and its error rates",
    "api": "Over HTTP, for programs",
    "security": "Report a weakness or a misuse",
    "licence": "Licence (Apache-2.0)",
    "samples": "Where the samples come from",
}

# Verify -------------------------------------------------------------------------------------------------------------
VERIFY_TAB = "Verify"
VERIFY_INTRO = "Drop any video or picture. Candor reads what it says about itself, and whether the parts agree."
VERIFY_LABEL = "Video or picture to verify"
VERIFY_PRIVATE = "The file is read as it is, up to {megabytes} MB, and removed when you leave."
VERIFY_EMPTY_TITLE = "The report appears here"
VERIFY_EMPTY_TEXT = "Four independent traces: the signed manifest, the watermark, the consent record and the log."
VERIFY_ONWARD = "Examine the faces too"
VERIFY_WAIT_TITLE = "Reading the file"
VERIFY_WAIT_TEXT = "Manifest, then pixels, then the log. Long videos take a few seconds."
VERDICT = {
    "sealed": "Generated by Candor, seal intact",
    "sample": "One of Candor’s own samples",
    "stripped_copy": "Generated by Candor, manifest removed",
    "altered": "Changed after it was signed",
    "contradiction": "The traces contradict each other",
    "foreign_manifest": "Signed by someone else",
    "trace": "Traces of a watermark",
    "nothing": "Nothing found",
}
SAMPLE_SUMMARY = (
    "This clip was generated by Candor and ships with it as a sample. Its manifest is intact and signed by the sample "
    "authority, whose key was destroyed after use."
)
ROW_MANIFEST = "Manifest"
ROW_WATERMARK = "Watermark"
ROW_CONSENT = "Consent"
ROW_LOG = "Log"
DETAILS = "Details"
CONTRADICTION = "These do not agree"
MANIFEST = {  # state -> word, sentence
    "Trusted": ("Trusted", "Signed by an authority this installation trusts, and unchanged since."),
    "Valid": ("Unknown signer", "Unchanged since it was signed, but this installation does not know the signer."),
    "Invalid": ("Invalid", "The signature does not fit the file: one of them was changed."),
    "none": ("None", "The file does not say where it comes from."),
    "sample": ("Sample authority", "Signed by Candor’s sample authority, and unchanged since."),
}
MANIFEST_FACTS = {"generator": "Made with", "signer": "Signed by", "title": "Title", "label": "Manifest id"}
MANIFEST_CLAIMS = "States"
MANIFEST_FAILURES = "Problems"
WATERMARK = {
    "found": ("Found", "The pixels carry the id {id}."),
    "trace": ("Trace", "There is a watermark of this installation, too damaged to read its id."),
    "none": ("Not found", "The pixels carry no watermark of this installation."),
    "sample": ("Found", "The pixels carry the id {id} in the public mark, as the manifest says."),
}
CONSENT = {
    "valid": ("Valid", "The consent record is known here and still good, until {expires_at}."),
    "expired": ("Expired", "The consent record is known here; it ended on {expires_at}."),
    "withdrawn": ("Withdrawn", "The consent was withdrawn on {withdrawn_at}. Do not show or share this file."),
    "unknown": ("Unknown", "The file names a consent record that this installation does not have."),
    "none": ("None", "Nothing in the file leads to a consent record of this installation."),
}
CONSENT_RECORD = "Record"
CONSENT_BASIS = "Basis"
LOG = {
    True: ("Included", "The append-only log has an entry for this video, and proves it."),
    False: ("Missing", "The log has no entry for this video."),
    None: ("Nothing to look up", "Nothing in the file leads to an entry of this installation’s log."),
}
LOG_ENTRY = "Entry"
LOG_MADE = "Made"
ROW_SOUND = "Sound"
SOUND = {
    "same": ("As sealed", "The sound is the one this video was sealed with."),
    "other": ("Exchanged", "The sound is not the one this video was sealed with."),
    "unsure": ("Unsure", "The sound was changed too much to say whether it is the sealed one."),
    "none": ("Silent", "The file has no sound that could be compared."),
    "unknown": ("Nothing to compare", "No video of this installation was found to compare the sound with."),
}
SOUND_DIFFERENCE = "Difference"
SOUND_MARK = "Mark in the sound"
MARK_SECONDS = "Seconds that carry it"
MARK_SPAN = "{start:.1f} to {end:.1f} s"
MARK_PICTURE = "Picture under it"
PICTURE = {
    "same": "the one it was made for",
    "other": "another one: the mark was copied",
    "unsure": "changed too much to say",
    "unknown": "nothing to compare with",
}
ROW_RECOVERED = "Recovered"
RECOVERED = (
    "Soft match",
    "The manifest that this file has lost, found through its watermark. It says what was signed once, not that this copy "
    "is unedited.",
)
SIGN = {True: "in the picture when it was signed", False: "left out when it was made"}
SIGN_LABEL = "Visible sign"
SIGNED_AT = "Time-stamp"
SIGNED_BY_ITSELF = "DEVELOPMENT AUTHORITY: made by this installation; nobody else vouches for it."
AUTHORITY = "Authority"
CONSENT_EVIDENCE = "Rests on"

# Detect -------------------------------------------------------------------------------------------------------------
DETECT_TAB = "Detect"
DETECT_INTRO = "Drop a suspect video. Candor looks at the faces in it and says whether they look generated, or that it cannot tell."
DETECT_LABEL = "Video to examine"
DETECT_PRIVATE = (
    "The file is examined as it is, up to {megabytes} MB, and removed when you leave. Nothing is sent anywhere."
)
DETECT_SAVE = "Save the report"
DETECT_EMPTY_TITLE = "The report appears here"
DETECT_EMPTY_TEXT = (
    "Where the file says it comes from, what the detector sees over time, and how often the detector is wrong."
)
DETECT_WAIT_TITLE = "Examining the faces"
DETECT_WAIT_TEXT = "Faces are followed through the video, then judged. Ten seconds of video take a few seconds."
DETECT_TRACES = "What the file says of itself: {verdict}."
DETECT_PART = "{done:.0%} read, no face to judge so far."
DETECT_SO_FAR = "{done:.0%} read. So far: {probability} that it was generated."
