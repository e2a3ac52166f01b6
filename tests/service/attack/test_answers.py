"""A platform whose answers hold what no database and no card can: each call is paid once, and its card ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from bot.db.database import Database, read_url
from bot.db.tables import generations
from tests.support.dsl import BotUnderTest, header_color, wait_for

URL = "https://pictures.example/a.png"
GOOD = {"created": 1767225600, "data": [{"url": URL}]}

HOSTILE: dict[str, tuple[int, Mapping[str, Any]]] = {
    "a time in milliseconds": (200, {**GOOD, "created": 1767225600000}),
    "a time of thirty digits": (200, {**GOOD, "created": 10**30}),
    "a time before all time": (200, {**GOOD, "created": -(2**31) - 1}),
    "half a surrogate pair in the link": (200, {"data": [{"url": f"{URL}?\ud800"}]}),
    "NUL in the link": (200, {"data": [{"url": f"{URL}\0"}]}),
    "a link of 200,000 characters": (200, {"data": [{"url": URL + "a" * 200_000}]}),
    "half a surrogate pair in the error": (400, {"error": {"code": "1210\ud800", "message": "参数\udfff有误"}}),
    "NUL in the error": (400, {"error": {"code": "12\x0010", "message": "参数\0有误"}}),
    "NUL in an error that comes with 200": (200, {"error": {"code": "1210", "message": "\0"}}),
    "an error of a megabyte": (500, {"error": {"code": "9" * 500_000, "message": "误" * 150_000}}),
    "roles that are none": (200, {**GOOD, "content_filter": [{"role": "a\0\ud800", "level": 2}]}),
    "two thousand findings": (200, {**GOOD, "content_filter": [{"role": str(n), "level": 3} for n in range(2000)]}),
    "two thousand refusals": (200, {"content_filter": [{"role": str(n), "level": 0} for n in range(2000)]}),
}


class Hostile(httpx.BaseTransport):
    """A platform that answers a prompt with what it names; counts the calls for each."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer that the prompt names."""
        prompt = json.loads(request.read())["prompt"]
        self.calls.append(prompt)
        status, body = HOSTILE[prompt]
        return httpx.Response(status, content=json.dumps(body))


def test_what_cannot_be_stored_is_paid_once_and_shown(tmp_path: Path, database_url: str) -> None:
    """Whatever the answer to a call holds, no second call is made for it and its one card comes to an end."""
    platform = Hostile()
    with BotUnderTest(folder=tmp_path, wrap_glm=lambda _: platform, variables={"DATABASE_URL": database_url}) as bot:
        users = [bot.new_user() for _ in HOSTILE]
        for user, named in zip(users, HOSTILE, strict=True):
            user.send(named)
        wait_for(lambda: bot.idle and all(user.answers for user in users), timeout=60)
        answers = [user.answers for user in users]
    assert sorted(platform.calls) == sorted(HOSTILE)
    assert [[header_color(card) for card in cards] for cards in answers] == [["red"]] * len(HOSTILE)
    assert set(times(database_url)) == {None, 1767225600}


def times(url: str) -> Iterator[int | None]:
    """The platform's times as they were stored."""
    database = Database(read_url(url), connections=1)
    with database.read() as connection:
        yield from connection.scalars(select(generations.c.platform_created_at))
    database.close()


class CheckResult(httpx.BaseTransport):
    """The stand-in, whose content filter finds something everywhere and says so many times."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The stand-in's answer with findings."""
        answer = self._inner.handle_request(request)
        found = [{"role": role, "level": level} for level in (3, 2) for role in ("user", "assistant", "history", "?")]
        return httpx.Response(200, json={**json.loads(answer.read()), "content_filter": found * 5})


def test_findings_in_every_picture_leave_the_card_whole(tmp_path: Path) -> None:
    """Four pictures, each with forty findings, are shown on one card that Feishu takes, with one warning a place."""
    with BotUnderTest(folder=tmp_path, wrap_glm=CheckResult, variables={"BOT_IMAGES_MODEL": "cogview-3-flash"}) as bot:
        user = bot.new_user()
        user.wait_for_end(user.send("猫 /n 4"))
        bot.wait_until_idle()
        (card,) = user.answers
    assert header_color(card) == "orange"
    assert len([line for line in card.text().splitlines() if "级别 2" in line]) == 4 * 4
