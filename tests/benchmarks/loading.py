"""A load generator that costs little: bodies made and signed beforehand, written to open connections."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")
PATIENCE = 30.0
"""Seconds after which an answer is given up."""

_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer: seconds from the moment when the request was due to be sent, and the HTTP status."""

    seconds: float
    status: int


def request_of(body: bytes, headers: Mapping[str, str], *, path: str = "/webhook/event") -> bytes:
    """A whole request as it goes over the connection."""
    lines = [f"POST {path} HTTP/1.1", "Host: bot", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def apart(load: Callable[..., Result], *arguments: object) -> Result:
    """Runs a load in a process of its own, so that it shares no lock with the stand-ins here."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(load, *arguments).result()


def steadily(port: int, requests: Sequence[bytes], rate: float) -> list[Answered]:
    """Sends ``rate`` requests a second whether or not the earlier ones are answered."""
    return asyncio.run(_steadily(port, requests, rate))


def in_bursts(port: int, requests: Sequence[bytes], size: int, pause: float) -> list[Answered]:
    """Sends ``size`` requests at the same moment on as many open connections, and so on after ``pause`` seconds."""
    return asyncio.run(_in_bursts(port, requests, size, pause))


class _Line:
    """An open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> _Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def exchange(self, request: bytes, *, due: float) -> Answered:
        self._writer.write(request)
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(next(line for line in head.lower().splitlines() if line.startswith(_LENGTH))[len(_LENGTH) :])
            await self._reader.readexactly(length)
        return Answered(seconds=time.perf_counter() - due, status=int(head[9:12]))

    def close(self) -> None:
        self._writer.close()


async def _steadily(port: int, requests: Sequence[bytes], rate: float) -> list[Answered]:
    free: list[_Line] = [await _Line.open(port) for _ in range(20)]

    async def one(request: bytes, due: float) -> Answered:
        line = free.pop() if free else await _Line.open(port)
        answered = await line.exchange(request, due=due)
        free.append(line)
        return answered

    began = time.perf_counter() + 0.1
    sent = []
    for number, request in enumerate(requests):
        due = began + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        sent.append(asyncio.create_task(one(request, due)))
    answered = await asyncio.gather(*sent)
    for line in free:
        line.close()
    return list(answered)


async def _in_bursts(port: int, requests: Sequence[bytes], size: int, pause: float) -> list[Answered]:
    lines = [await _Line.open(port) for _ in range(size)]
    answered: list[Answered] = []
    for first in range(0, len(requests), size):
        due = time.perf_counter()
        burst = zip(lines, requests[first : first + size], strict=False)
        answered += await asyncio.gather(*(line.exchange(request, due=due) for line, request in burst))
        await asyncio.sleep(pause)
    for line in lines:
        line.close()
    return answered
