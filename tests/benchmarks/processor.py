"""How much processor time a generation takes, however many there were: ``python -m tests.benchmarks.processor``."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert

from bot.db.database import Database, read_url
from bot.db.tables import generations, requests
from bot.models import Options, State
from tests.benchmarks.figures import Figure, arguments, report
from tests.benchmarks.running import RunningBot, kinds
from tests.benchmarks.watching import processor_seconds

EARLIER = (10, 1_000, 10_000)
"""How many generations the database holds already."""

AT_ONCE = 5
"""How many people ask at once: as many as CogView has slots."""

MODEL, SIZE = "cogview-4", "1024x1024"
LIMITLESS = {"BOT_LIMITS_IMAGES_PER_MONTH": "0", "BOT_LIMITS_YUAN_PER_MONTH": "0", "BOT_LIMITS_PER_DAY": "0"}


def fill(url: str, *, count: int, senders: Sequence[str], chats: Sequence[str]) -> None:
    """Writes ``count`` requests of the last ten days that have ended with a picture, of these people in these chats."""
    database = Database(read_url(url), connections=1)
    now = time.time()
    ids = [secrets.token_hex(12) for _ in range(count)]
    facts = [
        (row_id, senders[n % len(senders)], chats[n % len(chats)], now - 864_000 * (count - n) / count)
        for n, row_id in enumerate(ids)
    ]
    with database.write() as connection:
        connection.execute(insert(requests), [_request(*fact) for fact in facts])
        connection.execute(insert(generations), [_generation(*fact) for fact in facts])
    database.close()


def _request(row_id: str, sender: str, chat: str, at: float) -> dict[str, object]:
    content = json.dumps(asdict(Options(model=MODEL, size=SIZE)))
    return {
        "request_id": f"r{row_id}",
        "origin": f"om_{row_id}",
        "kind": "images",
        "chat_id": chat,
        "chat_type": "p2p",
        "reply_to": f"om_{row_id}",
        "in_topic": False,
        "sender": sender,
        "language": "zh",
        "prompt": "一只橘猫",
        "asked": "一只橘猫",
        "content": content,
        "accepted_at": at,
        "answer_id": f"om_a{row_id}",
        "way": "card",
        "face": "result",
        "hide_prompt": False,
        "patches": 2,
        "wanted": 3,
        "shown": 3,
        "lease_until": at,
        "due_at": 0.0,
        "attempts": 0,
        "takeups": 0,
        "ended_at": at + 40,
        "outcome": "result",
    }


def _generation(row_id: str, sender: str, _: str, at: float) -> dict[str, object]:
    return {
        "generation_id": f"g{row_id}",
        "request_id": f"r{row_id}",
        "place": 0,
        "sender": sender,
        "model": MODEL,
        "state": State.DONE,
        "accepted_at": at,
        "lease_until": at,
        "due_at": 0.0,
        "takeups": 0,
        "posts": 1,
        "charged": 1,
        "month": time.strftime("%Y-%m", time.gmtime(at)),
        "posted_at": at,
        "repeated": False,
        "delays": 0,
        "seconds": 35.0,
        "url": "https://example.invalid/x.png",
        "created": int(at),
        "image_key": "img_x",
        "shrunk": False,
        "ended_at": at + 40,
    }


def each(kind: str, *, earlier: int, prompts: int) -> float:
    """Milliseconds of processor time of the bot's process a generation, from the message to the result."""
    with RunningBot(kind, seconds=0.2, variables=LIMITLESS) as bot:
        people = bot.people(AT_ONCE)
        url = bot.variables.get("DATABASE_URL") or f"sqlite:///{bot.variables['BOT_DATA_DIR']}/bot.db"
        fill(url, count=earlier, senders=[one[0] for one in people], chats=[one[1] for one in people])
        # The first generations pay for imports and caches that a process needs once.
        _together(bot, people, done=0)
        before = processor_seconds(bot.pid)
        for done in range(AT_ONCE, prompts + AT_ONCE, AT_ONCE):
            _together(bot, people, done=done)
        return 1000 * (processor_seconds(bot.pid) - before) / prompts


def _together(bot: RunningBot, people: Sequence[tuple[str, str]], *, done: int) -> None:
    """Everybody asks at once, as many as there are slots, and gets a picture."""
    for person in people:
        bot.say(person, f"一只橘猫，第 {done} 张 /model {MODEL} /size {SIZE}")
    bot.wait("result", done + len(people), seconds=60)


def measure(*, quick: bool) -> list[Figure]:
    """With few, many and very many generations in the database."""
    figures = []
    for kind in kinds():
        found = {
            earlier: each(kind, earlier=earlier, prompts=20 if quick else 50)
            for earlier in EARLIER[:: 2 if quick else 1]
        }
        figures += [
            Figure(what=f"{kind}: a generation, {earlier:,} in the database", value=value, most=25.0)
            for earlier, value in found.items()
        ]
        few, many = EARLIER[0], EARLIER[-1]
        growth = found[many] / found[few]
        figures.append(Figure(what=f"{kind}: {many:,} against {few}", value=growth, unit="times", most=1.2))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("processor", measure(quick=given.quick), keep=given.keep)


if __name__ == "__main__":
    raise SystemExit(main())
