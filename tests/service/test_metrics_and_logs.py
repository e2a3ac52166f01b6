"""What the bot tells whoever runs it: the metrics, the month's statistics, and the log of a message.

One grep follows one message through the log, and nobody's words stand in it unless that is asked for.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text, update

from bot.cli.check_local import check_bot_findings
from bot.db.database import NOW, Database, read_url
from bot.db.reports import Reports
from bot.db.tables import generations, key_value, requests
from bot.db.usage import ApiUsageCounter, add_usage
from bot.errors import DatabaseUnavailable
from bot.metrics import Metrics
from bot.models import Event, State
from bot.sandbox.http import shared_tls
from bot.settings import load
from bot.timings import BillingPeriods
from bot.web.routes import EventEndpoint
from tests.support.builders import Team, accept, change, limits_of
from tests.support.databases import sqlite_database
from tests.support.dsl import QUICK, BotUnderTest, Conversation, plain_text, variables_for, wait_for
from tests.support.logs import written

TOKEN = "not-a-real-metrics-token"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
PERIODS = BillingPeriods(zone=UTC, clock=lambda: NOON)


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot whose figures may be read."""
    folder, pace = tmp_path_factory.mktemp("bot"), replace(QUICK, upkeep=0.05)
    with BotUnderTest(folder=folder, pace=pace, variables={"METRICS_TOKEN": TOKEN}) as bot:
        yield bot


def read(bot: BotUnderTest, authorization: str | None = f"Bearer {TOKEN}") -> httpx.Response:
    headers = {"Authorization": authorization} if authorization else {}
    return httpx.get(f"{bot.origin}/metrics", headers=headers, trust_env=False, verify=shared_tls())


def figure(bot: BotUnderTest, name: str) -> float:
    """One figure, by its name with its labels; 0 when there is none yet."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", read(bot).text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_without_the_token_nothing_is_read(bot: BotUnderTest) -> None:
    for authorization in (None, TOKEN, "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}"):
        answer = read(bot, authorization)
        assert (answer.status_code, answer.text) == (401, "unauthorized\n")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


COUNTED = {
    None: (
        'bot_generations_total{model="glm-image",outcome="done"}',
        'bot_events_total{kind="im.message.receive_v1",outcome="accepted"}',
        "bot_acknowledgement_seconds_count",
        'bot_requests_total{kind="images",outcome="accepted"}',
        'bot_glm_call_seconds_count{code="ok",model="glm-image"}',
        'bot_generation_seconds_count{model="glm-image"}',
        'bot_feishu_call_seconds_count{call="reply",code="0"}',
        'bot_feishu_call_seconds_count{call="image",code="0"}',
        "bot_month_images",
    ),
    "glm_1113": (
        'bot_generations_total{model="glm-image",outcome="insufficient_balance"}',
        'bot_glm_call_seconds_count{code="1113",model="glm-image"}',
    ),
}
"""What one prompt adds one to, by the fault that it meets; the first of them last."""


@pytest.mark.parametrize("fault", COUNTED)
def test_an_image_is_counted_at_every_step(bot: BotUnderTest, fault: str | None) -> None:
    names = COUNTED[fault]
    before = [figure(bot, name) for name in names]
    if fault:
        bot.glm.arm(fault)
    bot.new_user().ask()
    wait_for(lambda: figure(bot, names[0]) == before[0] + 1)
    assert [figure(bot, name) for name in names] == [count + 1 for count in before]


def test_the_state_is_read_from_the_database(bot: BotUnderTest) -> None:
    bot.new_user().ask()
    text = read(bot).text
    for line in (
        'bot_slots{model="glm-image"} 1.0',
        'bot_slots{model="cogview-4"} 5.0',
        'bot_slots_in_use{model="glm-image"} 0.0',
        'bot_queue_length{model="glm-image"} 0.0',
        "bot_workers 1.0",
        "bot_month_yuan_limit 100.0",
        "bot_database_up 1.0",
    ):
        assert f"\n{line}\n" in text
    assert figure(bot, "bot_database_bytes") > 4096
    assert figure(bot, "bot_month_yuan") == pytest.approx(0.1 * figure(bot, "bot_month_images"))
    # What raises an alert is there before it happens.
    for code in ("done", "cancelled", "authentication_error", "TIMEOUT", "DOWNLOAD_FAILED", "upload_failed"):
        assert f'bot_generations_total{{model="cogview-4",outcome="{code}"}} 0.0' in text


def test_a_rejected_event_is_counted(bot: BotUnderTest) -> None:
    name = 'bot_events_total{kind="unknown",outcome="rejected_401"}'
    before = figure(bot, name)
    assert httpx.post(str(bot.feishu.webhook_url), content=b"{}", trust_env=False).status_code == 401
    assert figure(bot, name) == before + 1


def test_the_calls_to_feishu_are_exact_and_survive_a_restart(bot: BotUnderTest) -> None:
    """The month's count is that of the calls which Feishu got, but for those to get a token."""

    def agreed() -> bool:
        made = [call for call in bot.feishu.calls if call.name != "token"]
        return figure(bot, "bot_month_feishu_calls") == len(made)

    bot.new_user().ask()
    wait_for(agreed)
    bot.stop()
    bot.start()
    wait_for(agreed)


