import pytest
from fake_models import HashEmbedding
from llama_index.core.schema import NodeWithScore, TextNode

from engines.documents.extract import find_quotes
from engines.documents.figures import asks_for_figure, find_figures
from engines.documents.names_in_questions import find_capitalized_names
from engines.documents.sentences import find_quotable_sentences, split_sentences


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
    assert split_sentences("Subject: Two of seven\nFrom: a@b.example\nDate: 2026-06-11") == []


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
    "question",
    ["When was it built?", "How many rooms has it?", "En quelle année ?", "Combien de jours ?"],
)
def test_questions_for_numbers_and_dates_are_known(question: str) -> None:
    assert asks_for_figure(question)


def test_other_questions_ask_for_no_figure() -> None:
    assert not asks_for_figure("Who built the whenever-house?")
    assert not asks_for_figure("Où se trouve la mairie ?")


def test_figures_are_numbers_in_digits_and_words_months_and_signs() -> None:
    assert find_figures("Trois fois, le 5 août, pour 3,50 € ou 20 %") == {
        *("trois", "5", "aout", "3,50", "€", "20", "%")
    }


def test_a_question_for_a_number_is_answered_with_one_that_it_does_not_hold_itself() -> None:
    wordy, answer = "Castle 7 has beautiful rooms.", "Castle 7 has 40 rooms."
    assert quoted("How many rooms has castle 7?", f"{wordy} {answer}")[0] == answer
    assert quoted("Which rooms has castle 7?", f"{wordy} {answer}")[0] == wordy


def test_what_a_pronoun_stands_for_counts() -> None:
    told = "Marie Curie lived here. She discovered radium. He discovered helium."
    other = "Somebody lived here. He discovered helium."
    assert quoted("What has Marie Curie discovered?", told, other)[:2] == [
        "Marie Curie lived here.",
        "She discovered radium.",
    ]


def test_only_the_sentences_that_words_put_first_are_embedded() -> None:
    model = Counting()
    text = " ".join(f"Room {number} of the castle is closed." for number in range(40))
    assert find_quotes("Which room of the castle is closed?", [passage(text)], model)
    assert 0 < model._embedded < 20


def test_a_question_that_shares_no_word_with_its_answer_is_answered_by_meaning() -> None:
    others = " ".join(f"Door {number} stays shut." for number in range(20))
    asked, answer = "Can anybody watch the footage?", "Nobody of support can see video."
    assert quoted_by(Synonyms(), asked, others, answer)[0] == answer
    assert quoted_by(HashEmbedding(), asked, others, answer) == []
    assert quoted_by(Synonyms(), asked, others, answer, adaptive=False) == []


def test_passages_that_do_not_hold_a_name_of_the_question_support_it_less() -> None:
    text = "The thermostat works with each and every boiler of ours at home."
    assert quoted("Does our thermostat work with homekit?", text) == [text]
    assert quoted("Does our thermostat work with HomeKit?", text) == []
    assert quoted("Does our thermostat work with HomeKit?", f"{text}\n\nNot HomeKits.") == [text]


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
    [first, *_] = find_quotes(question, [aside, step], HashEmbedding())
    assert first.text == "Take out the water filter."
