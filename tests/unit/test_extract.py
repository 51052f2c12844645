from collections.abc import Collection

import pytest
from fake_models import HashEmbedding
from llama_index.core.schema import NodeWithScore, TextNode

from engines.documents.asked_words import AskedWords
from engines.documents.extract import Quote, Ranking, find_quotes
from engines.documents.figures import asks_for_figure, find_figures
from engines.documents.names_in_questions import find_capitalized_names
from engines.documents.sentences import find_quotable_sentences, split_sentences
from stores.chunks.bm25 import WordCounts


def passage(text: str, **metadata: str) -> NodeWithScore:
    return NodeWithScore(node=TextNode(text=text, metadata=metadata), score=0.5)


def quoted(question: str, *texts: str) -> list[str]:
    return quoted_by(HashEmbedding(), question, *texts)


def quoted_by(model: HashEmbedding, question: str, *texts: str, adaptive: bool = True) -> list[str]:
    found = find_quotes(question, [passage(text) for text in texts], model, adaptive=adaptive)
    return [quote.text for quote in found]


class Synonyms(HashEmbedding):
    """Knows that a footage is a video."""

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return super()._get_text_embeddings([self._known(text) for text in texts])

    def _get_query_embedding(self, query: str) -> list[float]:
        return super()._get_query_embedding(self._known(query))

    def _known(self, text: str) -> str:
        return text.replace("watch the footage", "see video").replace("anybody", "support")