def reports_of(database: Database, periods: BillingPeriods) -> Reports:
    calls = ApiUsageCounter(database=database, periods=periods)
    return Reports(database=database, prices=Team().prices, periods=periods, calls=calls)


def test_the_state_is_counted_and_priced_by_model(database: Database) -> None:
    accept(database, "om_1", model="glm-image", count=2)
    accept(database, "om_2", model="cogview-4")
    change(
        database,
        update(generations).values(accepted_at=generations.c.accepted_at - 90),
        update(generations)
        .where(generations.c.model == "glm-image", generations.c.index_in_request == 0)
        .values(state=State.GENERATING, slot_until=NOW + 60, lease_until=NOW + 60),
    )
    with database.write() as connection:
        add_usage(connection, month="2026-11", name="glm-image", count=3)
        add_usage(connection, month="2026-11", name="cogview-4", count=5)
        add_usage(connection, month="2026-10", name="cogview-4", count=70)
    state: dict[str, Any] = reports_of(database, PERIODS).snapshot(
        slots={"glm-image": 1, "cogview-4": 5}, alive_within=15.0
    )
    assert state["bot_queue_length"] == {"glm-image": 1, "cogview-4": 1}
    assert state["bot_slots_in_use"] == {"glm-image": 1, "cogview-4": 0}
    assert [90 <= seconds < 120 for seconds in state["bot_queue_oldest_seconds"].values()] == [True, True]
    assert (state["bot_month_images"], state["bot_month_yuan"]) == (8, pytest.approx(0.6))


def no_state() -> NoReturn:
    raise DatabaseUnavailable("gone")


def test_without_a_database_only_that_is_reported() -> None:
    shown = Metrics(snapshot=no_state, budget=0).text().decode()
    assert "\nbot_database_up 0.0\n" in shown
    assert "bot_queue_length" not in shown


def test_calls_of_several_processes_add_up(database: Database) -> None:
    """What two processes count at the same time is stored without losing one, each month apart."""
    now = [NOON]
    both = [
        ApiUsageCounter(database=database, periods=BillingPeriods(zone=UTC, clock=lambda: now[0])) for _ in range(2)
    ]

    def count_and_store(calls: ApiUsageCounter) -> None:
        for _ in range(10):
            for _ in range(5):
                calls.count("reply")
            calls.store()

    for month in range(2):
        now[0] = NOON + month * 31 * 86_400
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(count_and_store, both))
        assert reports_of(database, both[0].periods).stats().feishu_calls == 100


