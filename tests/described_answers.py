"""Compares what a server answers with its OpenAPI document, in which then nothing may be left out.

What is not described is a defect of one of the two: a key that the document does not name, a status
that it does not know, a field that it promises and that is not there.
"""

import json
import os
from datetime import date, datetime

from fastapi import FastAPI
from jsonschema import Draft202012Validator, FormatChecker
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from kb.api.route_lookup import find_routes

CLIENT_GONE = 499  # which nobody reads
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value) is not None


@FORMATS.checks("date", raises=ValueError)
def is_day(value: object) -> bool:
    return not isinstance(value, str) or date.fromisoformat(value) is not None


class DescribedAnswers:
    """Passes on what an application answers, and notes in `drifts` what is not described."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.document = app.openapi()
        self.components = closed(self.document["components"])
        self.drifts: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun: list[Message] = []
        body = bytearray()

        async def send_and_look(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._look(scope, begun[0], bytes(body))
            await send(message)

        await self.app(scope, receive, send_and_look)

    def _look(self, scope: Scope, start: Message, body: bytes) -> None:
        operation = self._find_operation(scope)
        status = start["status"]
        if operation is None or status == CLIENT_GONE:
            return
        name = operation["operationId"]
        response = operation["responses"].get(str(status))
        media_type = Headers(raw=start["headers"]).get("content-type", "").partition(";")[0]
        try:
            mistakes = list(self._list_mistakes(response, media_type, body))
        except (KeyError, ValueError) as error:  # which would else break off the answer
            mistakes = [f"it cannot be read: {error!r}"]
        if mistakes:
            test = os.environ.get("PYTEST_CURRENT_TEST", "")
            where = f"{name} {status} {media_type} in {test}"
            self.drifts.append(f"{where}: {mistakes[:3]} of {body[:300]!r}")

    def _find_operation(self, scope: Scope):
        for route in find_routes(self.app, scope["path"]):
            if scope["method"] in (route.methods or ()):
                operations = self.document["paths"].get(route.path_format, {})
                return operations.get(scope["method"].lower())
        return None

    def _list_mistakes(self, response, media_type: str, body: bytes):
        if response is None:
            yield "the status is not described"
            return
        contents = response.get("content", {})
        if not contents:
            yield from ["there is a body"] if body else []
            return
        content = contents.get(media_type) or contents.get("*/*")
        if content is None:
            yield f"only {list(contents)} are described"
        elif media_type == "text/event-stream":
            for event in read_events(body.decode()):
                yield from self.validate(content["schema"]["contentSchema"], event)
        elif media_type.endswith("json") and "*/*" not in contents:
            yield from self.validate(content["schema"], json.loads(body))

    def validate(self, schema, value):
        whole = {**closed(schema), "components": self.components}
        for error in Draft202012Validator(whole, format_checker=FORMATS).iter_errors(value):
            parts = [part.message[:200] for part in error.context or ()]
            yield f"{error.json_path}: {error.message[:300]} {parts[:4]}"


def closed(schema):
    """A schema whose objects have the properties that they name, and no others."""
    match schema:
        case {"properties": dict()} if "additionalProperties" not in schema:
            schema = {**schema, "additionalProperties": False}
    match schema:
        case dict():
            return {name: closed(part) for name, part in schema.items()}
        case list():
            return [closed(part) for part in schema]
    return schema


def read_events(text: str):
    """The events of a stream as the document describes them: with their data read."""
    for block in text.split("\n\n"):
        lines = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
        event = {name: read_field(name, value) for name, _, value in lines}
        if event:
            yield event


def read_field(name: str, value: str):
    is_json = name == "data" and value != "[DONE]"  # with which OpenAI ends its streams
    return json.loads(value) if is_json or name == "id" else value
