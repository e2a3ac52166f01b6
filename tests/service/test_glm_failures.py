"""Failures of the GLM API by sentence: what the card says, how often it was paid for, and that the slot is free again.

Which code leads to which error is the subject of the unit tests of the responses; here each sentence has one fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from bot.db.tables import FEISHU_CALLS, generations, monthly_usage
from bot.sandbox.faults import FAULTS
from tests.support.dsl import (
    CALL_TIMEOUT,
    CATALOGUE,
    QUICK,
    BotUnderTest,
    all_strings,
    card_actions,
    header_color,
    wait_for,
)

WORDS = CATALOGUE

FAILURES = {
    # The fault, its sentence with its placeholders, and whether the call may be billed.
    "glm_1234": ("failure.server", {}, True),
    "glm_1002": ("failure.key_refused", {}, False),
    "glm_1005": ("failure.login", {}, False),
    "glm_1112": ("failure.account", {}, False),
    "glm_1113": ("failure.balance", {}, False),
    "glm_1210": ("failure.request", {}, False),
    "glm_1211": ("failure.model", {}, False),
    "glm_1231": ("failure.duplicate", {}, False),
    "glm_1261": ("failure.prompt_too_long", {}, False),
    "glm_1301": ("failure.content", {"where": "role.user", "level": "level.2"}, True),
    "level_0": ("failure.content", {"where": "role.assistant", "level": "level.0"}, True),
    "glm_1303": ("failure.rate_limit", {}, False),
    "glm_1308": ("failure.quota", {"until": "11-23 00:00"}, False),
    "glm_1304": ("failure.quota_plain", {}, False),
    "glm_1309": ("failure.plan", {}, False),
    "glm_1312": ("failure.overloaded", {}, False),
    "glm_1313": ("failure.fair_use", {}, False),
    "glm_1315": ("failure.key_type", {}, False),
    "glm_1318": ("failure.spending", {}, False),
    "hang": ("failure.timeout", {}, True),
    "reset_after": ("failure.network", {}, True),
    "html_502": ("failure.broken", {"status": "502"}, True),
    "gbk_451": ("failure.blocked", {"status": "451"}, False),
    "redirect": ("failure.blocked", {"status": "302"}, False),
}
"""The faults that end a generation at once; the codes: https://docs.bigmodel.cn/cn/faq/api-code."""

WAITS = {"glm_1302": "failure.rate_limit", "glm_1305": "failure.overloaded", "retry_after_503": "failure.overloaded"}
"""Rejections before any work: the generation waits, and ends with this sentence when they go on for too long."""


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for all faults; each meets a new user in a new chat."""
    pace = replace(QUICK, backoff_in_all=900.0)
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), call_timeout=CALL_TIMEOUT, pace=pace) as bot:
        yield bot
        assert bot.glm.strays == []


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The bot, with no fault left armed by another test."""
    yield shared_bot
    shared_bot.glm.disarm()


def assert_says(shown: list[str], key: str, values: dict[str, str]) -> None:
    """A card has a sentence in both languages; a place where the content filter looked has its word in each."""
    for language in ("zh", "en"):
        said = dict(values)
        for name in {"where", "level"} & values.keys():
            said[name] = WORDS.text(values[name], language)
        if key.startswith("failure.content"):
            said["level"] = WORDS.text("level.note", language, level=said["level"])
        key = key if WORDS.placeholders(key) <= set(said) else f"{key}_plain"
        assert any(WORDS.text(key, language, **said) in words for words in shown), shown


def charged(bot: BotUnderTest) -> int:
    """How many calls the team's budget holds."""
    images = select(func.sum(monthly_usage.c.count)).where(monthly_usage.c.name != FEISHU_CALLS)
    with bot.app.database.read() as connection:
        return int(connection.scalar(images) or 0)