def test_calls_that_could_not_be_stored_are_kept_for_the_next_time(tmp_path: Path) -> None:
    with closing(Database(read_url(sqlite_database(tmp_path)))) as database:
        calls = ApiUsageCounter(database=database, periods=PERIODS)
        change(database, text("ALTER TABLE monthly_usage RENAME TO away"))
        calls.count("reply")
        with pytest.raises(DatabaseUnavailable):
            calls.store()
        change(database, text("ALTER TABLE away RENAME TO monthly_usage"))
        calls.store()
        assert reports_of(database, PERIODS).stats().feishu_calls == 1


def test_people_and_chats_are_listed_by_cost(database: Database) -> None:
    """The highest cost is first, a direct chat names its person, and what cost nothing is not listed."""
    accept(database, "om_1", sender="ou_ann", chat="oc_group", model="cogview-4", count=4)
    accept(database, "om_2", sender="ou_bob", chat="oc_group", count=2)
    accept(database, "om_3", sender="ou_bob", chat="oc_bob", count=1)
    accept(database, "om_4", sender="ou_cai", chat="oc_cai")
    with database.write() as connection:
        done = {"state": State.DONE, "ended_at": NOW, "calls_billed": 1}
        connection.execute(update(generations).where(generations.c.sender != "ou_cai").values(done))
        connection.execute(update(requests).where(requests.c.chat_id == "oc_bob").values(chat_type="p2p"))
    stats = reports_of(database, limits_of().periods).stats()
    assert [(one.open_id, one.images, one.yuan) for one in stats.people] == [("ou_bob", 3, 0.3), ("ou_ann", 4, 0.24)]
    assert [(one.open_id, one.chat_id, one.yuan) for one in stats.chats] == [
        ("", "oc_group", 0.44),
        ("ou_bob", "oc_bob", 0.1),
    ]
    assert reports_of(database, limits_of().periods).stats("2020-01").people == ()


