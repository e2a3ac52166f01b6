"""Every failure of the GLM API: its sentence in both languages, how often it was paid for, and the slot free again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.db.tables import FEISHU_CALLS, monthly_usage
from bot.sandbox.faults import GLM_CODES, own_names
from bot.sandbox.feishu.state import ChatMessage
from tests.support.card_actions import card_actions
from tests.support.dsl import CALL_TIMEOUT, CATALOGUE, BotUnderTest, all_strings, header_color

WORDS = CATALOGUE

SENTENCES = {
    "glm_500": "failure.server",
    "glm_1000": "failure.key_refused",
    "glm_1001": "failure.key_refused",
    "glm_1002": "failure.key_refused",
    "glm_1003": "failure.key_refused",
    "glm_1004": "failure.key_refused",
    "glm_1005": "failure.login",
    "glm_1110": "failure.account",
    "glm_1111": "failure.account",
    "glm_1112": "failure.account",
    "glm_1113": "failure.balance",
    "glm_1120": "failure.account",
    "glm_1121": "failure.account",
    "glm_1200": "failure.server",
    "glm_1210": "failure.request",
    "glm_1211": "failure.model",
    "glm_1212": "failure.request",
    "glm_1213": "failure.request",
    "glm_1214": "failure.request",
    "glm_1215": "failure.request",
    "glm_1220": "failure.model",
    "glm_1221": "failure.model",
    "glm_1222": "failure.model",
    "glm_1230": "failure.server",
    "glm_1231": "failure.duplicate",
    "glm_1234": "failure.server",
    "glm_1261": "failure.prompt_too_long",
    "glm_1300": "failure.content",
    "glm_1301": "failure.content",
    "glm_1303": "failure.rate_limit",
    "glm_1304": "failure.quota",
    "glm_1308": "failure.quota",
    "glm_1309": "failure.plan",
    "glm_1310": "failure.quota",
    "glm_1311": "failure.plan",
    "glm_1312": "failure.overloaded",
    "glm_1313": "failure.fair_use",
    "glm_1314": "failure.plan",
    "glm_1315": "failure.key_type",
    "glm_1316": "failure.quota",
    "glm_1317": "failure.quota",
    "glm_1318": "failure.spending",
    "glm_1319": "failure.spending",
    "glm_1320": "failure.spending",
    "glm_1321": "failure.spending",
    "hang": "failure.timeout",
    "trickle": "failure.timeout",
    "reset_before": "failure.network",
    "reset_after": "failure.network",
    "truncated": "failure.network",
    "html_502": "failure.broken",
    "empty_body": "failure.broken",
    "html_504": "failure.broken",
    "not_json": "failure.broken",
    "no_data": "failure.server",
    "no_url": "failure.server",
    "ok_with_error": "failure.server",
    "html_503": "failure.broken",
    **dict.fromkeys(("html_401", "html_403", "html_404", "html_413", "gbk_451", "json_403"), "failure.blocked"),
    "redirect": "failure.blocked",
    "file_url": "failure.server",
    "http_url": "failure.server",
    "output_refused": "failure.content",
    "level_0": "failure.content",
    "level_1": "failure.content",
}
"""The sentence of each fault that ends a generation at once; the codes: https://docs.bigmodel.cn/cn/faq/api-code."""

UNTIL = {
    "glm_1308": "2026-11-23 00:00",
    "glm_1310": "2026-11-30 00:00",
    "glm_1316": "2026-11-23 00:00",
    "glm_1317": "2026-11-30 00:00",
}
"""When the quota is reset, as the platform's message says it: in Beijing's time, which is the team's here."""

WHERE = {"glm_1301": "role.user", **dict.fromkeys(("output_refused", "level_0", "level_1"), "role.assistant")}
"""Where the content filter found something."""

STATUS = {
    "empty_body": "200",
    "not_json": "200",
    "redirect": "302",
    "gbk_451": "451",
    "json_403": "403",
    **{f"html_{status}": str(status) for status in (401, 403, 404, 413, 502, 503, 504)},
}
"""The HTTP status of an answer that is not the platform's."""

WAIT = {
    "glm_1302": "failure.rate_limit",
    "glm_1305": "failure.overloaded",
    "html_429": "failure.rate_limit",
    "no_code_429": "failure.rate_limit",
    "retry_after_503": "failure.overloaded",
}
"""Refusals before any work: the generation waits, and ends with this sentence when they go on for too long."""

UNBILLED = {f"glm_{code}" for code in GLM_CODES} - {
    "glm_500",
    "glm_1200",
    "glm_1230",
    "glm_1234",
    "glm_1300",
    "glm_1301",
}
UNBILLED |= {fault for fault, sentence in SENTENCES.items() if sentence == "failure.blocked"}
"""Refusals before any work. Whatever else goes wrong may be billed, and so it counts in the budget."""

WARN = ("level_2", "level_3")
"""Findings beside a picture."""


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for all faults; each meets a new person in a new chat."""
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), call_timeout=CALL_TIMEOUT) as bot:
        yield bot
        assert bot.glm.strays == []


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The bot, with no fault left armed by another test."""
    yield shared_bot
    shared_bot.glm.disarm()


def expected(fault: str, language: str) -> str:
    """The sentence of a fault as its card says it."""
    key = SENTENCES.get(fault) or WAIT[fault]
    values = {}
    if fault in STATUS:
        values["status"] = STATUS[fault]
    if fault in UNTIL:
        values["until"] = UNTIL[fault]
    if fault in WHERE:
        values["where"] = WORDS.text(WHERE[fault], language)  # type: ignore[arg-type]
    return WORDS.text(key if WORDS.placeholders(key) <= set(values) else f"{key}_plain", language, **values)  # type: ignore[arg-type]


