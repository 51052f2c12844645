"""Models that give again what they gave before, as far as that is kept."""

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

from engines.known_replies import RememberingLLM
from engines.search.question_embeddings import QuestionEmbeddings
from kb.assembly.models import embedding_identity
from kb.config.models import Task
from kb.config.sections import Config
from stores.caches.cache import Cache


def remember_questions(
    config: Config, embed_model: BaseEmbedding, cache: Cache | None
) -> BaseEmbedding:
    """Copy a model, for questions alone, so that it knows those that it embedded lately."""
    if cache is None:
        return embed_model
    identity = embedding_identity(config, embed_model), config.embedding.base_url
    known = QuestionEmbeddings(cache, *identity)
    return embed_model.model_copy(update={"embeddings_cache": known})


def remember_replies(llm: LLM, config: Config, task: Task, cache: Cache | None) -> LLM:
    """Have a model, bound for a task, give the same reply to the same, if replies are kept."""
    if cache is None:
        return llm
    asked_by = config.llm.model_dump(mode="json", exclude={"fallback", "choices"})
    return RememberingLLM(llm, cache, [asked_by, llm.metadata.model_name, task])
