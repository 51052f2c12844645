"""Whether a question can be understood without the one before it, told from its words alone.

In doubt it can: a question that is left alone is searched for as it is, and one that is rewritten
without need may come to ask for something else.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal

from engines.follow_ups.follow_up_words import Word, before, begins, behind, singles, words_of
from engines.follow_ups.fragments import FEW, is_fragment, is_of_values, is_request
from engines.follow_ups.noun_phrases import PREPOSITIONS, noun_phrases

Leaning = Literal[
    "thing", "person", "owner", "pointed", "chosen", "ordinal", "object", "place", "bare"
]
_MOST: Final = 60  # words; who writes more has said it
LONGEST: Final = 2000  # characters that are gone through for what they lean on


def is_dependent(question: str) -> bool:
    """Whether pronouns or gaps of the question need an earlier one."""
    if len(question) > LONGEST:
        return False
    words = words_of(question)
    spoken = [word for word in words if not word.is_mark]
    if not spoken or len(spoken) > _MOST or '"' in question:
        return not spoken
    rest = spoken[begins(spoken, "continuing") :]
    continued = len(rest) < len(spoken)
    return (
        not rest
        or _leans_on(rest, words)
        or is_of_values(question[rest[0].start :])
        or is_request(rest)
        or is_fragment(rest, continued=continued)
        or bool(leaning(words))
    )


def _leans_on(rest: Sequence[Word], words: Sequence[Word]) -> bool:
    if begins(rest, "more"):
        return not any(noun_phrases(words, len(words)))
    said = rest[begins(rest, "leaning") :]
    few = len(said) < len(rest) <= FEW + 2
    return few and not any(word.folded in singles("asking") for word in said)


def leaning(words: Sequence[Word]) -> list[tuple[int, Leaning]]:
    """The words that stand for something which the question does not name before, and how."""
    return [
        (at, kind)
        for at in range(len(words))
        for kind, leans in _LEANING.items()
        if leans(words, at)
    ]


def _thing(words: Sequence[Word], at: int) -> bool:
    if words[at].folded not in singles("things") or _is_impersonal(words, at):
        return False
    return not _named(words, at, singular=words[at].folded == "it")


def _person(words: Sequence[Word], at: int) -> bool:
    """Also where French inverts it: then its own clause may name it, but not as what is asked."""
    word = words[at].folded
    if word not in singles("persons") | singles("inverted") or _is_impersonal(words, at):
        return False
    if _is_inverted(words, at):
        return not any(not each.asked for each in noun_phrases(words, at))
    return not _named(words, at)


def _is_inverted(words: Sequence[Word], at: int) -> bool:
    """Also as many write it, without hyphens: a t il."""
    if words[at].folded not in singles("inverted") | {"il", "ils", "elle", "elles"}:
        return False
    return before(words, at) not in singles("asking") | singles("between_clauses") | {
        "",
        ",",
        "est-ce",
    }


def _owner(words: Sequence[Word], at: int) -> bool:
    return (
        words[at].folded in singles("owners") | singles("selves")
        and not _who_does(words, at)
        and not any(noun_phrases(words, at))
    )


def _who_does(words: Sequence[Word], at: int) -> bool:
    """Who gave her assent: whoever is asked for may be the owner, but not of who is her boss."""
    asked = [place for place in range(at) if words[place].folded in ("who", "qui")]
    return any(behind(words, place) not in singles("verbs") for place in asked)


def _pointed(words: Sequence[Word], at: int) -> bool:
    word, after = words[at].folded, behind(words, at)
    if word not in singles("pointing") or after in singles("moments"):
        return False
    if word in ("that", "ce") and not _is_demonstrative(words, at):
        return False
    if word == "those" and after.endswith("ing"):
        return False
    return not any(each.named or each.end <= at for each in noun_phrases(words, len(words)))


def _is_demonstrative(words: Sequence[Word], at: int) -> bool:
    """`that` and `ce` also join clauses, or say nothing: the parts that, ce que, est-ce."""
    former, after = before(words, at), behind(words, at)
    if words[at].folded == "ce":
        return bool(after) and after not in singles("between_clauses") | singles("verbs")
    governed = former in singles("verbs") | PREPOSITIONS | singles("asking") | {"long", "much"}
    return governed or not after or after in singles("also") | {"again", "please", "better", "down"}


def _chosen(words: Sequence[Word], at: int) -> bool:
    """celui-là, lequel, which one, the red ones."""
    word, former, after = words[at].folded, before(words, at), behind(words, at)
    if word in singles("choosing"):
        return after not in ("qui", "que", "qu'", "dont") and not _named(words, at)
    if word in ("one", "ones") and former not in singles("ordinals"):
        ends = not after or (former != "the" and after in singles("verbs") | PREPOSITIONS - {"of"})
        return at > 0 and ends
    first = at == 0 or former in singles("continuing")
    if word.startswith(("lequel", "laquelle", "lesquel")) and first:
        return after not in ("de", "du", "des", "d'", "entre", "parmi") and not _offers(words)
    return word == "which" and first and after in singles("verbs") and not _offers(words, 4)


def _offers(words: Sequence[Word], few: int = 0) -> bool:
    """Whether the question itself names what to choose from."""
    folds = {word.folded for word in words}
    return bool(folds & {"or", "ou", ","}) or 0 < few < sum(not word.is_mark for word in words)


def _ordinal(words: Sequence[Word], at: int) -> bool:
    """The second; but not the second filter, nor the first to do something."""
    if words[at].folded not in singles("ordinals") or before(words, at) not in _DEFINITE:
        return False
    after = behind(words, at)
    then = behind(words, at + 1) if after else ""
    if after == "a":
        return then in singles("inverted")
    counted = after in ("two", "three", "deux", "trois") and (not then or then in singles("verbs"))
    return counted or after in singles("verbs") | {"", "one", "ones"}


_DEFINITE: Final = {"the", "le", "la", "les", "l'"}


def _object(words: Sequence[Word], at: int) -> bool:
    """A French le, la, les, l', en or y that is no article: comment le nettoyer."""
    word, after, former = words[at].folded, behind(words, at), before(words, at)
    if word == "en":
        return (former in ("combien", "qui", "y", "j'", "n'")) and bool(after)
    if word in ("-le", "-les") and former in singles("openings"):
        return not after
    if word not in ("le", "la", "les", "l'", "-le", "-les") or former not in singles("subjects"):
        return False
    subject = former in ("je", "j'", "tu", "on", "nous", "vous")
    infinitive = after.endswith(("er", "ir", "re", "oir")) and after not in singles(
        "no_infinitives"
    )
    then = words[at + 2].folded if at + 2 < len(words) else ""
    ends = not then or not then.isalpha() or then in PREPOSITIONS - {"de", "du", "des", "d'"}
    return (subject or (infinitive and ends)) and not _named(words, at)