def test_the_tables_hold_every_fault() -> None:
    """Each fault of a paid call, and so each code of the platform's table, is said here what becomes of it."""
    assert {*SENTENCES, *WAIT, *WARN} == set(own_names("glm", "call"))


@pytest.mark.parametrize("fault", SENTENCES)
def test_a_failure_has_its_sentence(bot: BotUnderTest, fault: str) -> None:
    """The card ends with the fault's sentence in both languages after one call, and the next prompt gets its turn.

    What something in between answered is not shown, and a button sends the prompt again.
    """
    user = bot.new_user()
    bot.glm.arm(fault)
    before = charged(bot)
    said = user.send()
    user.wait_for_end(said)
    (call,) = user.posts(said)
    assert call.paid <= charged(bot) - before == (fault not in UNBILLED)
    shown = list(all_strings(user.first_card))
    for language in ("zh", "en"):
        assert any(expected(fault, language) in words for words in shown), shown
    assert [header_color(answer) for answer in user.answers] == ["red"]
    if fault in STATUS:
        assert not any(
            "Access denied" in words or "您的请求已被拦截" in words or "upstream connect" in words for words in shown
        )
        (card,) = user.answers
        assert "again" in [(action.value or {}).get("a") for action in card_actions(bot.feishu, card.message_id)]
    goes_through(bot, user.send())


@pytest.mark.parametrize("code", [code for code in GLM_CODES if f"glm_{code}" in SENTENCES])
def test_the_platforms_own_words_stand_below(bot: BotUnderTest, code: str) -> None:
    """Under our sentence the card shows the platform's code and message, and neither a stack nor the endpoint."""
    user = bot.new_user()
    bot.glm.arm(f"glm_{code}")
    user.wait_for_end(user.send())
    shown = "\n".join(all_strings(user.first_card))
    assert f"{code} {GLM_CODES[code].text}" in shown
    assert "Traceback" not in shown
    assert "/paas/v4" not in shown


def test_a_reset_is_told_in_the_teams_time(tmp_path: Path) -> None:
    """A team in London reads when the quota is reset there by the clock, and the platform's message as it came."""
    with BotUnderTest(folder=tmp_path, variables={"BOT_TEAM_TIMEZONE": "Europe/London"}) as bot:
        user = bot.new_user()
        bot.glm.arm("glm_1308")
        user.wait_for_end(user.send())
        shown = list(all_strings(user.first_card))
    assert WORDS.text("failure.quota", "en", until="2026-11-22 16:00") in shown
    assert f"1308 {GLM_CODES['1308'].text}" in shown


@pytest.mark.parametrize("fault", WAIT)
def test_a_refusal_before_work_waits_and_passes(bot: BotUnderTest, fault: str) -> None:
    """Refused three times before any work, a generation goes back in line each time and is made at the fourth."""
    user = bot.new_user()
    bot.glm.arm(fault, times=3)
    said = user.send()
    user.wait_for_end(said)
    calls = user.posts(said)
    assert [call.paid for call in calls] == [False, False, False, True]
    waits = [later.at - earlier.at for earlier, later in pairwise(calls)]
    assert all(wait >= 0.8 * 0.02 for wait in waits), waits
    assert [header_color(answer) for answer in user.answers] == ["green"]


@pytest.mark.parametrize("fault", WAIT)
def test_waiting_has_an_end(bot: BotUnderTest, fault: str) -> None:
    """Refused for longer than a generation may wait, it ends with a sentence, unpaid, and the next one goes through."""
    user = bot.new_user()
    bot.glm.arm(fault, times=1000)
    before = charged(bot)
    said = user.send()
    user.wait_for_end(said)
    bot.glm.disarm()
    assert charged(bot) == before
    shown = list(all_strings(user.first_card))
    for language in ("zh", "en"):
        assert any(expected(fault, language) in words for words in shown)
    assert len(user.posts(said)) > 1
    assert not any(call.paid for call in user.posts(said))
    goes_through(bot, user.send())


@pytest.mark.parametrize("fault", WARN)
def test_a_finding_is_a_warning(bot: BotUnderTest, fault: str) -> None:
    """With a finding of level 2 or 3 the picture is shown, and beside it where the finding is and how bad."""
    user = bot.new_user()
    bot.glm.arm(fault)
    said = user.send()
    user.wait_for_end(said)
    level = fault.removeprefix("level_")
    shown = list(all_strings(user.first_card))
    for language in ("zh", "en"):
        where = WORDS.text("role.assistant", language)
        assert any(WORDS.text("warning.content", language, where=where, level=level) in words for words in shown)
    assert [header_color(answer) for answer in user.answers] == ["orange"]
    assert set(shown) & bot.feishu.uploads.keys()


def charged(bot: BotUnderTest) -> int:
    """How many calls the team's budget holds."""
    with bot.app.database.read() as connection:
        return int(
            connection.scalar(select(func.sum(monthly_usage.c.count)).where(monthly_usage.c.name != FEISHU_CALLS)) or 0
        )


def goes_through(bot: BotUnderTest, said: ChatMessage) -> None:
    """The slot is free: a prompt that nothing hinders is made."""
    assert bot.feishu.wait_for(
        lambda feishu: [header_color(one) for one in feishu.replies(said.message_id)] == ["green"]
    )
