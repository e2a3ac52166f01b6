"""What the bot adds to a generation, from message to result card: ``python -m tests.benchmarks.overhead``."""

from __future__ import annotations

from collections.abc import Sequence

from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.state import ChatMessage
from tests.benchmarks.figures import Figure, arguments, percentile, report
from tests.benchmarks.running import RunningBot, kinds

TOGETHER = 20
SLOTS = {"BOT_SLOTS_COGVIEW": str(TOGETHER)}
PROMPT = "一只橘猫在窗台上看雪，第 {} 次 /model cogview-4 /size 512x512"


def added(bot: RunningBot, said: ChatMessage) -> float:
    """Milliseconds between a message and its result card, less those in which the stand-ins worked for it."""
    card = next(one for one in bot.feishu.replies(said.message_id))
    picture = next(key for key in bot.feishu.uploads if key in card.content)
    calls = [one for one in bot.feishu.calls if _is_about(one, said.message_id, card.message_id, picture)]
    made = next(one for one in bot.glm.paid if one.body["prompt"] in said.content)
    shown = max(one.at + one.seconds for one in calls)
    worked = (made.seconds or 0.0) + made.drawing + sum(one.seconds for one in calls)
    return 1000 * (shown - said.created - worked)


def _is_about(call: ApiCall, message: str, card: str, picture: str) -> bool:
    """Whether a call replied to the message, changed its card, or brought its picture."""
    return message in call.path or card in call.path or picture in call.answer


def one_by_one(bot: RunningBot, count: int) -> list[float]:
    """What is added to single prompts, one after the other."""
    person = bot.people(1)[0]
    found = []
    for number in range(count):
        before = bot.cards("result")
        said = bot.say(person, PROMPT.format(f"{number} 单独"))
        bot.wait("result", before + 1, seconds=30)
        found.append(added(bot, said))
    return found


def together(bot: RunningBot) -> list[float]:
    """What is added to prompts of as many people at once, each with a slot."""
    people = bot.people(TOGETHER)
    before = bot.cards("result")
    said = [bot.say(person, PROMPT.format(f"{number} 同时")) for number, person in enumerate(people)]
    bot.wait("result", before + TOGETHER, seconds=60)
    return [added(bot, one) for one in said]


def measure(*, quick: bool) -> list[Figure]:
    """On each database."""
    figures = []
    for kind in kinds():
        with RunningBot(kind, seconds=1.0, variables=SLOTS, concurrency={"cogview-4": TOGETHER}) as bot:
            # The first one pays for imports and caches that a process needs once.
            alone = one_by_one(bot, 6 if quick else 16)[1:]
            many = together(bot)
        figures.append(Figure(what=f"{kind}: one prompt, p50", value=percentile(alone, 0.5), most=150.0))
        figures.append(Figure(what=f"{kind}: {TOGETHER} at once, p95", value=percentile(many, 0.95), most=300.0))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("overhead", measure(quick=given.quick))


if __name__ == "__main__":
    raise SystemExit(main())
