"""The stand-in's hand-written frames are those of the SDK."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.feishu import sdk
from bot.sandbox.feishu.long_connection_stand_in import DATA, Frame, decode, encode

words = st.text(max_size=40)
theirs_of = sdk.import_long_connection().Frame
numbers = st.integers(0, 2**31 - 1)
frames = st.builds(
    Frame,
    method=st.sampled_from([0, 1]),
    headers=st.dictionaries(words, words, max_size=5),
    payload=st.binary(max_size=400),
    service=numbers,
    sequence=numbers,
    log=numbers,
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames)
def test_the_sdk_reads_and_writes_the_same(frame: Frame) -> None:
    """What is encoded here the SDK decodes to the same values, and the other way round."""
    theirs = theirs_of()
    theirs.ParseFromString(encode(frame))
    assert {header.key: header.value for header in theirs.headers} == frame.headers
    assert (theirs.payload, theirs.method, theirs.service) == (frame.payload, frame.method, frame.service)
    assert decode(theirs.SerializeToString()) == frame


@pytest.mark.parametrize("cut", [1, 3, 9, -1])
def test_a_frame_that_is_cut_off_is_none(cut: int) -> None:
    """A part of a frame is refused."""
    whole = encode(Frame(method=DATA, headers={"type": "event"}, payload=b"x" * 20))
    with pytest.raises(ValueError, match="frame"):
        decode(whole[:cut])
