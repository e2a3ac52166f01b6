"""What Prometheus reads of a bot that works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from flask import Flask

from bot.settings import ServerSettings
from bot.web.health import metrics
from bot.web.server import Server
from tests.support.dsl import QUICK, BotUnderTest, wait_for

TOKEN = "not-a-real-metrics-token"
PERSISTENT = replace(QUICK, upkeep=0.05)


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


def test_where_no_token_is_set_there_is_no_route() -> None:
    """The route is not there at all, whatever is sent."""
    web = Flask("bare")
    web.register_blueprint(metrics(token="", text=lambda: b"figures", content_type="text/plain"))
    server = Server(web, port=0, bounds=ServerSettings(host="127.0.0.1"))
    server.start()
    try:
        address = f"http://127.0.0.1:{server.port}/metrics"
        assert httpx.get(address, headers={"Authorization": "Bearer x"}, trust_env=False).status_code == 404
    finally:
        server.close()


def test_the_answer_is_prometheus_text(bot: BotUnderTest) -> None:
    """The content type is the one that Prometheus asks for, and no line holds the token."""
    answer = read(bot)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE bot_events_total counter" in answer.text
    assert TOKEN not in answer.text


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


def test_how_things_stand_is_read_from_the_database(bot: BotUnderTest) -> None:
    """Slots, workers, the month and the size are told, with the bounds beside them."""
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


def test_what_raises_an_alarm_is_told_from_the_start(bot: BotUnderTest) -> None:
    """An error that has not come yet stands at 0, so that its first coming is an increase."""
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


def test_a_refused_request_at_the_door_is_counted(bot: BotUnderTest) -> None:
    """Who sends what is not signed counts by the status that it got."""
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