def _place(words: Sequence[Word], at: int) -> bool:
    return (
        words[at].folded == "there"
        and not behind(words, at)
        and before(words, at) not in singles("verbs")
        and not _named(words, at)
    )


def _bare(words: Sequence[Word], at: int) -> bool:
    """C'est combien: a verb without anything to be about."""
    return (
        words[at].folded == "c'"
        and behind(words, at) in ("est", "etait")
        and not any(noun_phrases(words, len(words)))
    )


_LEANING: Final[dict[Leaning, Callable[[Sequence[Word], int], bool]]] = {
    "thing": _thing,
    "person": _person,
    "owner": _owner,
    "pointed": _pointed,
    "chosen": _chosen,
    "ordinal": _ordinal,
    "object": _object,
    "place": _place,
    "bare": _bare,
}


def _is_impersonal(words: Sequence[Word], at: int) -> bool:
    """Is it possible to, how long does it take to; il faut, y a-t-il, est-il permis de."""
    if words[at].folded == "it":
        near = {word.folded for word in words[at + 1 : at + 4]}
        later = {word.folded for word in words[at + 2 :]}
        meant = bool(near & singles("impersonal")) and bool(later & {"to", "that", "if", "when"})
        return meant or "that" in near or later >= {"called", "when"}
    if words[at].folded not in ("il", "-il"):
        return False
    near = {word.folded for word in words[max(at - 2, 0) : at + 3]}
    return bool(near & singles("impersonal"))


def _named(words: Sequence[Word], at: int, *, singular: bool = False) -> bool:
    """Whether an earlier clause of the question names what the pronoun may stand for."""
    return any(
        not (singular and each.plural)
        and any(word.folded in _DIVIDING or word.is_mark for word in words[each.end : at])
        for each in noun_phrases(words, at)
    )


_DIVIDING: Final = singles("between_clauses") | singles("asking") | {"to", "de", "d'"}
