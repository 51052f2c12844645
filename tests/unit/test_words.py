from stores.words import folded, words


def test_words_are_folded_stemmed_and_free_of_function_words() -> None:
    assert words("What are the Returns policies?") == words("return policy")
    assert words("Les délais d'expédition", "fr") == words("delai expedition", "fr")


def test_elisions_do_not_hide_a_word() -> None:
    assert words("l\u2019entrepôt qu'il") == words("entrepot")


def test_identifiers_stay_whole() -> None:
    assert words("ERR_SSL_PROTOCOL_ERROR SKU-12345 v2.4") == [
        "err_ssl_protocol_error",
        "sku-12345",
        "v2.4",
    ]


def test_folding_removes_case_and_accents() -> None:
    assert folded("ÉTÉ à Liège ﬁn") == "ete a liege fin"
