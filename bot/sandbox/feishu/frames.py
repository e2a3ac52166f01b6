"""The frames of a long connection: a small message in Protocol Buffers' encoding, written out by hand.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

CONTROL, DATA = 0, 1
"""The two methods of a frame: pings and pongs, and what is pushed."""

_SEQUENCE, _LOG, _SERVICE, _METHOD, _HEADERS, _PAYLOAD = 1, 2, 3, 4, 5, 8
_KEY, _VALUE = 1, 2
_VARINT, _BYTES = 0, 2
_SEVEN_BITS, _MORE = 0x7F, 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame; the headers stand in their order, each once."""

    method: int
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes = b""
    service: int = 0
    sequence: int = 0
    log: int = 0


def encode(frame: Frame) -> bytes:
    """A frame as it goes over the wire."""
    numbers = ((_SEQUENCE, frame.sequence), (_LOG, frame.log), (_SERVICE, frame.service), (_METHOD, frame.method))
    parts = [_varint(place << 3 | _VARINT) + _varint(number) for place, number in numbers]
    for key, value in frame.headers.items():
        parts.append(_bytes(_HEADERS, _bytes(_KEY, key.encode()) + _bytes(_VALUE, value.encode())))
    return b"".join([*parts, _bytes(_PAYLOAD, frame.payload)])


def decode(data: bytes) -> Frame:
    """The frame that came over the wire; fields that are not known here are left out.

    Raises:
        ValueError: it is none.
    """
    numbers: dict[int, int] = {}
    headers: dict[str, str] = {}
    payload = b""
    for place, value in _fields(data):
        if isinstance(value, int):
            numbers[place] = value
        elif place == _HEADERS:
            pair = {part: text.decode() for part, text in _fields(value) if isinstance(text, bytes)}
            headers[pair.get(_KEY, "")] = pair.get(_VALUE, "")
        elif place == _PAYLOAD:
            payload = value
    if not {_SEQUENCE, _LOG, _SERVICE, _METHOD} <= numbers.keys():
        raise ValueError("a frame lacks a field that it has to have")
    return Frame(
        method=numbers[_METHOD],
        headers=headers,
        payload=payload,
        service=numbers[_SERVICE],
        sequence=numbers[_SEQUENCE],
        log=numbers[_LOG],
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > _SEVEN_BITS:
        out.append(number & _SEVEN_BITS | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes(place: int, content: bytes) -> bytes:
    return _varint(place << 3 | _BYTES) + _varint(len(content)) + content


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, at = _read_varint(data, at)
        if tag & 7 == _VARINT:
            yield tag >> 3, number
        elif tag & 7 == _BYTES and at + number <= len(data):
            yield tag >> 3, data[at : at + number]
            at += number
        else:
            raise ValueError("a field of a frame is of no known kind, or cut off")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data):
        number |= (data[at] & _SEVEN_BITS) << shift
        at += 1
        if not data[at - 1] & _MORE:
            return number, at
        shift += 7
    raise ValueError("a number of a frame is cut off")
