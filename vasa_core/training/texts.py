"""Sentences for the synthesisers, written for this project. Words are drawn from them in any order, too."""

SENTENCES: dict[str, tuple[str, ...]] = {
    "fr": (
        "Bonjour madame, je voudrais un peu de pain et beaucoup de beurre pour ce matin.",
        "Mon père aime les belles voitures, mais ma mère préfère le vélo et la marche.",
        "Nous partons demain pour le bord de la mer avec huit amis et deux chevaux.",
        "La lumière du soir tombe sur les vieux murs de la ville.",
    ),
    "de": (
        "Guten Morgen, ich möchte bitte ein Stück Apfelkuchen und einen Becher Kaffee.",
        "Mein Bruder fährt über die Brücke und bringt viele Bücher aus der Bibliothek mit.",
        "Wir haben am Abend lange über Musik, Politik und das Wetter gesprochen.",
        "Schöne Vögel singen früh am Morgen vor unserem Fenster.",
    ),
    "es": (
        "Buenos días, quiero comprar pan, mantequilla y una botella de vino para la familia.",
        "Mi hermano vive cerca del puerto y trabaja en una pequeña empresa de barcos.",
        "Ayer fuimos juntos al mercado y hablamos mucho de la vida.",
    ),
    "it": (
        "Buongiorno, vorrei un bicchiere di acqua e un piatto di pasta al pomodoro.",
        "Mia mamma abita vicino al mare e ama le passeggiate lungo la spiaggia.",
        "Questa mattina abbiamo parlato a lungo di musica, cinema e vecchi libri.",
    ),
    "pt": (
        "Bom dia, eu gostaria de um copo de água e um pouco de pão com manteiga.",
        "O meu pai mora perto da praia e gosta muito de viajar com os amigos.",
        "Amanhã vamos embora para uma pequena vila no campo.",
    ),
    "nl": (
        "Goedemorgen, ik wil graag een broodje met boter en een kopje koffie.",
        "Mijn broer fietst elke dag over de brug naar zijn werk in de stad.",
        "We hebben gisteren veel over boeken, muziek en het weer gepraat.",
    ),
    "ru": (
        "Доброе утро, мне пожалуйста хлеб, масло и большую бутылку воды.",
        "Мой брат живёт около моря и любит быстрые машины и старые фильмы.",
        "Вечером мы долго говорили о погоде, музыке и новых книгах.",
    ),
    "pl": (
        "Dzień dobry, poproszę bułkę z masłem i filiżankę czarnej kawy.",
        "Mój brat mieszka blisko morza i bardzo lubi muzykę oraz stare filmy.",
    ),
    "cmn": (
        "你好，我们明天早上八点半去爬山，不怕下雨。",
        "妈妈买了面包和苹果，爸爸喜欢喝茶看报纸。",
        "中国的天气很好，朋友们都说这里的饭非常好吃。",
        "请把门关上，我想跟你说一件重要的事情。",
    ),
    "ja": (
        "おはようございます。わたしはまいあさパンとみずをのみます。",
        "ともだちといっしょにうみへいって、ふねをみました。",
        "ふゆのよるはながくて、ほんをよむのがすきです。",
    ),
    "ko": (
        "안녕하세요, 내일 아침에 친구와 함께 바다에 가고 싶습니다.",
        "엄마는 빵을 사고 아빠는 음악을 들으면서 책을 봅니다.",
    ),
    "hi": (
        "नमस्ते, मुझे पानी और थोड़ी रोटी चाहिए, मेरा भाई बाज़ार में काम करता है।",
        "हम कल सुबह पहाड़ पर जाएंगे और बहुत सारी बातें करेंगे।",
    ),
    "ar": ("صباح الخير، أريد كوبا من الماء وبعض الخبز من فضلك.", "أخي يسكن قريبا من البحر ويحب السفر والموسيقى."),
    "tr": (
        "Günaydın, bir bardak su ve biraz peynir almak istiyorum.",
        "Kardeşim her sabah köprüden geçip büyük bir fabrikada çalışıyor.",
    ),
    "sv": (
        "God morgon, jag vill gärna ha en kopp kaffe och en smörgås.",
        "Min bror bor vid havet och älskar musik och böcker.",
    ),
    "fi": (
        "Hyvää huomenta, haluaisin kupin kahvia ja vähän leipää.",
        "Veljeni asuu meren lähellä ja puhuu mielellään musiikista.",
    ),
    "el": (
        "Καλημέρα, θέλω ένα ποτήρι νερό και λίγο ψωμί παρακαλώ.",
        "Ο αδελφός μου μένει κοντά στη θάλασσα και αγαπά τη μουσική.",
    ),
    "vi": ("Xin chào, tôi muốn mua bánh mì và một cốc cà phê.", "Anh tôi sống gần biển và rất thích âm nhạc."),
    "uk": (
        "Доброго ранку, мені будь ласка хліб, масло і пляшку води.",
        "Мій брат живе біля моря і любить музику та книги.",
    ),
    "id": (
        "Selamat pagi, saya mau membeli roti, mentega dan sebotol air.",
        "Bapak pergi bersama ibu ke pasar pagi ini.",
    ),
}

# Frequent English words: glue between the random words of a dictionary.
GLUE = tuple(
    """
    the a of and to in is you that it he was for on are with as I his they be at one have this from or had by but
    what some we can out other were all there when up use your how said an each she which do their time if will way
    about many then them would write like so these her long make thing see him two has look more day could go come
    did my sound no most number who over know water than call first people may down side been now find maybe move me
    problem simple family before above five four home map both public buy pay baby remember company hope believe
    """.split()  # noqa: SIM905  (a list of literals would be unreadable)
)
