"""An answer in the form of a JSON Schema, by one more call of the language model."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from llama_index.core.llms.llm import LLM
from referencing import Registry
from referencing.exceptions import Unresolvable

from engines.model_errors import model_errors
from engines.model_replies import without_thoughts
from engines.prompts import chat_prompt
from stores.errors import ModelUnavailable

_TRIES: Final = 2
_FENCED: Final = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
# What a client could keep the server busy with for good, as regular expressions that backtrack.
_REFUSED: Final = {"pattern", "patternProperties"}


class JsonForm:
    """A JSON Schema (draft 2020-12) that an answer is put into; nothing outside of it is read.

    Raises ValueError for what is no such schema, or has what could be slow without end.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        if found := _REFUSED & set(_list_keywords(schema)):
            raise ValueError(f"a schema without {', '.join(sorted(found))}")
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"a JSON Schema: {error.message[:200]}") from error
        self.schema = schema
        self._validator = Draft202012Validator(schema, registry=Registry())
        if mistake := self._find_endless_reference(None):
            raise ValueError(mistake)

    def find_mistake(self, text: str) -> str:
        """Say what is wrong with a text, "" where it is JSON of this form."""
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            return f"It was no JSON: {error}."
        if mistake := self._find_endless_reference(value):
            return f"The schema is not {mistake}."
        if wrong := next(self._validator.iter_errors(value), None):
            return f"At {wrong.json_path}: {wrong.message[:300]}."
        return ""

    def _find_endless_reference(self, value: Any) -> str:
        try:
            self._validator.is_valid(value)
        except RecursionError:
            return "one that ends, as it refers to itself"
        except Unresolvable as error:
            return f"one whose references are all in it ({error.ref[:100]})"
        return ""


async def form_answer(llm: LLM, form: JsonForm, question: str, answer: str) -> str:
    """Put an answer into JSON of a form. Raises ModelUnavailable when no reply has that form."""
    prompt, mistake = chat_prompt("json_form"), ""
    for _ in range(_TRIES):
        with model_errors("putting the answer into JSON"):
            reply = await llm.apredict(
                prompt,
                schema=json.dumps(form.schema, ensure_ascii=False),
                question=question,
                answer=answer,
                mistake=f"The last try was wrong. {mistake}\n\n" if mistake else "",
            )
        text = _read_json(reply)
        mistake = form.find_mistake(text)
        if not mistake:
            return text
    raise ModelUnavailable(
        f"Putting the answer into JSON failed: the model's reply has not the form that was asked "
        f"for. {mistake} Ask again, or for a simpler form."
    )


def _read_json(reply: str) -> str:
    """Read the JSON of a reply, which may stand in a fence."""
    text = without_thoughts(reply).strip()
    fenced = _FENCED.search(text)
    return fenced[1] if fenced else text


def _list_keywords(schema: Any) -> list[str]:
    """List the keys of a schema and of what is in it, names of properties left out."""
    if isinstance(schema, list):
        return [word for part in schema for word in _list_keywords(part)]
    if not isinstance(schema, Mapping):
        return []
    words = []
    for key, part in schema.items():
        words.append(key)
        named = key in ("properties", "$defs", "definitions", "dependentSchemas")
        parts = part.values() if named and isinstance(part, Mapping) else [part]
        words += [word for each in parts for word in _list_keywords(each)]
    return words
