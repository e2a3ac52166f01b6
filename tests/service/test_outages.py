"""While Feishu refuses the app itself, everything waits; afterwards everything arrives, and nothing is paid twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from bot.db.database import Database
from bot.db.outages import Call, Outages
from bot.db.tables import generations, timers
from bot.errors import FeishuAction, FeishuError, SendDelayed
from bot.sandbox.feishu.faults import ANY_CALL
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.timings import Timings
from tests.support.world import QUICK, REDELIVERY, World, catalogue, colour, strings_in

REFUSALS = {
    # A code, and a word of the fix that /readyz has to name with it.
    230006: "机器人",
    230027: "im:message:send_as_bot",
    234007: "机器人",
    234041: "encrypts",
    234042: "storage",
    11205: "机器人",
    11210: "installed",
    11240: "机器人",
    99991401: "白名单",
    99991403: "month's calls",
    99991543: "FEISHU_APP_SECRET",
    99991662: "应用管理",
    99991663: "restart",
    99991672: "grant one of im:resource",
    99991673: "approve",
    99991676: "grant the scopes",
}
"""https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code and the pages of the calls."""

TOKEN_REFUSALS = {10003: "FEISHU_APP_ID", 10005: "FEISHU_APP_SECRET", 10014: "FEISHU_APP_SECRET", 10015: "APP_SECRET"}

ADMIN = "管理"


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A bot with one admin, for all outages."""
    feishu = FeishuStandIn(delivery=REDELIVERY)
    admin = feishu.world.add_person(ADMIN).open_id
    variables = {"BOT_TEAM_ADMINS": admin, "BOT_SLOTS_GLM_IMAGE": "3"}
    # The limits that end a request are a moment here: an outage must not come under them.
    pace = replace(QUICK, upload_in_all=0.2)
    with World(folder=tmp_path_factory.mktemp("bot"), feishu=feishu, variables=variables, pace=pace) as world:
        yield world


@pytest.fixture
def world(bot: World) -> Iterator[World]:
    """The bot, with nothing armed, and no admin alerted yet."""
    bot.glm.seconds = 0.02
    yield bot
    bot.feishu.faults.disarm()


def readiness(world: World) -> httpx.Response:
    """What /readyz answers."""
    return httpx.get(str(world.feishu.webhook_url).replace("/webhook/event", "/readyz"), trust_env=False)


def refused(world: World, *names: str, code: int | None = None, since: int = 0) -> int:
    """How many calls of these names were refused."""
    calls = world.feishu.calls[since:]
    return sum(call.name in names and call.fault is not None and code in (None, call.code) for call in calls)


def meet(world: World, refuse: Callable[[], None], accept: Callable[[], None], *, met: Callable[[int], bool]) -> str:
    """One image is being made and another prompt is sent when the refusals begin; gives what /readyz said.

    ``met`` tells of the calls since a number whether enough were refused for every limit that ends a request.
    """
    first, second = world.somebody(), world.somebody()
    world.glm.seconds = 0.3
    said = first.say()
    first.wait(lambda: first.answers and world.glm.working)
    since = len(world.feishu.calls)
    refuse()
    later = second.say()
    first.wait(lambda: met(since))
    found = readiness(world)
    assert found.status_code == 503
    assert {colour(answer) for answer in first.answers} == {"wathet"}
    assert second.answers == []
    accept()
    for talk, message in ((first, said), (second, later)):
        talk.wait_for_end(message)
        assert [colour(answer) for answer in talk.answers] == ["green"]
        assert len(talk.posts(message)) == 1
    first.wait(lambda: world.idle)
    assert readiness(world).status_code == 200
    return found.text


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_of_the_app_is_waited_out(world: World, code: int) -> None:
    """However long every call is refused, the paid image and the message sent meanwhile are answered afterwards."""
    faults = world.feishu.faults
    text = meet(
        world,
        lambda: faults.arm(f"feishu_{code}", on=ANY_CALL, times=None),
        faults.disarm,
        met=lambda since: min(refused(world, name, since=since) for name in ("image", "reply")) >= 4,
    )
    assert str(code) in text
    assert REFUSALS[code] in text


@pytest.mark.parametrize("code", TOKEN_REFUSALS)
def test_a_refused_token_is_waited_out(world: World, code: int) -> None:
    """Without a token no call can be made, so everything waits for one."""

    def refuse() -> None:
        world.feishu.expire_tokens()
        world.feishu.faults.arm(f"feishu_{code}", on="token", times=None)
        world.feishu.faults.arm("token_bad", on=ANY_CALL, times=None)

    def met(since: int) -> bool:
        return refused(world, "token", since=since) >= 8

    text = meet(world, refuse, world.feishu.faults.disarm, met=met)
    assert str(code) in text
    assert TOKEN_REFUSALS[code] in text


