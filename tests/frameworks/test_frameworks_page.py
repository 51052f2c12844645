"""The page on other frameworks runs from its top to its end."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from documentation import ROOT, blocks, pages
from embedding import embed

pytest.importorskip("langchain_core", reason="make test-frameworks")
pytest.importorskip("haystack", reason="make test-frameworks")
pytest.importorskip("semantic_kernel", reason="make test-frameworks")

from haystack import Document, component
from langchain_core.embeddings import DeterministicFakeEmbedding
from semantic_kernel.connectors.ai.embedding_generator_base import EmbeddingGeneratorBase

PAGE = "docs/guides/frameworks.md"
PRINTED = """Sixty days, for companies.
Ninety days, for rented machines.
Ten days, for opened coffee.
(['drinks', 'pages'], ['Twenty days, for tea.'])
"""


@component
class DocumentEmbedder:
    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        return {
            "documents": [replace(each, embedding=embed(each.content, 384)) for each in documents]
        }


@component
class TextEmbedder:
    @component.output_types(embedding=list[float])
    def run(self, text: str):
        return {"embedding": embed(text, 384)}


class Generator(EmbeddingGeneratorBase):
    async def generate_embeddings(self, texts: list[str], **_: Any) -> np.ndarray:
        return np.array([embed(text, 384) for text in texts])

    async def generate_raw_embeddings(self, texts: list[str], **_: Any) -> Any:
        return [embed(text, 384) for text in texts]


def test_the_page_runs(database: sa.URL, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PAGES_DATABASE", database.render_as_string(hide_password=False))
    names: dict[str, Any] = {
        "url": database,
        "embedding": DeterministicFakeEmbedding(size=384),
        "document_embedder": DocumentEmbedder(),
        "text_embedder": TextEmbedder(),
        "embedding_generator": Generator(ai_model_id="none"),
    }
    for block in blocks(PAGE, pages()[PAGE]):
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, ROOT / PAGE, "exec"), names)
    names["store"].close()
    names["documents"].store.close()
    assert capsys.readouterr().out == PRINTED
