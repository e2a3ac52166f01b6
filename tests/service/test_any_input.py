"""Whatever arrives, in whatever shape and order, nothing is paid for twice and nothing that was not asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.dsl import BotUnderTest

RUNS = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# From Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt, and two letters that look blank.
IGNORABLE = st.sampled_from(
    "\u00ad\u034f\u115f\u17b4\u180e\u200b\u200c\u200d\u200e\u2060\u2064\u2800\u3164\ufe0f\ufeff"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "r", "g", "e", "x"]), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for the file; every example is another person."""
    folder: Path = tmp_path_factory.mktemp("bot")
    with BotUnderTest(folder=folder, variables={"BOT_LIMITS_PER_DAY": "0"}) as bot:
        yield bot


@RUNS
@given(copies=st.lists(st.integers(1, 3), min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_deliveries_in_any_order_and_number_pay_once_per_message(
    bot: BotUnderTest, copies: list[int], seed: int
) -> None:
    """Each message is one paid call, whatever its event ids and however its deliveries are mixed."""
    user = bot.new_user()
    sent = [user.send() for _ in copies]
    events = [bot.feishu.event_of(message) for message, times in zip(sent, copies, strict=True) for _ in range(times)]
    random.Random(seed).shuffle(events)  # noqa: S311 - an order, not a secret
    for number, event in enumerate(events):
        header = {**event["header"], "event_id": f"{event['header']['event_id']}-{number}"}
        bot.feishu.push({**event, "header": header})
    for message in sent:
        bot.wait_until_idle(message)
    assert [len(user.posts(message)) for message in sent] == [1] * len(sent)
    assert len(user.answers) == len(sent)


@RUNS
@given(value=JSON, form=st.none() | st.dictionaries(st.sampled_from(["prompt", "size", "n"]), st.text(max_size=20)))
def test_a_button_payload_of_any_shape_is_answered_and_pays_nothing(
    bot: BotUnderTest, value: Any, form: dict[str, str] | None
) -> None:
    """A forged press gets an answer of the platform's form, and no paid call."""
    user = bot.new_user()
    card = user.ask("/help")
    before = len(bot.glm.calls)
    bot.feishu.press(card.message_id, user.person, value={"a": "x"})
    genuine = bot.last_press.event
    action = {**genuine["event"]["action"], "value": value, "form_value": form}
    header = {**genuine["header"], "event_id": f"forged-{card.message_id}", "token": bot.feishu.verification_token}
    attempt = bot.feishu.push({**genuine, "header": header, "event": {**genuine["event"], "action": action}})
    bot.wait_until_idle()
    assert (attempt.outcome, attempt.status) == ("acknowledged", 200)
    assert isinstance(json.loads(attempt.body), dict)
    assert len(bot.glm.calls) == before


@RUNS
@given(
    text=st.sampled_from(["/help", "帮助", "取消", "/sizes", "额度"]),
    junk=st.lists(st.tuples(st.integers(0, 8), IGNORABLE), min_size=1, max_size=4),
)
def test_invisible_characters_never_turn_a_command_into_a_prompt(
    bot: BotUnderTest, text: str, junk: list[tuple[int, str]]
) -> None:
    """A command is a command wherever characters stand in it that nobody sees."""
    for place, character in junk:
        text = text[:place] + character + text[place:]
    user = bot.new_user()
    sent = user.send(text)
    bot.wait_until_idle(sent)
    assert len(user.answers) == 1
    assert user.posts(sent) == []


@RUNS
@given(blank=st.lists(IGNORABLE | st.sampled_from(" \n\t\u3000"), min_size=1, max_size=8).map("".join))
def test_a_message_that_nobody_can_see_pays_nothing(bot: BotUnderTest, blank: str) -> None:
    """Invisible and blank characters alone are no prompt."""
    user = bot.new_user()
    sent = user.send(blank)
    bot.wait_until_idle(sent)
    assert user.posts(sent) == []