@pytest.mark.parametrize("on", ["image", "patch", "reply"])
def test_one_refused_kind_of_call_does_not_hold_the_others(world: World, on: str) -> None:
    """A missing scope of one kind of call keeps what needs it waiting, and lets everything else pass."""
    talk, other = world.somebody(), world.somebody()
    if on != "reply":
        world.feishu.faults.arm("scope", on=on, times=None)
        said = talk.say()
        talk.wait(lambda: refused(world, on, since=talk.first_call) >= 3)
        other.say("/help")
        other.wait(lambda: other.answers)
        assert len(talk.answers) == 1
    else:
        world.glm.seconds = 0.3
        said = talk.say()
        talk.wait(lambda: talk.answers)
        world.feishu.faults.arm("scope", on=on, times=None)
        other.say("/help")
        talk.wait_for_end(said)
        assert other.answers == []
    world.feishu.faults.disarm()
    talk.wait_for_end(said)
    other.wait(lambda: other.answers and world.idle)
    assert len(talk.posts(said)) == 1


def test_the_admins_are_told_when_they_can_be_reached(world: World) -> None:
    """An outage of uploads is told at once and once a day; the message names the command that finds the cause."""
    world.feishu.faults.arm("image_unauth", on="image", times=None)
    talk = world.somebody()
    said = talk.say()
    talk.wait(lambda: admin_cards(world))
    world.feishu.faults.disarm()
    talk.wait_for_end(said)
    (card,) = admin_cards(world)
    assert catalogue().text("notice.admin_feishu.text", "zh") in strings_in(json.loads(card.content))


def admin_cards(world: World) -> list[ChatMessage]:
    """The messages to the admin."""
    (admin,) = [person for person in world.feishu.people if person.name == ADMIN]
    chat = world.feishu.world.direct_chat(admin.open_id).chat_id
    return [message for message in world.feishu.messages if message.chat_id == chat]


def test_an_original_waits_too(world: World) -> None:
    """A file whose upload is refused for the app is sent when uploads pass again, without a second press."""
    talk = world.somebody()
    talk.wait_for_end(talk.say())
    (card,) = talk.answers
    (button,) = [one for one in world.feishu.actions(card.message_id) if (one.value or {}).get("a") == "original"]
    world.feishu.faults.arm("image_unauth", on="file", times=None)
    world.feishu.press(card.message_id, talk.person, value=button.value)
    talk.wait(lambda: refused(world, "file", since=talk.first_call) >= 3)
    assert len(talk.answers) == 1
    world.feishu.faults.disarm()
    talk.wait(lambda: [answer.msg_type for answer in talk.answers] == ["interactive", "file"])


def test_an_outage_outlives_the_process(tmp_path: Path) -> None:
    """A bot that is restarted during an outage knows of it, and delivers what was paid for before."""
    with World(folder=tmp_path) as world:
        talk = world.somebody()
        world.feishu.faults.arm("feishu_230006", on="image", times=None)
        said = talk.say()
        talk.wait(lambda: refused(world, "image") >= 2)
        world.stop()
        world.start()
        talk.wait(lambda: "230006" in readiness(world).text)
        world.feishu.faults.disarm()
        talk.wait_for_end(said)
        assert [colour(answer) for answer in talk.answers] == ["green"]
        assert len(talk.posts(said)) == 1


def test_no_attempt_that_ends_a_request_is_used_up(world: World) -> None:
    """After many refusals of the app the counts that end a request or a generation are where they were."""
    talk = world.somebody()
    world.feishu.faults.arm("feishu_230006", on="image", times=None)
    said = talk.say()
    talk.wait(lambda: refused(world, "image", since=talk.first_call) >= 10)
    with world.bot.database.read() as connection:
        open_one = generations.c.ended_at.is_(None)
        row = connection.execute(
            select(generations.c.stalled_attempts, generations.c.backoff_since).where(open_one)
        ).one()
    assert row.stalled_attempts <= 1
    assert row.backoff_since is None
    world.feishu.faults.disarm()
    talk.wait_for_end(said)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_proxy_that_refuses_every_call_is_an_outage(tmp_path: Path, status: int) -> None:
    """A web page of a proxy in place of Feishu's answer is waited out like a refusal of Feishu's own."""
    proxy = Proxy(status)
    pace = replace(QUICK, upload_in_all=0.2)
    with World(folder=tmp_path, pace=pace, sending=proxy.around) as world:
        text = meet(world, proxy.close, proxy.open, met=lambda _: proxy.answered >= 8)
        assert f"status {status} without a code" in text


class Proxy:
    """A transport that can answer every call with a page of its own."""

    def __init__(self, status: int) -> None:
        self.status = status
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
                return httpx.Response(proxy.status, html="<h1>Blocked</h1>")

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
    return Outages(database, domain="https://open.feishu.cn", pace=Timings())


def refuse(outages: Outages, call: Call = "send") -> None:
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
            with outages.guard("send"):
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
    with pytest.raises(FeishuError), outages.guard("send"):
        raise FeishuError("not in the group", call="reply", code=230002, action=FeishuAction.GIVE_UP)
    assert outages.current() == []


def test_an_outage_that_nobody_waits_for_is_not_reported(database: Database) -> None:
    """When nothing is left that would probe, the process counts as ready again after a few minutes."""
    outages = outages_in(database)
    refuse(outages, "image")
    assert [(one.call, one.code) for one in outages.current()] == [("image", 99991662)]
    assert "管理后台" in outages.current()[0].fix
    pass_by(database, 300.0)
    assert outages.current() == []
