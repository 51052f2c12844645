"""Halves of characters, as JSON and file names can hold them and UTF-8 cannot."""


def replace_lone_surrogates(text: str) -> str:
    """Join the halves of a character that stand together, and put U+FFFD for those that do not."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
