"""Translate questions into the language of the documents, where they are asked in another."""

import asyncio
from collections.abc import Callable, Mapping

from babel import Locale
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import PromptTemplate

from engines.model_errors import model_errors
from engines.model_replies import read_translation
from engines.prompts import load_prompt

_TRANSLATING = "translating the question"
_PROMPT = PromptTemplate(load_prompt("translation"))


class Translator:
    """Translates into the language of most documents; `shares` tells how many are in each."""

    def __init__(self, llm: LLM, shares: Callable[[], Mapping[str, float]]) -> None:
        self._llm = llm
        self._shares = shares

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
        shares = {name: share for name, share in self._shares().items() if name}
        most = max(shares, key=shares.__getitem__, default="")
        return most if shares.get(language, 0) < shares.get(most, 0) else ""


def _prompt_values(question: str, target: str) -> dict[str, str]:
    return {"question": question, "language": Locale("en").languages.get(target, target)}
