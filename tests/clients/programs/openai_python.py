"""openai, the client of OpenAI for Python."""

import asyncio
import os

from openai import AsyncOpenAI, OpenAI

QUESTION = os.environ["KB_QUESTION"]
SETTINGS = {"base_url": os.environ["KB_API"], "api_key": os.environ["KB_TOKEN"]}
MESSAGES = [{"role": "user", "content": QUESTION}]
client = OpenAI(**SETTINGS)

assert "kb-auto" in [model.id for model in client.models.list()]
reply = client.chat.completions.create(model="kb-documents", messages=MESSAGES)
text = reply.choices[0].message.content
assert "#/passage/" in reply.choices[0].message.annotations[0].url_citation.url
print(text)

with client.chat.completions.stream(model="kb-documents", messages=MESSAGES) as stream:
    assert stream.get_final_completion().choices[0].message.content == text

first = client.responses.create(model="kb-documents", input=QUESTION)
then = client.responses.create(
    model="kb-documents", input="And for companies?", previous_response_id=first.id
)
assert then.output_text
with client.responses.stream(model="kb-documents", input=QUESTION) as events:
    assert events.get_final_response().output_text == first.output_text

assert client.completions.create(model="kb-documents", prompt=QUESTION).choices[0].text
assert len(client.embeddings.create(model="kb-embedding", input=["a", "b"]).data) == 2


async def ask_async() -> None:
    async with AsyncOpenAI(**SETTINGS) as asking:
        told = await asking.chat.completions.create(model="kb-documents", messages=MESSAGES)
        assert told.choices[0].message.content == text


asyncio.run(ask_async())
