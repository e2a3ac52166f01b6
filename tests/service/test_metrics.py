"""The metrics: who may read them, what they count, and what they read from the database."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from flask import Response
from sqlalchemy import text, update

from bot.background import Background
from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.reports import Reports
from bot.db.tables import generations
from bot.db.usage import ApiUsageCounter, add_usage
from bot.errors import DatabaseUnavailable
from bot.metrics import Metrics
from bot.models import State, StateSnapshot
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import ServerSettings
from bot.timings import BillingPeriods
from bot.web.routes import create_status_app
from bot.web.server import Server
from tests.repo.lock import TOP
from tests.support.builders import accept
from tests.support.databases import postgres_database
from tests.support.dsl import QUICK, BotUnderTest, variables_for, wait_for
from tests.support.servers import free_port

TOKEN = "not-a-real-metrics-token"
PERSISTENT = replace(QUICK, upkeep=0.05)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
PERIODS = BillingPeriods(zone=UTC, clock=lambda: NOON)


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot whose figures may be read."""
    folder = tmp_path_factory.mktemp("bot")
    with BotUnderTest(folder=folder, pace=PERSISTENT, variables={"METRICS_TOKEN": TOKEN}) as bot:
        yield bot


def read(bot: BotUnderTest, authorization: str | None = f"Bearer {TOKEN}") -> httpx.Response:
    """What the route answers."""
    address = f"{str(bot.feishu.webhook_url).removesuffix('/webhook/event')}/metrics"
    return httpx.get(address, headers={"Authorization": authorization} if authorization else {}, trust_env=False)


def figure(bot: BotUnderTest, name: str) -> float:
    """One figure, by its name with its labels; 0 when there is none yet."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", read(bot).text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize(
    "authorization", [None, "", TOKEN, "Bearer", "Bearer no", f"Bearer {TOKEN}x", f"Basic {TOKEN}"]
)
def test_without_the_token_nothing_is_read(bot: BotUnderTest, authorization: str | None) -> None:
    """Whoever has no token, or a wrong one, gets 401 and no figure."""
    answer = read(bot, authorization)
    assert (answer.status_code, answer.text) == (401, "unauthorized\n")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_without_a_configured_token_there_is_no_route() -> None:
    """The route is not there at all, whatever is sent."""
    web = create_status_app(unready=lambda: None, metrics=lambda: Response("figures"), token="")
    server = Server(web, port=0, bounds=ServerSettings(host="127.0.0.1"))
    server.start()
    try:
        address = f"http://127.0.0.1:{server.port}/metrics"
        assert httpx.get(address, headers={"Authorization": "Bearer x"}, trust_env=False).status_code == 404
    finally:
        server.close()


def test_an_image_is_counted_at_every_step(bot: BotUnderTest) -> None:
    """Event, acknowledgement, request, paid call, image and the calls to Feishu each count one more."""
    names = (
        'bot_events_total{kind="im.message.receive_v1",outcome="accepted"}',
        "bot_acknowledgement_seconds_count",
        'bot_requests_total{kind="images",outcome="accepted"}',
        'bot_glm_call_seconds_count{code="ok",model="glm-image"}',
        'bot_generations_total{model="glm-image",outcome="done"}',
        'bot_generation_seconds_count{model="glm-image"}',
        'bot_feishu_call_seconds_count{call="reply",code="0"}',
        'bot_feishu_call_seconds_count{call="image",code="0"}',
        "bot_month_images",
    )
    before = [figure(bot, name) for name in names]
    user = bot.new_user()
    user.wait_for_end(user.send())
    wait_for(lambda: figure(bot, names[4]) == before[4] + 1)
    assert [figure(bot, name) for name in names] == [count + 1 for count in before]


def test_the_state_is_read_from_the_database(bot: BotUnderTest) -> None:
    """Slots, workers, the month and the size are reported, with their limits."""
    user = bot.new_user()
    user.wait_for_end(user.send())
    bot.wait_until_idle()
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


def test_counters_that_raise_alerts_start_at_zero(bot: BotUnderTest) -> None:
    """The first error of a kind is then an increase."""
    text = read(bot).text
    for code in ("done", "cancelled", "authentication_error", "TIMEOUT", "DOWNLOAD_FAILED", "upload_failed"):
        assert f'bot_generations_total{{model="cogview-4",outcome="{code}"}} 0.0' in text


def test_a_failure_is_counted_by_its_code(bot: BotUnderTest) -> None:
    """A refused call counts under the platform's code, its image under ours."""
    call = 'bot_glm_call_seconds_count{code="1113",model="glm-image"}'
    image = 'bot_generations_total{model="glm-image",outcome="insufficient_balance"}'
    before = figure(bot, call), figure(bot, image)
    user = bot.new_user()
    bot.glm.arm("glm_1113")
    user.wait_for_end(user.send())
    wait_for(lambda: figure(bot, image) == before[1] + 1)
    assert figure(bot, call) == before[0] + 1


