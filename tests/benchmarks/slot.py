"""How long the one slot stands idle between two paid calls while others wait."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.benchmarks.harness import Figure, engines, percentile, running_bot

PEOPLE = 12
IMAGE_SECONDS = 1.0


def gaps(engine: str, *, prompts: int) -> list[float]:
    """The milliseconds between the end of each call and the beginning of the next, as the stand-in saw them."""
    with running_bot(engine, seconds=IMAGE_SECONDS) as bot:
        people = bot.people(PEOPLE)
        for number in range(prompts):
            bot.say(people[number % PEOPLE], f"一只橘猫，第 {number} 张")
        bot.wait_for_results(prompts, seconds=prompts * (IMAGE_SECONDS + 1) + 60)
        calls = bot.glm.paid
    return [1000 * (after.at - before.at - (before.seconds or 0.0)) for before, after in pairwise(calls)]


def measure(*, quick: bool) -> Iterator[Figure]:
    for engine in engines():
        value = percentile(gaps(engine, prompts=12 if quick else 60), 0.5)
        yield Figure(what=f"{engine}: idle between two calls, p50", value=value, most=20.0)
