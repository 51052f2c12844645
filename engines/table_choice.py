"""Which tables a model is told of, when all of them are too many."""

from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM
from llama_index.core.objects import ObjectIndex, SQLTableNodeMapping, SQLTableSchema

from engines.guarded_database import GuardedDatabase
from engines.model_errors import model_errors

_CHARACTERS_PER_TOKEN = 3
_SHARE = 3  # of what the model can read, one part in so many is for the schema


def table_choice(database: GuardedDatabase, llm: LLM, embed_model: BaseEmbedding) -> Any:
    """A retriever of the tables that fit a question; None when all of them fit the prompt."""
    names = list(database.get_usable_table_names())
    room = llm.metadata.context_window * _CHARACTERS_PER_TOKEN // _SHARE
    size = sum(len(database.get_single_table_info(name)) for name in names)
    if size <= room:
        return None
    with model_errors("embedding the schema"):
        index = ObjectIndex.from_objects(
            [SQLTableSchema(table_name=name) for name in names],
            SQLTableNodeMapping(database),
            index_cls=VectorStoreIndex,
            embed_model=embed_model,
        )
    return index.as_retriever(similarity_top_k=max(1, len(names) * room // size))
