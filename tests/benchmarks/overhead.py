"""What the bot adds to a generation, from message to result card."""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.feishu.state import ChatMessage
from tests.benchmarks.harness import Figure, RunningBot, engines, percentile, running_bot


def added(bot: RunningBot, sent: ChatMessage) -> float:
    """Milliseconds between a message and its result card, less those in which the stand-ins worked for it."""
    (card,) = bot.feishu.replies(sent.message_id)
    image = next(key for key in bot.feishu.uploads if key in card.content)
    about = (sent.message_id, card.message_id)
    calls = [one for one in bot.feishu.calls if any(name in one.path for name in about) or image in one.answer]
    made = next(one for one in bot.glm.paid if one.body["prompt"] in sent.content)
    fetched = next(one for one in bot.glm.downloads if one.name in made.answer)
    shown = max(one.at + one.seconds for one in calls)
    worked = (made.seconds or 0.0) + (fetched.seconds or 0.0) + sum(one.seconds for one in calls)
    return 1000 * (shown - sent.created - worked)


def measure(*, quick: bool) -> Iterator[Figure]:
    for engine in engines():
        with running_bot(engine, seconds=1.0) as bot:
            person = bot.people(1)[0]
            found = []
            for number in range(6 if quick else 16):
                sent = bot.say(person, f"一只橘猫在窗台上看雪，第 {number} 次 /model cogview-4 /size 512x512")
                bot.wait_for_results(number + 1)
                found.append(added(bot, sent))
        # The first one pays for imports and caches that a process needs once.
        yield Figure(what=f"{engine}: added to a prompt, p50", value=percentile(found[1:], 0.5), most=150.0)
