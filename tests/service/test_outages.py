"""While Feishu refuses the app itself, everything waits; afterwards everything arrives, and nothing is paid twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from bot.db.database import Database, read_url
from bot.db.tables import generations, key_value, timers
from bot.db.timers import Outages, current_outages
from bot.errors import FeishuAction, FeishuError, SendDelayed
from bot.feishu.error_codes import describe, suggest_fix
from bot.sandbox.faults import ANY_CALL
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.timings import Timings
from tests.support.dsl import (
    CATALOGUE,
    QUICK,
    REDELIVERY,
    BotUnderTest,
    all_strings,
    card_actions,
    header_color,
    wait_for,
)

SCOPE_MISSING = 99991672
SECRET_INVALID = 10014
"""https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code; all codes have a test of their own."""

ADMIN = "管理"


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """A bot with one admin, for all outages."""
    feishu = FeishuStandIn(delivery=REDELIVERY)
    admin = feishu.state.add_person(ADMIN).open_id
    variables = {"BOT_TEAM_ADMINS": admin, "BOT_SLOTS_GLM_IMAGE": "3"}
    # The limits that end a request are a moment here: an outage must not come under them.
    pace = replace(QUICK, upload_in_all=0.2)
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), feishu=feishu, variables=variables, pace=pace) as bot:
        yield bot


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The bot, with nothing armed, and no admin alerted yet."""
    shared_bot.glm.seconds = 0.02
    yield shared_bot
    shared_bot.feishu.faults.disarm()


def readiness(bot: BotUnderTest) -> httpx.Response:
    """What /readyz answers."""
    return httpx.get(str(bot.feishu.webhook_url).replace("/webhook/event", "/readyz"), trust_env=False)


def refused(bot: BotUnderTest, *names: str, code: int | None = None, since: int = 0) -> int:
    """How many calls of these names were refused."""
    calls = bot.feishu.calls[since:]
    return sum(call.name in names and call.fault is not None and code in (None, call.code) for call in calls)


def meet(
    bot: BotUnderTest, refuse: Callable[[], None], accept: Callable[[], None], *, met: Callable[[int], bool]
) -> str:
    """One image is being made and another prompt is sent when the refusals begin; gives what /readyz said.

    ``met`` tells of the calls since a number whether enough were refused for every limit that ends a request.
    """
    first, second = bot.new_user(), bot.new_user()
    bot.glm.seconds = 0.3
    said = first.send()
    wait_for(lambda: first.answers and bot.glm.working)
    since = len(bot.feishu.calls)
    refuse()
    later = second.send()
    wait_for(lambda: met(since))
    found = readiness(bot)
    assert found.status_code == 503
    assert {header_color(answer) for answer in first.answers} == {"wathet"}
    assert second.answers == []
    accept()
    for user, message in ((first, said), (second, later)):
        user.wait_for_end(message)
        assert [header_color(answer) for answer in user.answers] == ["green"]
        assert len(user.posts(message)) == 1
    bot.wait_until_idle()
    assert readiness(bot).status_code == 200
    return found.text


def test_a_refusal_of_the_app_is_waited_out(bot: BotUnderTest) -> None:
    """However long every call is refused, the paid image and the message sent meanwhile are answered afterwards."""
    faults = bot.feishu.faults
    text = meet(
        bot,
        lambda: faults.arm(f"feishu_{SCOPE_MISSING}", on=ANY_CALL, times=None),
        faults.disarm,
        met=lambda since: min(refused(bot, name, since=since) for name in ("image", "reply")) >= 4,
    )
    assert str(SCOPE_MISSING) in text
    assert "grant one of im:resource" in text


def test_a_refused_token_is_waited_out(bot: BotUnderTest) -> None:
    """Without a token no call can be made, so everything waits for one."""

    def refuse() -> None:
        bot.feishu.expire_tokens()
        bot.feishu.faults.arm(f"feishu_{SECRET_INVALID}", on="token", times=None)
        bot.feishu.faults.arm("token_bad", on=ANY_CALL, times=None)

    def met(since: int) -> bool:
        return refused(bot, "token", since=since) >= 8

    text = meet(bot, refuse, bot.feishu.faults.disarm, met=met)
    assert str(SECRET_INVALID) in text
    assert "FEISHU_APP_SECRET" in text