def test_months_are_read() -> None:
    clock = datetime(2026, 11, 30, 23, 59, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    periods = BillingPeriods(zone=ZoneInfo("Asia/Shanghai"), clock=lambda: clock)
    read = {"": "2026-11", "2026-10": "2026-10", "2026年3月": "2026-03", "2026/1": "2026-01", "2026-13": "2026-11"}
    for typed, month in read.items():
        assert periods.read_month(typed) == month
        first, after = (datetime.fromtimestamp(at, ZoneInfo("Asia/Shanghai")) for at in periods.bounds(month))
        assert (f"{first:%Y-%m-%d %H:%M}", after.day, after.hour) == (f"{month}-01 00:00", 1, 0)


def step(line: str) -> str:
    """The words of a line, without its time, level, module and values."""
    return " ".join(word for word in line.split()[3:] if "=" not in word)


def test_one_grep_for_the_message_finds_every_step(bot: BotUnderTest) -> None:
    """From the acceptance to the result each line carries the message's id, those of the clients too, and no prompt.

    So does the line of a failure, which has the platform's code.
    """
    with written() as log:
        user = bot.new_user()
        user.ask(said := user.send())
        bot.glm.arm("glm_1113")
        user.ask(second := user.send())
    lines = [line for line in log if said.message_id in line]
    steps = [step(line) for line in lines]
    for one in ("request", "generation call", "GLM answered", "generation made", "generation done"):
        assert steps.count(one) == 1, steps
    assert steps[:2] == ["intent", "request"]
    assert sum("Feishu called" in line and "call=" in line for line in lines) >= 3
    assert "state=result" in lines[-1]
    assert len({word for line in lines for word in line.split() if word.startswith("request=")}) == 1
    assert [line for line in log if plain_text(said) in line] == []
    (failed,) = [line for line in log if "generation failed" in line]
    assert {"WARNING", f"message_id={second.message_id}", "provider_code=1113"} <= set(failed.split())


IDS_OF_BODIES: list[tuple[dict[str, object], str]] = [
    ({"message": {"message_id": "om_1"}}, "message_id=om_1"),
    ({"message_id": "om_1", "chat_id": "oc_1"}, "message_id=om_1"),
    ({"context": {"open_message_id": "om_card"}, "action": {}}, "card=om_card"),
    ({"message": "om_1", "context": None, "message_id": 1}, "event_id=e1"),
]


def test_an_event_that_is_not_acted_on_names_its_message() -> None:
    """Too old, or not to be stored: the line has the event's id and that of the message or card, where there is one."""

    def refuse(_: Event) -> dict[str, object]:
        raise DatabaseUnavailable("away")

    for body, named in IDS_OF_BODIES:
        event = Event(event_id="e1", event_type="any", created_at=0.0, body=body)
        with written() as log:
            for now in (9 * 3600.0, 0.0):
                EventEndpoint(handle=refuse, clock=lambda now=now: now).answer(lambda event=event: event)  # type: ignore[misc]
        assert [step(line) for line in log] == ["event dropped", "event not stored"]
        for line in log:
            assert {"event_id=e1", named} <= set(line.split())
            assert "None" not in line


def test_silence_towards_a_message_has_its_reason_in_the_log(bot: BotUnderTest, user: Conversation) -> None:
    file: dict[str, Any] = {"chat_id": user.chat_id, "sender": user.person, "content": b"1", "name": "a.txt"}
    bot.feishu.send_file(**file)
    wait_for(lambda: user.answers)
    with written() as log:
        second = bot.feishu.send_file(**file)
        wait_for(lambda: any("message ignored" in line for line in log))
    (line,) = [line for line in log if f"message_id={second.message_id}" in line]
    assert 'reason="answered lately: unreadable"' in line


def test_a_press_leads_back_to_the_message_of_its_card(user: Conversation) -> None:
    """One grep for the first message finds who pressed again on its card, and the request that came of it."""
    card = user.ask(said := user.send())
    first = card.button("again").value["r"]
    with written() as log:
        card.press("again")
    pressed, accepted = [line for line in log if f"pressed={first}" in line]
    assert (step(pressed), step(accepted)) == ("card action", "request")
    for line in (pressed, accepted):
        assert {f"message_id={said.message_id}", f"card={card.message_id}"} <= set(line.split())
    (new,) = [word for word in accepted.split() if word.startswith("request=")]
    assert sum(new in line for line in log) > 3


def test_prompts_are_logged_where_that_is_asked_for(tmp_path: Path) -> None:
    """`[log] prompts` lets them in, on one line a message."""
    with BotUnderTest(folder=tmp_path, variables={"BOT_LOG_PROMPTS": "true"}) as bot, written() as log:
        user = bot.new_user()
        user.ask(said := user.send())
    (line,) = [line for line in log if plain_text(said) in line]
    assert f"message_id={said.message_id}" in line


def test_a_namesake_is_logged_once_and_told_by_check(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After three mentions of another identity there is one line in the log, and `check` names it with what to do."""
    with BotUnderTest(folder=tmp_path) as bot:
        settings = load(variables_for(bot.feishu, folder=tmp_path))
        assert [one.name for one in check_bot_findings(settings, readable=True)] == ["Feishu calls this month"]
        bot.stop()
        bot.start()
        own = key_value.c.name.startswith("bot_open_id:")
        change(bot.app.database, update(key_value).where(own).values(value="ou_older"))
        user = bot.new_user(kind="group")
        with caplog.at_level(logging.WARNING, logger="bot"):
            for _ in range(3):
                bot.stop()
                bot.start()
                user.deliver()
        assert user.answers == []
        _, finding = check_bot_findings(settings, readable=True)
    assert sum("another bot of the same name mentioned" in record.getMessage() for record in caplog.records) == 1
    assert (finding.name, finding.ok) == ("Mentions", False)
    assert bot.feishu.bot_open_id in finding.detail
    assert "FEISHU_APP_ID" in (finding.fix or "")