def test_a_rejected_event_is_counted(bot: BotUnderTest) -> None:
    """An unsigned event counts under the status of its answer."""
    name = 'bot_events_total{kind="unknown",outcome="rejected_401"}'
    before = figure(bot, name)
    assert httpx.post(str(bot.feishu.webhook_url), content=b"{}", trust_env=False).status_code == 401
    assert figure(bot, name) == before + 1


def test_the_calls_to_feishu_are_exact_and_survive_a_restart(bot: BotUnderTest) -> None:
    """The month's count is that of the calls which Feishu got, but for those to get a token."""

    def agreed() -> bool:
        made = [call for call in bot.feishu.calls if call.name != "token"]
        return figure(bot, "bot_month_feishu_calls") == len(made)

    user = bot.new_user()
    user.wait_for_end(user.send())
    wait_for(agreed)
    bot.stop()
    bot.start()
    wait_for(agreed)


def snapshot(database: Database) -> StateSnapshot:
    """The state of the database."""
    calls = ApiUsageCounter(database=database, periods=PERIODS)
    reports = Reports(database=database, prices={"glm-image": 0.1, "cogview-4": 0.06}, periods=PERIODS, calls=calls)
    return reports.snapshot(slots={"glm-image": 1, "cogview-4": 5}, alive_within=15.0)


def test_the_queue_and_the_slots_are_counted_by_model(database: Database) -> None:
    """How many wait, for how long, and how many slots are taken, on both engines."""
    accept(database, "om_1", model="glm-image", count=2)
    accept(database, "om_2", model="cogview-4")
    now = database.now
    with database.write() as connection:
        connection.execute(update(generations).values(accepted_at=generations.c.accepted_at - 90))
        connection.execute(
            update(generations)
            .where(generations.c.model == "glm-image", generations.c.index_in_request == 0)
            .values(state=State.GENERATING, slot_until=now + 60, lease_until=now + 60)
        )
    models = snapshot(database).models
    assert [(one.waiting, one.slots_taken) for one in models.values()] == [(1, 1), (1, 0)]
    assert [90 <= one.oldest_seconds < 120 for one in models.values()] == [True, True]


def test_the_month_is_priced_by_model(database: Database) -> None:
    """Yuan are the images of each model times its price, of this month alone."""
    with database.write() as connection:
        add_usage(database, connection, month="2026-11", name="glm-image", count=3)
        add_usage(database, connection, month="2026-11", name="cogview-4", count=5)
        add_usage(database, connection, month="2026-10", name="cogview-4", count=70)
    state = snapshot(database)
    assert state.month_images == 8
    assert state.month_yuan == pytest.approx(0.6)


def test_without_a_database_only_that_is_reported() -> None:
    """The counters stay readable."""

    def away() -> StateSnapshot:
        raise DatabaseUnavailable("gone")

    text_ = Metrics(snapshot=away, budget=0).text().decode()
    assert "\nbot_database_up 0.0\n" in text_
    assert "bot_queue_length" not in text_