@pytest.mark.parametrize("on", ["image", "patch", "reply"])
def test_one_refused_kind_of_call_does_not_hold_the_others(bot: BotUnderTest, on: str) -> None:
    """A missing scope of one kind of call keeps what needs it waiting, and lets everything else pass."""
    user, other = bot.new_user(), bot.new_user()
    if on != "reply":
        bot.feishu.faults.arm("scope", on=on, times=None)
        said = user.send()
        wait_for(lambda: refused(bot, on, since=user.first_call) >= 3)
        other.send("/help")
        wait_for(lambda: other.answers)
        assert len(user.answers) == 1
    else:
        bot.glm.seconds = 0.3
        said = user.send()
        wait_for(lambda: user.answers)
        bot.feishu.faults.arm("scope", on=on, times=None)
        other.send("/help")
        user.wait_for_end(said)
        assert other.answers == []
    bot.feishu.faults.disarm()
    user.wait_for_end(said)
    wait_for(lambda: other.answers and bot.idle)
    assert len(user.posts(said)) == 1


def test_the_admins_are_told_when_they_can_be_reached(bot: BotUnderTest) -> None:
    """An outage of uploads is told at once and once a day; the message names the command that finds the cause."""
    bot.feishu.faults.arm("image_unauth", on="image", times=None)
    user = bot.new_user()
    said = user.send()
    wait_for(lambda: admin_cards(bot))
    bot.feishu.faults.disarm()
    user.wait_for_end(said)
    (card,) = admin_cards(bot)
    assert CATALOGUE.text("notice.admin_feishu.text", "zh") in all_strings(json.loads(card.content))


def admin_cards(bot: BotUnderTest) -> list[ChatMessage]:
    """The messages to the admin."""
    (admin,) = [person for person in bot.feishu.people if person.name == ADMIN]
    chat = bot.feishu.state.direct_chat(admin.open_id).chat_id
    return [message for message in bot.feishu.messages if message.chat_id == chat]


def test_an_original_waits_too(bot: BotUnderTest) -> None:
    """A file whose upload is refused for the app is sent when uploads pass again, without a second press."""
    user = bot.new_user()
    user.wait_for_end(user.send())
    (card,) = user.answers
    (button,) = [one for one in card_actions(bot.feishu, card.message_id) if (one.value or {}).get("a") == "original"]
    bot.feishu.faults.arm("image_unauth", on="file", times=None)
    bot.feishu.press(card.message_id, user.person, value=button.value)
    wait_for(lambda: refused(bot, "file", since=user.first_call) >= 3)
    assert len(user.answers) == 1
    bot.feishu.faults.disarm()
    wait_for(lambda: [answer.msg_type for answer in user.answers] == ["interactive", "file"])


def test_an_outage_outlives_the_process(tmp_path: Path) -> None:
    """A bot that is restarted during an outage knows of it, and delivers what was paid for before."""
    with BotUnderTest(folder=tmp_path) as bot:
        user = bot.new_user()
        bot.feishu.faults.arm("feishu_230006", on="image", times=None)
        said = user.send()
        wait_for(lambda: refused(bot, "image") >= 2)
        bot.stop()
        bot.start()
        wait_for(lambda: "230006" in readiness(bot).text)
        bot.feishu.faults.disarm()
        user.wait_for_end(said)
        assert [header_color(answer) for answer in user.answers] == ["green"]
        assert len(user.posts(said)) == 1


def test_no_attempt_that_ends_a_request_is_used_up(bot: BotUnderTest) -> None:
    """After many refusals of the app the counts that end a request or a generation are where they were."""
    user = bot.new_user()
    bot.feishu.faults.arm("feishu_230006", on="image", times=None)
    said = user.send()
    wait_for(lambda: refused(bot, "image", since=user.first_call) >= 10)
    with bot.app.database.read() as connection:
        open_one = generations.c.ended_at.is_(None)
        row = connection.execute(
            select(generations.c.stalled_attempts, generations.c.backoff_since).where(open_one)
        ).one()
    assert row.stalled_attempts <= 1
    assert row.backoff_since is None
    bot.feishu.faults.disarm()
    user.wait_for_end(said)


