"""Shortens texts that are too long for where they stand."""


def cut_between_words(text: str, characters: int) -> str:
    """Cut a text between words, and show that it goes on."""
    if len(text) <= characters:
        return text
    return text[:characters].rsplit(" ", 1)[0] + " …"


def cut(text: str, characters: int) -> str:
    """Cut a text after so many characters, and show that it goes on."""
    return text if len(text) <= characters else f"{text[:characters]} …"
