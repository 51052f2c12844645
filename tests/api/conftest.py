"""A server of a small knowledge base and its scripted model, one for the tests of a file."""

import pytest
from api_server import configured, database_of, running
from model_server import FakeModels


@pytest.fixture(scope="module")
def models():
    with FakeModels(default="They go back [1].") as models:
        yield models


@pytest.fixture(scope="module")
def embeddings():
    with FakeModels() as embeddings:
        yield embeddings


@pytest.fixture(scope="module")
def served(server, models, embeddings, tmp_path_factory):
    with database_of(server) as url:
        config = configured(url, tmp_path_factory.mktemp("api"), embeddings, models)
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def api(served, models):
    models.script.clear()
    models.requests.clear()
    yield served
    served.forget_keys()
