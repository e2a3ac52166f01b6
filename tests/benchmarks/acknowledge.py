"""How soon a message is acknowledged, stored durably, while the bot is at work."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.harness import Figure, deliver, engines, percentile, running_bot
from tests.support.bot_process import NO_LIMITS
from tests.support.waiting import wait_until

RATE = 100  # messages a second
WARM_UP = 500  # messages in which a bot that has just started compiles its statements and opens its connections
BURST = 50
IN_FLIGHT = 5
CALL_SECONDS = 60.0  # longer than any load, so that the same calls are under way from its beginning to its end


def acknowledged(engine: str, due: list[float]) -> list[float]:
    """The milliseconds to each 200 while five calls are under way.

    Raises:
        ValueError: a message was not acknowledged, or the calls were not under way all the time.
    """
    with running_bot(engine, seconds=CALL_SECONDS, variables=NO_LIMITS) as bot:
        for person in bot.people(IN_FLIGHT):
            bot.say(person, "一只橘猫 /model cogview-4 /size 1024x1024")
        wait_until(lambda: bot.glm.working == IN_FLIGHT, seconds=20)
        deliver(bot.port, bot.prompts(WARM_UP), [number / RATE for number in range(WARM_UP)])
        before = bot.glm.working
        found = deliver(bot.port, bot.prompts(len(due)), due)
        good = [one for one in found if one is not None]
        if len(good) < len(due) or min(before, bot.glm.working) < IN_FLIGHT:
            raise ValueError(f"{len(due) - len(good)} messages lost, {before} and {bot.glm.working} calls under way")
        return good


def measure(*, quick: bool) -> Iterator[Figure]:
    for engine in engines():
        steady = acknowledged(engine, [number / RATE for number in range(RATE * (2 if quick else 10))])
        burst = acknowledged(engine, [number // BURST * 0.5 for number in range(BURST * (3 if quick else 10))])
        yield Figure(what=f"{engine}: {RATE} messages a second, p99", value=percentile(steady, 0.99), most=60.0)
        yield Figure(what=f"{engine}: {BURST} messages at once, p95", value=percentile(burst, 0.95), most=250.0)
