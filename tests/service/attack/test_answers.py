"""A platform whose answers hold what no database and no card can: each call is paid once, and its card ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from bot.db.tables import generations
from tests.support.dsl import BotUnderTest, around, wait_for

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


def test_what_cannot_be_stored_is_paid_once_and_shown(tmp_path: Path, database_url: str) -> None:
    """Whatever the answer to a call holds, no second call is made for it and its one card comes to an end."""
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(prompt := json.loads(request.read())["prompt"])
        status, body = HOSTILE[prompt]
        return httpx.Response(status, content=json.dumps(body))

    variables = {"DATABASE_URL": database_url}
    with BotUnderTest(folder=tmp_path, wrap_glm=lambda _: httpx.MockTransport(answer), variables=variables) as bot:
        users = [bot.new_user() for _ in HOSTILE]
        for user, named in zip(users, HOSTILE, strict=True):
            user.send(named)
        wait_for(lambda: bot.idle and all(user.answers for user in users), timeout=60)
        assert sorted(calls) == sorted(HOSTILE)
        assert [[card.color for card in user.answers] for user in users] == [["red"]] * len(HOSTILE)
        with bot.app.database.read() as connection:
            assert set(connection.scalars(select(generations.c.platform_created_at))) == {None, 1767225600}


def find_everywhere(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    """The stand-in's answer, whose content filter has found something everywhere, and says so many times."""
    answer = inner.handle_request(request)
    found = [{"role": role, "level": level} for level in (3, 2) for role in ("user", "assistant", "history", "?")]
    return httpx.Response(200, json={**json.loads(answer.read()), "content_filter": found * 5})


def test_findings_in_every_image_leave_the_card_whole(tmp_path: Path) -> None:
    """Four images, each with forty findings, are shown on one card that Feishu takes, with one warning a place."""
    variables = {"BOT_IMAGES_MODEL": "cogview-3-flash"}
    with BotUnderTest(folder=tmp_path, wrap_glm=around(find_everywhere), variables=variables) as bot:
        card = bot.new_user().ask("猫 /n 4")
    assert card.color == "orange"
    assert len([line for line in card.text().splitlines() if "级别 2" in line]) == 4 * 4