def test_calls_of_several_processes_add_up(database: Database) -> None:
    """What two processes count at the same time is stored without losing one, each month apart."""
    now = [NOON]
    both = [
        ApiUsageCounter(database=database, periods=BillingPeriods(zone=UTC, clock=lambda: now[0])) for _ in range(2)
    ]
    for month in range(2):
        now[0] = NOON + month * 31 * 86_400
        threads = [threading.Thread(target=_count_and_store, args=(calls,)) for calls in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [calls.of_month() for calls in both] == [100, 100]


def _count_and_store(calls: ApiUsageCounter) -> None:
    for _ in range(10):
        for _ in range(5):
            calls.count("reply")
        calls.store()


def test_a_call_for_a_token_is_not_counted(database: Database) -> None:
    """The plan does not count it, nor does the bot; a call without an answer counts."""
    calls = ApiUsageCounter(database=database, periods=PERIODS)
    calls.count("token")
    calls.count("patch")
    assert calls.of_month() == 1


@contextmanager
def without_the_table(database: Database) -> Iterator[None]:
    """A database that refuses to take the counts, for the length of the block."""
    with database.write() as connection:
        connection.execute(text("ALTER TABLE monthly_usage RENAME TO away"))
    yield
    with database.write() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO monthly_usage"))


def test_what_could_not_be_stored_is_kept_for_the_next_time(tmp_path: Path) -> None:
    """An outage loses no call: it is stored once the database is back."""
    database = Database(read_url(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(database)
    stopping = threading.Event()
    calls = ApiUsageCounter(database=database, periods=PERIODS)
    background = Background(stopping=stopping)
    with without_the_table(database):
        calls.count("reply")
        assert isinstance(background.attempt("api-usage", calls.store), DatabaseUnavailable)
    background.start("api-usage", calls.store, every=0.01)
    wait_for(lambda: ApiUsageCounter(database=database, periods=PERIODS).of_month() == 1)
    stopping.set()
    background.close()
    database.close()


def test_the_number_of_labels_is_bounded() -> None:
    """Event types that nothing reads, and codes beyond those of a usual day, are counted together as other."""

    def away() -> StateSnapshot:
        raise DatabaseUnavailable("away")

    counted = Metrics(snapshot=away, budget=0.0)
    for number in range(1_000):
        counted.event_answered(f"im.unknown_{number}", "accepted", 0.1)
        counted.feishu_called("reply", 0.1, 230_000 + number)
        counted.glm_called("glm-image", 1.0, f"{number}" * 50)
    figures = counted.text().decode()
    assert 'bot_events_total{kind="other",outcome="accepted"} 1000.0' in figures
    assert 'bot_feishu_call_seconds_count{call="reply",code="230000"} 1.0' in figures
    for name in ("bot_feishu_call_seconds_count", "bot_glm_call_seconds_count"):
        series = [line for line in figures.splitlines() if line.startswith(name)]
        assert len(series) < 100
        assert max(map(len, series)) < 150
        assert sum(float(line.split()[-1]) for line in series) == 1_000


def status(address: str) -> int:
    """The status with which an address answers; 0 where nobody does."""
    try:
        return httpx.get(address, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.postgres
def test_a_worker_serves_its_health_and_metrics(tmp_path: Path) -> None:
    """With worker_port set it is ready, is read by Prometheus, takes no events, and exits at SIGTERM."""
    origin = f"http://127.0.0.1:{(port := free_port())}"
    with FeishuStandIn() as feishu, postgres_database() as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "worker"],
            cwd=tmp_path,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                **variables_for(feishu, folder=tmp_path),
                "PYTHONPATH": str(TOP),
                "DATABASE_URL": url,
                "METRICS_TOKEN": TOKEN,
                "BOT_SERVER_WORKER_PORT": str(port),
                "BOT_LOG_LEVEL": "error",
            },
        )
        try:
            wait_for(lambda: status(f"{origin}/readyz") == 200, timeout=40)
            assert status(f"{origin}/metrics") == 200
            assert httpx.post(f"{origin}/webhook/event", content=b"{}", trust_env=False).status_code == 404
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
    assert code == 0
