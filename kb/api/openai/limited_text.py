"""Ends an answer where its client wants it to end."""

import re
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import Final, Literal

from llama_index.core.utils import get_tokenizer

_PIECE: Final = re.compile(r"\s*\S+|\s+")


class TextLimit:
    """The most tokens of a text, and texts that end it; `reached` says which it was.

    Tokens are those of LlamaIndex's tokenizer, whatever the model counts in.
    """

    def __init__(self, tokens: int | None = None, stop: Sequence[str] = ()) -> None:
        self.reached: Literal["", "length", "stop"] = ""
        self._left = tokens
        self._stop = [text for text in stop if text]
        self._held_back = max((len(text) - 1 for text in self._stop), default=0)

    async def cut(self, pieces: AsyncIterable[str]) -> AsyncGenerator[str, None]:
        """Yield a text up to its limit; what may begin a text that ends it is held back."""
        held = ""
        async for piece in pieces:
            held = self._stop_at(held + piece)
            ready = len(held) if self.reached else max(len(held) - self._held_back, 0)
            if said := self._spend(held[:ready]):
                yield said
            if self.reached:
                return
            held = held[ready:]
        if said := self._spend(held):
            yield said

    def _stop_at(self, text: str) -> str:
        places = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if places:
            self.reached = "stop"
        return text[: min(places)] if places else text

    def _spend(self, text: str) -> str:
        """Return as much of a text as there are tokens left for."""
        if self._left is None:
            return text
        said = ""
        for piece in _PIECE.findall(text):
            self._left -= len(get_tokenizer()(piece))
            if self._left < 0:
                self.reached = "length"
                break
            said += piece
        return said
