"""While a platform is away, refuses the app, or asks to wait, everything waits; nothing is lost or paid twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from bot.db.database import Database, read_time, read_url
from bot.db.tables import key_value, requests, timers
from bot.db.timers import Outages, current_outages
from bot.errors import FeishuAction, FeishuError, SendDelayed
from bot.feishu.error_codes import describe, suggest_fix
from bot.sandbox.faults import ANY_CALL
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.timings import Timings
from tests.support.builders import change
from tests.support.dsl import QUICK, REDELIVERY, BotUnderTest, around, bot_with, header_color, is_final, wait_for
from tests.support.wire import Wire

SCOPE_MISSING = 99991672
"""https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code; all codes have a test of their own."""


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """A bot with one admin, for all outages."""
    # The limits that end a request are a moment here: an outage must not come under them.
    pace = replace(QUICK, upload_in_all=0.2)
    with bot_with(tmp_path_factory.mktemp("bot"), {"BOT_SLOTS_GLM_IMAGE": "3"}, pace=pace) as bot:
        yield bot


def refused(bot: BotUnderTest, name: str, *, since: int = 0) -> int:
    return sum(call.name == name and call.fault is not None for call in bot.feishu.calls[since:])


def test_a_refusal_of_the_app_is_waited_out(bot: BotUnderTest) -> None:
    """For longer than any limit that ends a request: one image is being made, and another prompt is sent meanwhile."""
    first, second = bot.new_user(), bot.new_user()
    bot.glm.seconds = 0.3
    said = first.send()
    wait_for(lambda: first.answers and bot.glm.working)
    bot.feishu.faults.arm(f"feishu_{SCOPE_MISSING}", on=ANY_CALL, times=None)
    later = second.send()
    wait_for(lambda: min(refused(bot, name, since=first.first_call) for name in ("image", "reply")) >= 7)
    status, reason = bot.readiness
    assert (status, str(SCOPE_MISSING) in reason, "grant one of im:resource" in reason) == (503, True, True)
    assert {header_color(answer) for answer in first.answers} == {"wathet"}
    assert second.answers == []
    bot.feishu.faults.disarm()
    for user, message in ((first, said), (second, later)):
        user.assert_one_image(message)
    bot.wait_until_idle()
    assert bot.readiness[0] == 200


@pytest.mark.parametrize("on", ["patch", "reply"])
def test_one_refused_kind_of_call_does_not_hold_the_others(bot: BotUnderTest, on: str) -> None:
    """A missing scope of one kind of call keeps what needs it waiting, and lets everything else pass."""
    user, other = bot.new_user(), bot.new_user()
    bot.glm.seconds = 0.3
    said = user.send()
    wait_for(lambda: user.answers)
    bot.feishu.faults.arm("scope", on=on, times=None)
    other.send("/help")
    if on == "reply":
        user.wait_for_end(said)
        assert other.answers == []
    else:
        wait_for(lambda: other.answers and refused(bot, on, since=user.first_call) >= 3)
        assert user.answers[0].color == "wathet"
    bot.feishu.faults.disarm()
    user.wait_for_end(said)
    wait_for(lambda: other.answers and bot.idle)
    assert len(user.posts(said)) == 1


def test_the_admins_are_told_when_they_can_be_reached(bot: BotUnderTest) -> None:
    """An outage of uploads is told at once and once a day; the message names the command that finds the cause."""
    bot.feishu.faults.arm("image_unauth", on="image", times=None)
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: bot.admin().answers)
    bot.feishu.faults.disarm()
    user.wait_for_end(said)
    (card,) = bot.admin().answers
    card.assert_shows("notice.admin_feishu.text")


def pass_by(database: Database, seconds: float) -> None:
    change(database, update(timers).values(next_at=timers.c.next_at - seconds))


def outages_in(database: Database) -> Outages:
    return Outages(
        database=database,
        explain=lambda error: (describe(error), suggest_fix(error, domain="https://open.feishu.cn")),
        pace=Timings(),
    )


def refuse(outages: Outages, call: str = "reply") -> None:
    error = FeishuError("app is disabled", call="reply", code=99991662, action=FeishuAction.APP_REFUSED)
    with pytest.raises(FeishuError), outages.guard(call):
        raise error


def wait_left(database: Database) -> float:
    """The seconds to the next probe; 0 when there is no outage."""
    with database.read() as connection:
        next_at = connection.scalar(select(timers.c.next_at).where(timers.c.name == "outage:send"))
        return next_at - read_time(connection) if next_at else 0.0


def test_the_probes_come_at_growing_intervals(database: Database) -> None:
    outages = outages_in(database)
    refuse(outages)
    waits = []
    for _ in range(9):
        waits.append(wait_left(database))
        pass_by(database, 100.0)
        refuse(outages)
    assert all(0.7 * 2**times < wait <= 1.2 * 2**times for times, wait in enumerate(waits[:6]))
    assert all(47.0 < wait <= 72.0 for wait in waits[6:])


def test_one_of_several_processes_probes(database: Database) -> None:
    """Of eight that want to send when the probe is due, one does; the others wait for what it finds."""
    refuse(outages_in(database))
    pass_by(database, 100.0)
    start, done = threading.Barrier(8), threading.Barrier(8)

    def probe(_: int) -> bool:
        outages = outages_in(database)
        start.wait()
        try:
            with outages.guard("reply"):
                done.wait()
        except SendDelayed:
            done.wait()
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(probe, range(8))).count(True) == 1
    assert wait_left(database) == 0.0


def test_an_end_that_cannot_be_stored_fails_no_call(database: Database, database_url: str) -> None:
    """A call that has been made would be made again; the next probe ends the outage, be it refused otherwise."""
    outages = outages_in(database)
    refuse(outages)
    pass_by(database, 100.0)
    with closing(Database(read_url(database_url))) as other, ExitStack() as busy, outages.guard("reply"):
        connection = busy.enter_context(other.write())
        connection.execute(update(key_value).values(value=key_value.c.value))
    assert len(current_outages(database)) == 1
    pass_by(database, 100.0)
    with pytest.raises(FeishuError), outages.guard("reply"):
        raise FeishuError("not in the group", call="reply", code=230002, action=FeishuAction.GIVE_UP)
    assert current_outages(database) == []


def test_an_outage_that_nobody_waits_for_is_not_reported(database: Database) -> None:
    """When nothing is left that would probe, the process counts as ready again after a few minutes."""
    outages = outages_in(database)
    refuse(outages, "image")
    assert [(one.call, one.code) for one in current_outages(database)] == [("image", 99991662)]
    assert "管理后台" in current_outages(database)[0].fix
    pass_by(database, 300.0)
    assert current_outages(database) == []


TRIES = 8  # more often than a real bot tries to send one answer while Feishu is away for two minutes

RATE_CODES = {230020, 99991400}  # what the platform answers to more than it allows


def test_messages_that_came_meanwhile_are_answered_in_their_order(tmp_path: Path) -> None:
    """Twelve messages in three chats while Feishu is away for long: none is paid before, each is answered in order.

    They all keep to the platform's own limits.
    """
    feishu = FeishuStandIn(delivery=REDELIVERY)
    with Wire(int(feishu.origin.rpartition(":")[2])) as wire:
        variables = {"BOT_LIMITS_PENDING": "50", "FEISHU_DOMAIN": f"http://127.0.0.1:{wire.port}"}
        with BotUnderTest(folder=tmp_path, feishu=feishu, variables=variables) as bot:
            users = [bot.new_user() for _ in range(3)]
            wire.cut()
            said = [[user.deliver() for _ in range(4)] for user in users]
            wait_for(lambda: min(tries_of(bot, messages[0]) for messages in said) >= TRIES)
            assert bot.glm.calls == []
            wire.mend()
            wait_for(lambda: all(is_final(feishu, message) for messages in said for message in messages))
            for user, messages in zip(users, said, strict=True):
                assert [answer.parent_id for answer in user.answers] == [one.message_id for one in messages]
                assert {answer.color for answer in user.answers} == {"green"}
            assert len(bot.glm.paid) == 12
            assert {call.code for call in feishu.calls} & RATE_CODES == set()


def tries_of(bot: BotUnderTest, message: ChatMessage) -> int:
    """How often the answer to a message could not be sent."""
    with bot.app.database.read() as connection:
        origin = requests.c.dedup_key == message.message_id
        return connection.scalar(select(requests.c.attempts).where(origin)) or 0


REFUSALS = {
    "/images/generations": ("Retry-After", {"error": {"code": "1302", "message": "您的账户已达到速率限制"}}),
    "/reply": ("x-ogw-ratelimit-reset", {"code": 99991400, "msg": "request trigger frequency limit"}),
    "/images": ("x-ogw-ratelimit-reset", {"code": 99991400, "msg": "request trigger frequency limit"}),
}
"""How a platform refuses a call for its rate: the header with the seconds to wait, and the answer."""


def refusing_bot(folder: Path, path: str, wait: str, *, pace: Timings) -> BotUnderTest:
    """A bot whose first call to a path is refused for a rate limit, with a wait."""
    first = threading.Lock()
    header, answer = REFUSALS[path]

    def refuse(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(path) and first.acquire(blocking=False):
            return httpx.Response(429, json=answer, headers={header: wait})
        return inner.handle_request(request)

    return BotUnderTest(folder=folder, pace=pace, wrap_glm=around(refuse), wrap_feishu=around(refuse))


@pytest.mark.parametrize(("path", "wait"), [("/images/generations", "3600"), ("/reply", "1e9"), ("/images", "86400")])
def test_a_platform_cannot_hold_everybody(tmp_path: Path, path: str, wait: str) -> None:
    """However long it asks to wait, the call is made again within the bound, and nobody else waits."""
    with refusing_bot(tmp_path, path, wait, pace=replace(QUICK, backoff_in_all=0.5, reset_longest=0.3)) as bot:
        first, other = bot.new_user().send(), bot.new_user()
        assert other.ask().color == "green"
        assert [header_color(card) for card in bot.feishu.replies(first.message_id)] == ["green"]


@pytest.mark.parametrize("path", REFUSALS)
def test_a_platforms_own_wait_goes_before_ours(tmp_path: Path, path: str) -> None:
    """A wait within the bound is kept to the end, where the bot itself would have called again sooner."""
    with refusing_bot(tmp_path, path, "1", pace=QUICK) as bot:
        user = bot.new_user()
        said = user.send()
        assert user.ask(said).color == "green"
        calls = {"/reply": "reply", "/images": "image"}
        made = bot.feishu.calls_named(calls[path]) if path in calls else user.posts(said)
        assert [call.at - said.created >= 1.0 for call in made] == [True]