def test_a_proxy_that_refuses_every_call_is_an_outage(tmp_path: Path) -> None:
    """A web page of a proxy in place of Feishu's answer is waited out like a refusal of Feishu's own."""
    proxy = Proxy()
    pace = replace(QUICK, upload_in_all=0.2)
    with BotUnderTest(folder=tmp_path, pace=pace, wrap_feishu=proxy.around) as bot:
        text = meet(bot, proxy.close, proxy.open, met=lambda _: proxy.answered >= 8)
        assert "status 403 without a code" in text


class Proxy:
    """A transport that can answer every call with a page of its own."""

    def __init__(self) -> None:
        self.closed = False
        self.answered = 0

    def around(self, inner: httpx.BaseTransport | None) -> httpx.BaseTransport:
        """The transport of the bot."""
        network, proxy = inner or httpx.HTTPTransport(trust_env=False), self

        class Around(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                if not proxy.closed:
                    return network.handle_request(request)
                proxy.answered += 1
                return httpx.Response(403, html="<h1>Blocked</h1>")

            def close(self) -> None:
                network.close()

        return Around()

    def close(self) -> None:
        """Refuses everything from now on."""
        self.closed = True

    def open(self) -> None:
        """Lets everything pass."""
        self.closed = False


def pass_by(database: Database, seconds: float) -> None:
    """Brings the next probe nearer by so many seconds."""
    with database.write() as connection:
        connection.execute(update(timers).values(next_at=timers.c.next_at - seconds))


def outages_in(database: Database) -> Outages:
    """The outages as a process at the pace of production sees them."""
    return Outages(
        database=database,
        explain=lambda error: (describe(error), suggest_fix(error, domain="https://open.feishu.cn")),
        pace=Timings(),
    )


def refuse(outages: Outages, call: str = "reply") -> None:
    """Makes a call that Feishu refuses for the app."""
    error = FeishuError("app is disabled", call="reply", code=99991662, action=FeishuAction.APP_REFUSED)
    with pytest.raises(FeishuError), outages.guard(call):
        raise error


def wait_left(database: Database) -> float:
    """The seconds to the next probe; 0 when there is no outage."""
    with database.read() as connection:
        next_at = connection.scalar(select(timers.c.next_at).where(timers.c.name == "outage:send"))
        return next_at - database.time(connection) if next_at else 0.0


def test_the_probes_come_at_growing_intervals(database: Database) -> None:
    """The waits double from a second to a minute, with a fifth of chance, however long the outage lasts."""
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


def test_another_refusal_ends_the_outage(database: Database) -> None:
    """A probe that is refused for its chat alone shows that Feishu takes the app's calls again."""
    outages = outages_in(database)
    refuse(outages)
    pass_by(database, 100.0)
    with pytest.raises(FeishuError), outages.guard("reply"):
        raise FeishuError("not in the group", call="reply", code=230002, action=FeishuAction.GIVE_UP)
    assert current_outages(database) == []


def test_an_end_that_cannot_be_stored_fails_no_call(database: Database, database_url: str) -> None:
    """A call that has been made would be made again; the next probe ends the outage."""
    outages = outages_in(database)
    refuse(outages)
    pass_by(database, 100.0)
    with closing(Database(read_url(database_url))) as other, ExitStack() as busy, outages.guard("reply"):
        connection = busy.enter_context(other.write())
        connection.execute(update(key_value).values(value=key_value.c.value))
    assert len(current_outages(database)) == 1
    pass_by(database, 100.0)
    with outages.guard("reply"):
        pass
    assert current_outages(database) == []


def test_an_outage_that_nobody_waits_for_is_not_reported(database: Database) -> None:
    """When nothing is left that would probe, the process counts as ready again after a few minutes."""
    outages = outages_in(database)
    refuse(outages, "image")
    assert [(one.call, one.code) for one in current_outages(database)] == [("image", 99991662)]
    assert "管理后台" in current_outages(database)[0].fix
    pass_by(database, 300.0)
    assert current_outages(database) == []
