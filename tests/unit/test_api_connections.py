"""Connections that nobody has let in yet: how much they may send, and how long they may wait."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
import uvicorn
from uvicorn.server import ServerState

from kb.api.guards import connection_limits as connection
from kb.api.guards.connection_limits import BoundedConnection

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def counting(scope, receive, send) -> None:
    """Answers with the bytes of the body, and in /unread with the hosts before it has come."""
    size, more = 0, True
    if scope["path"] == "/unread":
        hosts = b" ".join(value for name, value in scope["headers"] if name == b"host")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": hosts})
        return
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(counting, http=BoundedConnection, log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedConnection(config, state, {}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


async def told(port: int, *pieces: bytes) -> bytes:
    """What is answered until the server closes the connection, or has answered the body's size."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(5):
            while not answer.endswith((b"2000000", b"\r\n\r\n7")):
                if not (piece := await reader.read(1000)):
                    break
                answer += piece
    except ConnectionError:
        pass  # the server has closed it
    finally:
        writer.close()
    return answer


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (HEAD, b"X: " + b"a" * 1000 + b"\r\n"),
        (HEAD + b"X: ", b"a" * 1000),
        (b"GET /", b"a" * 1000),
        (CHUNKED + b"1;", b"a" * 1000),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: " + b"a" * 1000 + b"\r\n"),
    ],
    ids=["headers", "a header", "an address", "a chunk's extension", "trailers"],
)
async def test_what_has_no_end_is_broken_off(port, begin, piece):
    answer = await told(port, begin, *[piece] * 2000)
    assert b" 200 " not in answer


class Recorder(asyncio.Transport):
    """What is answered to a connection whose pieces the test chooses."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written, self.closing = b"", False

    def write(self, data):
        self.written += data

    def close(self):
        self.closing = True

    def is_closing(self):
        return self.closing

    def pause_reading(self):
        pass

    resume_reading = pause_reading


@pytest.fixture
async def one_piece() -> Callable[[bytes], Awaitable[bytes]]:
    """The answer to what comes in one piece, as 256 kB may."""
    config = uvicorn.Config(counting, http=BoundedConnection, log_config=None)
    config.load()

    async def answer(piece: bytes) -> bytes:
        state, transport = ServerState(), Recorder()
        own = BoundedConnection(config, state, {})
        own.connection_made(transport)
        own.data_received(piece)
        if transport.closing:
            own.connection_lost(None)
        await asyncio.gather(*state.tasks)
        return transport.written

    return answer


@pytest.mark.parametrize(
    "head",
    [
        HEAD + (b"X: " + b"a" * 1000 + b"\r\n") * 200 + b"\r\n",
        HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        HEAD + b"X: " + b" " * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        CHUNKED + b"0\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * 200 + b"\r\n",
    ],
    ids=["headers", "a header", "spaces", "an address", "trailers"],
)
async def test_what_is_whole_but_too_large_is_refused_though_it_comes_in_one_piece(one_piece, head):
    answer = await one_piece(head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b" 200 " not in answer


async def test_one_piece_may_hold_headers_of_60_kb_and_a_long_body(one_piece):
    body = b"x" * 180_000
    head = HEAD + (b"X: " + b"a" * 1000 + b"\r\n") * 60 + b"Content-Length: 180000\r\n\r\n"
    assert (await one_piece(head + body)).endswith(b"\r\n\r\n180000")


async def test_a_body_may_be_larger_than_headers_may(port):
    body = b"x" * 2_000_000
    whole = HEAD + b"Content-Length: 2000000\r\n\r\n" + body
    assert (await told(port, whole)).endswith(b"\r\n\r\n2000000")
    pieces = [whole[at : at + 1000] for at in range(0, len(whole), 1000)]
    assert (await told(port, *pieces)).endswith(b"\r\n\r\n2000000")


async def test_many_requests_follow_each_other_on_one_connection(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(100):
        writer.write(HEAD + b"Cookie: " + b"a" * 2000 + b"\r\nContent-Length: 7\r\n\r\n1234567")
        assert (await reader.readuntil(b"\r\n\r\n7")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"Content-Length: 7\r\n\r\n1234567POST"])
async def test_who_sends_no_whole_request_is_not_waited_for(port, sent, monkeypatch):
    monkeypatch.setattr(connection, "_HEAD_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer.count(b"HTTP/1.1 200") == sent.count(b"7\r\n")
    writer.close()


UNREAD = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1"


async def answered(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(5):
        assert b" 200 " in await reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("begin", "drops"),
    [
        (UNREAD.replace(b": 10", b": 100000000000"), 20),
        (UNREAD, 0),
        (UNREAD + b"234567890", 20),
        (b"GET /unread HTTP/1.1\r\nHost: a\r\n\r\n", 20),
    ],
    ids=["a body without end", "half a body", "lines after a body", "lines after headers"],
)
async def test_who_is_answered_and_sends_no_other_request_is_not_kept(
    port, begin, drops, monkeypatch
):
    monkeypatch.setattr(connection, "_REST_SECONDS", 0.1)
    monkeypatch.setattr(connection, "_HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    await answered(reader)
    with suppress(ConnectionError):
        for drop in b"\r\n" * drops:
            await asyncio.sleep(0.02)
            writer.write(bytes([drop]))
        async with asyncio.timeout(3):
            assert await reader.read() == b""
    writer.close()


async def test_the_rest_of_a_body_may_come_after_the_answer_and_another_request_then(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(UNREAD)
        await answered(reader)
        writer.write(b"234567890")
    writer.close()


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        (b"http://evil.example/unread", b"evil.example"),
        (b"http://evil.example:80/unread", b"evil.example:80"),
        (b"http://a@127.0.0.1/unread", b"a@127.0.0.1"),
        (b"/unread", b"127.0.0.1"),
    ],
)
async def test_an_address_with_a_host_counts_more_than_the_header(one_piece, address, hosts):
    answer = await one_piece(b"GET " + address + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert hosts + b"\r\n" in answer.splitlines(keepends=True)
