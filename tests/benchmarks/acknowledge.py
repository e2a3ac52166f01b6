"""How soon a message is acknowledged, stored durably: ``python -m tests.benchmarks.acknowledge``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, new_id
from bot.sandbox.http import wait_until
from tests.benchmarks.figures import Figure, arguments, percentile, report
from tests.benchmarks.loading import Answered, apart, in_bursts, request_of, steadily
from tests.benchmarks.running import RunningBot, kinds

RATE = 100
"""Messages a second."""

BURST = 50
PEOPLE = 200
IN_FLIGHT = 5
CALL_SECONDS = 60.0
"""How long a call takes: longer than any load, so that the same calls are under way from its beginning to its end."""

LIMITLESS = {f"BOT_LIMITS_{name}": "0" for name in ("PENDING", "WAITING", "PER_DAY", "IMAGES_PER_MONTH")} | {
    "BOT_LIMITS_YUAN_PER_MONTH": "0"
}
"""Everything else is as ``serve`` comes; with its limits most of so many prompts would be refused, which costs less."""


def prompts(feishu: FeishuStandIn, count: int) -> list[bytes]:
    """Requests that tell of so many prompts, encrypted and signed, of many people, each in a chat of their own."""
    people = [feishu.state.add_person(f"某人{number}") for number in range(PEOPLE)]
    chats = [feishu.state.add_chat("p2p", name=one.name, members=[one.open_id]) for one in people]
    requests = []
    for number in range(count):
        person, chat = people[number % PEOPLE], chats[number % PEOPLE]
        message = feishu.state.add_message(
            ChatMessage(
                message_id=new_id("om"),
                chat_id=chat.chat_id,
                sender=person.open_id,
                msg_type="text",
                content='{"text": "一只橘猫在窗台上看雪，水彩，柔和的光 /size 16:9"}',
                created=feishu.state.clock(),
            )
        )
        requests.append(request_of(*feishu.seal(feishu.event_of(message))))
    return requests


@contextmanager
def working(kind: str, *, hang: bool) -> Iterator[RunningBot]:
    """A bot with five calls under way, whose platforms answer nothing from now on with ``hang``.

    Raises:
        ValueError: the calls were not under way from the beginning of the block to its end.
    """
    with RunningBot(kind, seconds=CALL_SECONDS, variables=LIMITLESS) as bot:
        for person in bot.people(IN_FLIGHT):
            bot.say(person, "一只橘猫 /model cogview-4 /size 1024x1024")
        if not wait_until(lambda: bot.glm.working == IN_FLIGHT, seconds=20):
            raise ValueError(f"{bot.glm.working} calls are under way, not {IN_FLIGHT}")
        if hang:
            bot.feishu.faults.arm("hang", times=None)
            bot.glm.arm("hang", times=1000)
        yield bot
        if bot.glm.working < IN_FLIGHT:
            raise ValueError(f"{bot.glm.working} calls were under way at the end, not {IN_FLIGHT}")


def good(answered: Iterable[Answered]) -> list[float]:
    """The milliseconds of answers, all of which have to be 200.

    Raises:
        ValueError: one is not.
    """
    found = list(answered)
    if wrong := [one.status for one in found if one.status != 200]:
        raise ValueError(f"{len(wrong)} answers are not 200: {wrong[0]}")
    return [1000 * one.seconds for one in found]


def of_bot(kind: str, *, quick: bool, hang: bool) -> list[Figure]:
    """Both loads, each on a bot of its own."""
    where = f"{kind}, platforms hang" if hang else kind
    with working(kind, hang=hang) as bot:
        steady = good(apart(steadily, bot.port, prompts(bot.feishu, 200 if quick else 800), RATE))
    with working(kind, hang=hang) as bot:
        burst = good(apart(in_bursts, bot.port, prompts(bot.feishu, BURST * (3 if quick else 10)), BURST, 0.5))
    return [
        Figure(what=f"{where}: {RATE} a second, p50", value=percentile(steady, 0.5)),
        Figure(what=f"{where}: {RATE} a second, p99", value=percentile(steady, 0.99), most=20.0),
        Figure(what=f"{where}: {BURST} at once, p95", value=percentile(burst, 0.95), most=60.0),
    ]


def measure(*, quick: bool) -> list[Figure]:
    """The bot on each database, working and with platforms that hang."""
    return [figure for kind in kinds() for hang in (False, True) for figure in of_bot(kind, quick=quick, hang=hang)]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("acknowledge", measure(quick=given.quick))


if __name__ == "__main__":
    raise SystemExit(main())
