"""A client that openapi-python-client has made of the OpenAPI document; mypy reads this first."""

import os

from kb_client import AuthenticatedClient
from kb_client.api.asking import ask, search
from kb_client.api.documents import list_documents
from kb_client.models import Answer, AskBody, DocumentPage, FoundPassage, Problem, SearchBody
from kb_client.models.code import Code

QUESTION = os.environ["KB_QUESTION"]
SERVER = os.environ["KB_API"].removesuffix("/v1")


def main() -> None:
    with AuthenticatedClient(base_url=SERVER, token=os.environ["KB_TOKEN"]) as client:
        answer = ask.sync(client=client, body=AskBody(question=QUESTION))
        assert isinstance(answer, Answer), answer
        cited = {citation.number: citation.document for citation in answer.citations}
        assert cited[1] == "returns.md", cited
        assert answer.search is not None
        assert answer.search.candidates > 0
        print(answer.answer)

        passages = search.sync(client=client, body=SearchBody(question=QUESTION, top_k=3))
        assert isinstance(passages, list), passages
        best: FoundPassage = passages[0]
        assert best.path == "returns.md"
        assert best.score is not None
        assert "30 days" in best.excerpt.lower()

        page = list_documents.sync(client=client, limit=2)
        assert isinstance(page, DocumentPage), page
        names = [document.path for document in page.documents]
        assert len(names) == 2 < page.total

        refused = ask.sync(client=client, body=AskBody(question=QUESTION, profile="none"))
        assert isinstance(refused, Problem), refused
        assert refused.code is Code.NO_SUCH_PROFILE


main()
