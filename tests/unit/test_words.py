import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import snowballstemmer

from stores.text.tokens import fold
from stores.text.words import stem_word, stem_words


def test_words_are_folded_stemmed_and_free_of_function_words() -> None:
    assert stem_words("What are the Returns policies?") == stem_words("return policy")
    assert stem_words("Les délais d'expédition", "fr") == stem_words("delai expedition", "fr")


def test_elisions_do_not_hide_a_word() -> None:
    assert stem_words("l\u2019entrepôt qu'il") == stem_words("entrepot")


def test_identifiers_stay_whole() -> None:
    assert stem_words("ERR_SSL_PROTOCOL_ERROR SKU-12345 v2.4") == [
        "err_ssl_protocol_error",
        "sku-12345",
        "v2.4",
    ]


def test_folding_removes_case_and_accents() -> None:
    assert fold("ÉTÉ à Liège ﬁn") == "ete a liege fin"


def test_threads_that_stem_at_once_do_not_disturb_each_other() -> None:
    beginnings = map("".join, product("abdeimnorst", repeat=3))
    known = [f"{begin}{end}" for begin in beginnings for end in ("ations", "ingly", "iveness")]
    alone = list(map(snowballstemmer.stemmer("english").stemWord, known))
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda word: stem_word(word, "en"), known)) == alone
    finally:
        sys.setswitchinterval(usual)