class Counting(HashEmbedding):
    """Counts the texts that it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self._embedded = 0

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        self._embedded += len(texts)
        return super()._get_text_embeddings(texts)


def test_sentences_come_without_markup_and_rules() -> None:
    assert split_sentences("- **Never** rinse the `burrs`. Why so?") == [
        "Never rinse the burrs.",
        "Why so?",
    ]
    assert split_sentences("Set [innodb\\_x](a/b.md#c) to **80%** here.") == [
        "Set innodb_x to 80% here."
    ]
    assert split_sentences("| Ireland | 45 days | free |") == ["Ireland | 45 days | free"]
    kept = "The formula 2*3*4 of __init__ and a_b_c /* stays */ as it is."
    assert split_sentences(kept) == [kept]
    assert split_sentences("|---|---|") == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Né en 52 av. J.-C. à Rome, M. Dupont a lu, cf. p. 12, env. 3,5 pages.",
        "See e.g. the U.S. Army of Dr. Who, St. Louis, which paid $3.5 million.",
        "Mme. Curie et al. ont mesuré env. 3,5 mg.",
    ],
)
def test_abbreviations_and_decimals_end_no_sentence(sentence: str) -> None:
    assert split_sentences(f"{sentence} Then another.") == [sentence, "Then another."]


def test_questions_and_labels_are_not_quoted() -> None:
    found = find_quotable_sentences(
        [passage("How long may it take?\n\nTwo words\n\nIt may take two days.")]
    )
    assert [sentence.text for sentence in found] == ["It may take two days."]


def test_a_sentence_knows_its_heading_and_the_one_before_it_in_its_paragraph() -> None:
    text = "# Returns\n\nHow long do I have? You have 30 days.\n\nRefunds take a week."
    first, second = find_quotable_sentences([passage(text)])
    assert (first.before, first.under_heading) == (
        "How long do I have?",
        "Returns You have 30 days.",
    )
    assert second.before == ""


def test_a_sentence_of_a_row_is_not_glued_to_the_next_row() -> None:
    rows = (
        "id: 1; said: It rattles at night; done: no\nid: 2; said: It is loud. Very loud; done: no"
    )
    assert [each.text for each in find_quotable_sentences([passage(rows)])] == [
        "id: 1; said: It rattles at night; done: no",
        "id: 2; said: It is loud.",
        "Very loud; done: no",
    ]
    (*_, last) = find_quotable_sentences([passage("id: 3; a: It is late.; b: It is very late.")])
    assert last.text == "b: It is very late."
    prose = "We saw this: one thing; another\nand it goes on."
    assert [each.text for each in find_quotable_sentences([passage(prose)])] == [
        prose.replace("\n", " ")
    ]


def test_a_sentence_that_several_passages_hold_is_quoted_once() -> None:
    text = "The kettle boils in three minutes."
    assert quoted("When does the kettle boil?", text, text) == [text]


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("When was it built?", "en"),
        ("How many rooms has it?", "en"),
        ("En quelle année ?", "fr"),
        ("Combien de jours ?", "fr"),
        ("Wie viele Zimmer hat es?", "de"),
        ("In welchem Jahr wurde es gebaut?", "de"),
        ("¿En qué año se construyó?", "es"),
        ("Quante camere ha?", "it"),
        ("Hoe lang duurt het?", "nl"),
        ("Há quantos dias?", "pt"),
    ],
)
def test_questions_for_numbers_and_dates_are_known(question: str, language: str) -> None:
    assert asks_for_figure(question, language)


def test_other_questions_ask_for_no_figure() -> None:
    assert not asks_for_figure("Who built the whenever-house?", "en")
    assert not asks_for_figure("Où se trouve la mairie ?", "fr")
    assert not asks_for_figure("Wie heißt das Rathaus?", "de")


def test_figures_are_numbers_in_digits_and_words_months_and_signs() -> None:
    assert find_figures("Trois fois, le 5 août, pour 3,50 € ou 20 %", "fr") == {
        *("trois", "5", "aout", "3,50", "€", "20", "%")
    }
    assert find_figures("Dreimal im März, je zwölf Euro", "de") == {"marz", "zwolf"}
    assert find_figures("Once there was a time", "en") == set()
    assert find_figures("Once veces en agosto", "es") == {"once", "agosto"}


@pytest.mark.parametrize(
    "sentence",
    [
        "Sie erschien am 14. Oktober 2004 zuerst.",
        "Sie rief: „Komm her. Setz dich.“",
        "Das „Handbuch“ ist gut.",
        "Das kostet z.B. zwei Euro bzw. mehr.",
        "Lo dice la pág. 3 del Sr. García.",
        "Dhr. Jansen heeft bijv. drie ideeën.",
    ],
)
def test_dates_quotations_and_abbreviations_of_other_languages_end_no_sentence(
    sentence: str,
) -> None:
    assert split_sentences(f"{sentence} Then another.") == [sentence, "Then another."]


def test_a_question_for_a_number_is_answered_with_one_that_it_does_not_hold_itself() -> None:
    wordy, answer = "Castle 7 has beautiful rooms.", "Castle 7 has 40 rooms."
    assert quoted("How many rooms has castle 7?", wordy, answer)[0] == answer
    assert quoted("Which rooms has castle 7?", wordy, answer)[0] == wordy


def test_what_a_pronoun_stands_for_counts() -> None:
    told = "Marie Curie lived here. She discovered radium."
    other = "Somebody lived here. He discovered helium."
    assert quoted("What has Marie Curie discovered?", told, other)[0] == told


def test_only_the_sentences_that_words_put_first_are_embedded() -> None:
    model = Counting()
    text = " ".join(f"Room {number} of the castle is closed." for number in range(40))
    assert find_quotes("Which room of the castle is closed?", [passage(text)], model)
    assert 0 < model._embedded <= 20


def test_a_question_that_shares_no_word_with_its_answer_is_answered_by_meaning() -> None:
    others = " ".join(f"Door {number} stays shut." for number in range(20))
    asked, answer = "Can anybody watch the footage?", "Support can see video."
    assert quoted_by(Synonyms(), asked, others, answer)[0] == answer
    assert quoted_by(HashEmbedding(), asked, others, answer) == []
    assert quoted_by(Synonyms(), asked, others, answer, adaptive=False) == []


def test_passages_that_do_not_hold_a_name_of_the_question_support_it_less() -> None:
    text = "The thermostat works with each and every boiler of ours at home."
    assert quoted("Does our thermostat work with boilers and homekit?", text) == [text]
    assert quoted("Does our thermostat work with boilers and HomeKit?", text) == []
    found = quoted("Does our thermostat work with boilers and HomeKit?", f"{text}\n\nNot HomeKits.")
    assert found[0].startswith(text)


def test_names_are_words_with_a_capital_in_mid_sentence() -> None:
    assert find_capitalized_names("Does the Tempo T1 fit? Which Hub, l'Épicerie asked.", "en") == [
        *("Tempo", "T1", "Hub", "Épicerie")
    ]
    assert find_capitalized_names("Wie lange bleibt das Paket liegen?", "de") == []


def test_passages_about_something_else_are_not_quoted() -> None:
    assert quoted("Who won the football championship?", "The kettle boils in minutes.") == []
    assert quoted("Who won?") == []


def test_the_title_of_a_document_counts_for_what_its_sentences_speak_of() -> None:
    step = passage("## Descaling\n\nTake out the water filter.", title="Brume 2 espresso machine")
    aside = passage("We do not advise descaling at all.", title="Weekly meeting")
    question = "How is descaling done on the Brume 2?"
    ranking = Ranking(question, [aside, step], HashEmbedding())
    assert ranking.sentences[ranking.ranked[0][1]].text == "Take out the water filter."


def sentences_of(text: str, **metadata: str) -> list[str]:
    return [each.text for each in find_quotable_sentences([passage(text, **metadata)])]


def test_what_introduces_a_list_or_code_is_quoted_with_it_alone() -> None:
    listed = "It has modes. These are:\n\n- fast, for *haste*\n- slow"
    text = f"{listed}\n\nGo back with\n\n```\nundo -x\n```"
    assert sentences_of(text) == [
        "It has modes.",
        "These are: fast, for haste",
        "These are: slow",
        "Go back with: undo -x",
        "These are: fast, for haste • slow",
    ]
    assert sentences_of("These options are available:") == []


def test_a_definition_is_quoted_with_its_term_and_an_answer_without_its_question() -> None:
    assert sentences_of("`-q`\n:   Be quiet in logs. Say no more.") == [
        "-q: Be quiet in logs.",
        "-q: … Say no more.",
    ]
    (answer,) = find_quotable_sentences([passage("What is it?\n:   It is a small mill.")])
    assert (answer.text, answer.heading) == ("It is a small mill.", "What is it?")


def test_what_is_indented_below_an_option_is_quoted_with_its_name() -> None:
    page = (
        "OPTIONS\n"
        "       -i interval\n"
        "              Sets the longest time between\n"
        "              two checks. Zero turns them off.\n"
        "       -r\n"
        "              Reserves blocks for root.\n\n"
        "       This holds for all options.\n"
    )
    assert sentences_of(page) == [
        "-i interval: Sets the longest time between two checks.",
        "-i interval: … Zero turns them off.",
        "-r: Reserves blocks for root.",
        "This holds for all options.",
    ]
    (option, *_) = find_quotable_sentences([passage(page)])
    assert option.heading == "OPTIONS"


def test_a_line_that_is_indented_more_goes_on_with_a_sentence() -> None:
    assert sentences_of("The mill stands,\n    as we said,\n    in the cellar.") == [
        "The mill stands, as we said, in the cellar."
    ]


def test_a_term_that_the_question_names_puts_what_explains_it_first() -> None:
    page = (
        "       all_squash\n"
        "              Maps all the users of an export.\n\n"
        "       root_squash\n"
        "              Maps requests of user 0 to nobody.\n"
    )
    question = "What does root_squash do to an export?"
    ranking = Ranking(question, [passage(page)], HashEmbedding())
    assert ranking.sentences[ranking.ranked[0][1]].lead == "root_squash:"


def test_links_alone_and_captions_are_not_quoted() -> None:
    text = (
        "- [Custom argument processing](#custom)\n- [Commands](#commands)\n\n"
        "**Figure 6.8. The dialog for animations**\n\nIt exports every layer."
    )
    (sentence,) = find_quotable_sentences([passage(text)])
    assert sentence.text == "It exports every layer."
    assert sentence.heading == "Figure 6.8. The dialog for animations"


def test_a_row_is_quoted_with_the_names_of_its_columns() -> None:
    table = "| Country | Days |\n| --- | --- |\n| Ireland | 45 |"
    assert sentences_of(table)[-1] == "Country: Ireland; Days: 45"


def test_of_a_mail_the_reply_is_quoted_below_what_it_answers() -> None:
    mail = (
        "Subject: Mill\nFrom: Ana <a@b.example>\nDate: 2026-06-11\n\nOn Monday, Léo wrote:\n"
        "> Where is the\n> mill now?\n> I lost it.\n\nIt stands in the\ncellar.\n\n"
        "-- \nAna of sales\n"
    )
    repeated, reply = find_quotable_sentences([passage(mail, media_type="message/rfc822")])
    assert (repeated.text, repeated.is_repeated) == ("I lost it.", True)
    assert (reply.text, reply.is_repeated) == ("It stands in the cellar.", False)
    assert reply.heading == "Where is the mill now? I lost it."


def test_sentences_are_not_divided_within_quotation_marks_and_brackets() -> None:
    sentence = "The list (bound to “.” by default) opens. "
    assert split_sentences(f"{sentence}Close it (see ch. 2. There is more).") == [
        sentence.strip(),
        "Close it (see ch. 2. There is more).",
    ]


def test_neighbours_are_quoted_with_the_sentence_that_has_the_words_of_the_question() -> None:
    text = "A full folder is slow, so the split_spool option can be used. It makes 62 folders."
    assert quoted("How many folders does the split_spool option make?", text) == [text]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Combien de lignes une feuille peut-elle contenir ?", "lignes feuille contenir"),
        ("Quand le transporteur rembourse-t-il ?", "transporteur rembourse"),
        ("What's the fee if I don't come? We\u2019ll pay Ana's bill.", "fee come pay Ana bill"),
    ],
)
def test_what_grammar_joins_to_a_word_is_not_asked_for(question: str, words: str) -> None:
    asked = AskedWords(question, [], None)
    assert asked.count == len(words.split())
    assert asked.share(asked.find_stems(words)) == pytest.approx(1)


def test_at_most_four_quotes_are_shown_and_only_such_as_are_nearly_as_good() -> None:
    texts = [f"Room {number} of the castle is open in summer." for number in range(6)]
    assert len(quoted("Which room of the castle is open in summer?", *texts)) == 4
    other = "The castle has a well."
    assert len(quoted("Which room of the castle is open in summer?", texts[0], other)) == 1


def test_what_is_common_in_the_collection_supports_nothing() -> None:
    text = "The kettle of the shop boils in three minutes."

    def count_words(words: Collection[str]) -> WordCounts:
        return WordCounts(1000, {word: 0 if word == "warranty" else 900 for word in words})

    def ask(question: str) -> list[Quote]:
        found = [passage(text)]
        return find_quotes(question, found, HashEmbedding(), count_words=count_words)

    assert ask("When does the kettle boil?")
    assert not ask("Is there a warranty?")
