"""The OpenAPI document, and what tests of the API compare with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from described_answers import DescribedAnswers, read_events
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import Response

from engines.answer import Answer, Citation, Statement, TableResult
from kb import Config
from kb.api.answer_events import http_values
from kb.api.answer_shapes import ANSWERED
from kb.api.application import make_app
from kb.api.described import Told, derive_shape
from kb.api.openai.bodies import ResponseBody
from kb.api.openai.completions import format_problem
from kb.api.openai.responses import Responding
from kb.api.problem_codes import Code
from kb.api.problems import Problem

DOCUMENT = make_app(Config()).openapi()
# What documents and earlier versions put there, which has whatever keys they like.
OPEN = {"metadata", "options"}


OPERATIONS = [
    (operation["operationId"], operation)
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
]


def open_parts(schema: dict[str, Any], name: str, seen: set[str]) -> Iterator[str]:
    """Where something may be anything."""
    while "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        if name in seen:
            return
        seen.add(name)
        schema = DOCUMENT["components"]["schemas"][name]
    inner = [schema.get(key) for key in ("items", "additionalProperties", "contentSchema")]
    parts = [(name, part) for part in [*schema.get("anyOf", ()), *inner] if isinstance(part, dict)]
    parts += [(f"{name}.{key}", part) for key, part in schema.get("properties", {}).items()]
    is_plain = schema.get("type") not in (None, "object", "array") or schema.keys() & {
        "const",
        "enum",
    }
    if schema.get("additionalProperties") is True or not (parts or is_plain):
        yield name
    for place, part in parts:
        if place.split(".")[-1] not in OPEN:
            yield from open_parts(part, place, seen)


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_every_answer_is_described_to_its_last_field(name, operation):
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            assert list(open_parts(content["schema"], name, set())) == [], (status, media_type)
    assert any(status.startswith("2") for status in operation["responses"])


def test_operations_have_names_of_their_own_in_words():
    names = [name for name, _ in OPERATIONS]
    assert len({*names}) == len(names)
    assert all(name.replace("_", "").isalpha() for name in names)


def test_every_problem_of_the_api_of_kb_is_a_problem_document():
    for path, described in DOCUMENT["paths"].items():
        kind = "OpenAIError" if path.startswith("/v1/") else "Problem"
        for operation in described.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    *_, content = response["content"].values()
                    assert content["schema"]["$ref"].endswith(f"/{kind}"), (path, status)


def test_an_answer_has_the_keys_of_its_shape():
    answer = Answer(
        citations=[Citation(1, "a.md", statements=[Statement(0, 4)])],
        tables=TableResult("SELECT 1"),
    )
    assert http_values(answer).keys() == ANSWERED.__annotations__.keys()
    assert http_values(Answer()).keys() == ANSWERED.__annotations__.keys()


def test_what_is_left_out_where_it_is_not_known_need_not_be_there():
    shape = derive_shape(Citation, "Citation")
    assert {"number", "document", "root"} <= shape.__required_keys__
    assert shape.__optional_keys__ == {"page", "lines", "sheet", "statements", "inferred"}


@pytest.mark.parametrize("name", ["ChatCompletionEvent", "CompletionEvent", "ResponseEvent"])
def test_a_problem_at_the_end_of_a_stream_is_described(name):
    problem = Problem(Code.READER_TOO_SLOW, {"seconds": 60})
    body, reply = ResponseBody(model="kb-auto", input="What?"), cast("Any", None)
    of_response = Responding(body, reply, "resp_x").format_problem(problem)
    told = of_response if name == "ResponseEvent" else format_problem(problem)
    schema = {"$ref": f"#/components/schemas/{name}"}
    [event] = read_events(told.decode())
    described = DescribedAnswers(make_app(Config()))
    assert list(described.validate(schema, event)) == []
    assert list(described.validate(schema, {"data": "[END]"})) != []


# The comparison itself --------------------------------------------------------------------------


@dataclass(frozen=True)
class Lamp:
    watts: float
    names: list[str] = field(default_factory=list)


def make_lamps(answer: Any) -> tuple[DescribedAnswers, TestClient]:
    app = FastAPI()

    @app.get("/lamp")
    def lamp() -> Told[Lamp]:
        return answer

    app.state.routes = app.routes
    described = DescribedAnswers(app)
    return described, TestClient(described)


def test_an_answer_is_sent_as_it_is_and_compared():
    described, client = make_lamps(Lamp(60))
    assert client.get("/lamp").text == '{"watts":60,"names":[]}'
    assert described.drifts == []


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        ({"watts": 60}, "'names' is a required property"),
        ({"watts": 60, "names": [], "red": 1}, "'red' was unexpected"),
        ({"watts": None, "names": []}, "None is not of type 'number'"),
        (Response("{}", 418), "the status is not described"),
        (Response("lamp", media_type="text/plain"), "only ['application/json'] are described"),
    ],
)
def test_what_is_not_described_is_noticed(answer, mistake):
    described, client = make_lamps(answer)
    client.get("/lamp")
    [drift] = described.drifts
    assert mistake in drift
