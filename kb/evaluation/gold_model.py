"""Known SQL in the place of a language model, which checks everything but the model."""

from typing import Any, Final

from llama_index.core.base.llms.types import (
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.llms.custom import CustomLLM

GOLD: Final = "gold SQL"


class GoldModel(CustomLLM):
    """A language model that writes the statement that it holds, whatever it is asked."""

    statement: str

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=GOLD, context_window=128_000)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:  # noqa: ARG002, FBT001, FBT002 - the base class's
        return CompletionResponse(text=self.statement)

    @llm_completion_callback()
    def stream_complete(
        self,
        prompt: str,  # noqa: ARG002 - the base class's
        formatted: bool = False,  # noqa: ARG002, FBT001, FBT002 - the base class's
        **_: Any,
    ) -> CompletionResponseGen:
        yield CompletionResponse(text=self.statement, delta=self.statement)
