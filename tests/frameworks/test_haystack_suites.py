"""Haystack's own suites for document stores, as they are.

What the suites skip themselves: four tests of delete_all_documents with and without
recreate_index, an option for stores whose index is made before documents are.
"""

from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from embedding import embed

from stores import MariaDBVectorStore

pytest.importorskip("haystack", reason="make test-frameworks")

from haystack import Document, component
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.testing.document_store import (
    CountDocumentsByFilterTest,
    CountUniqueMetadataByFilterTest,
    DocumentStoreBaseExtendedTests,
    FilterableDocsFixtureMixin,
    GetMetadataFieldMinMaxTest,
    GetMetadataFieldsInfoTest,
    GetMetadataFieldUniqueValuesTest,
)
from haystack.testing.document_store_async import (
    CountDocumentsAsyncTest,
    CountDocumentsByFilterAsyncTest,
    CountUniqueMetadataByFilterAsyncTest,
    DeleteAllAsyncTest,
    DeleteByFilterAsyncTest,
    DeleteDocumentsAsyncTest,
    FilterDocumentsAsyncTest,
    GetMetadataFieldMinMaxAsyncTest,
    GetMetadataFieldsInfoAsyncTest,
    GetMetadataFieldUniqueValuesAsyncTest,
    UpdateByFilterAsyncTest,
    WriteDocumentsAsyncTest,
)

from stores.haystack_store import MariaDBHaystackStore

DIMENSION = 768  # of the embeddings of the suites


@component
class DocumentEmbedder:
    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        return {
            "documents": [
                replace(each, embedding=embed(each.content, DIMENSION)) for each in documents
            ]
        }


class OverMariaDB:
    @pytest.fixture
    def document_store(self, engine: sa.Engine) -> MariaDBHaystackStore:
        store = MariaDBVectorStore(engine, embed_dim=DIMENSION)
        return MariaDBHaystackStore.from_store(store, embedder=DocumentEmbedder())

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        """Documents are the same, embeddings in single precision; none is left without one."""
        by_id = {each.id: each for each in received}
        assert len(received) == len(by_id)
        assert [each.id for each in received] == [each.id for each in expected]
        for wanted in expected:
            found = by_id[wanted.id]
            assert replace(found, embedding=None) == replace(wanted, embedding=None)
            vector = wanted.embedding or embed(wanted.content, DIMENSION)
            np.testing.assert_array_equal(found.embedding, np.asarray(vector, np.float32))


class TestSuiteOfHaystack(
    OverMariaDB,
    DocumentStoreBaseExtendedTests,
    CountDocumentsByFilterTest,
    CountUniqueMetadataByFilterTest,
    GetMetadataFieldsInfoTest,
    GetMetadataFieldMinMaxTest,
    GetMetadataFieldUniqueValuesTest,
    FilterableDocsFixtureMixin,
):
    def test_write_documents(self, document_store):
        """The suite leaves to each store what happens without a policy: a duplicate is refused."""
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])
        self.assert_documents_are_equal(document_store.filter_documents(), [document])


class TestAsyncSuiteOfHaystack(
    OverMariaDB,
    CountDocumentsAsyncTest,
    CountDocumentsByFilterAsyncTest,
    CountUniqueMetadataByFilterAsyncTest,
    DeleteAllAsyncTest,
    DeleteByFilterAsyncTest,
    DeleteDocumentsAsyncTest,
    FilterDocumentsAsyncTest,
    GetMetadataFieldMinMaxAsyncTest,
    GetMetadataFieldsInfoAsyncTest,
    GetMetadataFieldUniqueValuesAsyncTest,
    UpdateByFilterAsyncTest,
    WriteDocumentsAsyncTest,
    FilterableDocsFixtureMixin,
):
    async def test_write_documents_async(self, document_store):
        document = Document(content="test doc")
        assert await document_store.write_documents_async([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([document])
        self.assert_documents_are_equal(await document_store.filter_documents_async(), [document])