def assert_next_prompt_is_made(bot: BotUnderTest) -> None:
    """The slot is free."""
    bot.glm.disarm()
    user = bot.new_user()
    assert header_color(user.ask(user.send())) == "green"


@pytest.mark.parametrize("fault", FAILURES)
def test_a_failure_has_its_sentence(bot: BotUnderTest, fault: str) -> None:
    """The card ends with the fault's sentence after one call, with the platform's own words and nothing of a proxy's.

    A button sends the prompt again, and the next prompt gets its turn.
    """
    key, values, billed = FAILURES[fault]
    user = bot.new_user()
    bot.glm.arm(fault)
    before = charged(bot)
    said = user.send()
    user.wait_for_end(said)
    (call,), (card,) = user.posts(said), user.answers
    assert call.paid <= charged(bot) - before == billed
    shown = list(all_strings(user.first_card))
    assert_says(shown, key, values)
    assert header_color(card) == "red"
    if fault.startswith("glm_"):
        code = fault.removeprefix("glm_")
        assert f"{code} {FAULTS[f'glm_{code}'].text}" in "\n".join(shown)
    assert not any(words in "".join(shown) for words in ("Access denied", "您的请求已被拦截", "Traceback", "/paas/v4"))
    if "status" in values:
        assert "again" in [(action.value or {}).get("a") for action in card_actions(bot.feishu, card.message_id)]
    assert_next_prompt_is_made(bot)


def test_a_reset_is_shown_in_the_teams_time(tmp_path: Path) -> None:
    """A team in London reads when the quota is reset there by the clock, and the platform's message as it came."""
    with BotUnderTest(folder=tmp_path, variables={"BOT_TEAM_TIMEZONE": "Europe/London"}) as bot:
        user = bot.new_user()
        bot.glm.arm("glm_1308")
        user.wait_for_end(user.send())
        shown = list(all_strings(user.first_card))
    assert WORDS.text("failure.quota", "en", until="11-22 16:00") in shown
    assert f"1308 {FAULTS['glm_1308'].text}" in shown


@pytest.mark.parametrize("fault", WAITS)
def test_a_rejection_before_work_waits_and_passes(bot: BotUnderTest, fault: str) -> None:
    """Rejected three times before any work, a generation waits again each time and is made at the fourth."""
    user = bot.new_user()
    bot.glm.arm(fault, times=3)
    said = user.send()
    user.wait_for_end(said)
    assert [call.paid for call in user.posts(said)] == [False, False, False, True]
    assert [header_color(answer) for answer in user.answers] == ["green"]


@pytest.mark.parametrize("fault", WAITS)
def test_waiting_has_an_end(bot: BotUnderTest, fault: str) -> None:
    """Rejected for longer than a generation may wait, it ends with a sentence, unpaid, and the next one is made."""
    user = bot.new_user()
    bot.glm.arm(fault, times=1000)
    before = charged(bot)
    said = user.send()
    wait_for(lambda: len(user.posts(said)) > 1)
    with bot.app.database.write() as connection:
        connection.execute(update(generations).values(backoff_since=generations.c.backoff_since - 900.0))
    user.wait_for_end(said)
    assert charged(bot) == before
    assert_says(list(all_strings(user.first_card)), WAITS[fault], {})
    assert not any(call.paid for call in user.posts(said))
    assert_next_prompt_is_made(bot)


@pytest.mark.parametrize("level", ["2", "3"])
def test_a_finding_is_a_warning(bot: BotUnderTest, level: str) -> None:
    """With a finding of level 2 or 3 the image is shown, and beside it where the finding is and how bad."""
    user = bot.new_user()
    bot.glm.arm(f"level_{level}")
    user.wait_for_end(user.send())
    shown = list(all_strings(user.first_card))
    assert_says(shown, "warning.content", {"where": "role.assistant", "level": f"level.{level}"})
    assert [header_color(answer) for answer in user.answers] == ["orange"]
    assert set(shown) & bot.feishu.uploads.keys()
