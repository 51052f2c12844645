"""Translate questions into the language of the documents, where they are asked in another."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Final

from babel import Locale
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import PromptTemplate

from engines.model_errors import model_errors
from engines.model_replies import read_translation
from engines.prompts import load_prompt

_TRANSLATING = "translating the question"
_PROMPT = PromptTemplate(load_prompt("translation"))
_SHARES_SECONDS: Final = 60.0  # how long they count: most documents do not change their language


class Translator:
    """Translates into the language of most documents; `shares` tells how many are in each.

    That is asked again after a minute, for to count all documents takes longer the more there are.
    """

    def __init__(self, llm: LLM, shares: Callable[[], Mapping[str, float]]) -> None:
        self._llm = llm
        self._measure_shares = shares
        self._shares: Mapping[str, float] = {}
        self._shares_until = -math.inf

    def translate_question(self, question: str, language: str) -> str:
        """Return "" for a question in the language of the documents, and without a translation.

        Raises ModelUnavailable.
        """
        if not (target := self._choose_target(language)):
            return ""
        with model_errors(_TRANSLATING):
            reply = self._llm.predict(_PROMPT, **_prompt_values(question, target))
        return read_translation(reply, question, target)

    async def atranslate_question(self, question: str, language: str) -> str:
        if not (target := await asyncio.to_thread(self._choose_target, language)):
            return ""
        with model_errors(_TRANSLATING):
            reply = await self._llm.apredict(_PROMPT, **_prompt_values(question, target))
        return read_translation(reply, question, target)

    def _choose_target(self, language: str) -> str:
        """Return the language of most documents, if it is another than the question's.

        It is "" where the question's is not known.
        """
        if not language:
            return ""
        shares = {name: share for name, share in self._find_shares().items() if name}
        most = max(shares, key=shares.__getitem__, default="")
        return most if shares.get(language, 0) < shares.get(most, 0) else ""

    def _find_shares(self) -> Mapping[str, float]:
        """Find the shares of the languages, anew while there are no documents."""
        if not self._shares or time.monotonic() >= self._shares_until:
            self._shares = self._measure_shares()
            self._shares_until = time.monotonic() + _SHARES_SECONDS
        return self._shares


def _prompt_values(question: str, target: str) -> dict[str, str]:
    return {"question": question, "language": Locale("en").languages.get(target, target)}
