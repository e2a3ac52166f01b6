"""How soon a message is acknowledged, stored durably: ``python -m tests.benchmarks.acknowledge``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage, new_id
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.server import wait_until
from tests.benchmarks.figures import Figure, arguments, percentile, report
from tests.benchmarks.loading import Answered, apart, in_bursts, request_of, saturated, steadily
from tests.benchmarks.running import RunningBot, environment, kinds, settings_for, wait_ready
from tests.support.servers import free_port

RATE = 100
"""Messages a second."""

BURST = 50
CONNECTIONS = 16
"""How many connections the saturated load keeps busy."""

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
    people = [feishu.world.add_person(f"某人{number}") for number in range(PEOPLE)]
    chats = [feishu.world.add_chat("p2p", name=one.name, members=[one.open_id]) for one in people]
    requests = []
    for number in range(count):
        person, chat = people[number % PEOPLE], chats[number % PEOPLE]
        message = feishu.world.add_message(
            ChatMessage(
                message_id=new_id("om"),
                chat_id=chat.chat_id,
                sender=person.open_id,
                msg_type="text",
                content='{"text": "一只橘猫在窗台上看雪，水彩，柔和的光 /size 16:9"}',
                created=feishu.world.clock(),
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


def of_bot(kind: str, *, quick: bool, hang: bool, bare: tuple[float, float]) -> list[Figure]:
    """The three loads, each on a bot of its own; ``bare`` is what the bare route takes at p99 and a second."""
    where = f"{kind}, platforms hang" if hang else kind
    with working(kind, hang=hang) as bot:
        steady = good(apart(steadily, bot.port, prompts(bot.feishu, 200 if quick else 800), RATE))
    with working(kind, hang=hang) as bot:
        burst = good(apart(in_bursts, bot.port, prompts(bot.feishu, BURST * (3 if quick else 10)), BURST, 0.5))
    with working(kind, hang=hang) as bot:
        answered, seconds = apart(saturated, bot.port, prompts(bot.feishu, 500 if quick else 2000), CONNECTIONS)
    full, rate = good(answered), len(answered) / seconds
    p99 = percentile(steady, 0.99)
    return [
        Figure(what=f"{where}: {RATE} a second, p50", value=percentile(steady, 0.5)),
        Figure(
            what=f"{where}: {RATE} a second, p99",
            value=p99,
            most=20.0,
            beside=f"{p99 / bare[0]:.1f} times a bare route",
        ),
        Figure(what=f"{where}: {BURST} at once, p95", value=percentile(burst, 0.95), most=60.0),
        Figure(
            what=f"{where}: saturated",
            value=rate,
            unit="a second",
            least=400.0,
            beside=f"a bare route: {bare[1]:.0f}",
        ),
        Figure(what=f"{where}: saturated, slower than a bare route", value=bare[1] / rate, unit="times", most=4.0),
        Figure(what=f"{where}: saturated, p99", value=percentile(full, 0.99), most=60.0),
    ]


@contextmanager
def webs(bot: RunningBot) -> Iterator[list[int]]:
    """Two web processes on the database of a bot, which is the worker; gives their ports."""
    with ExitStack() as running:
        ports = [free_port() for _ in range(2)]
        for port in ports:
            folder = running.enter_context(TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True))
            env = environment({**bot.variables, "PORT": str(port), "BOT_DATA_DIR": folder})
            command = [sys.executable, "-m", "bot", "serve", "--no-worker"]
            web = subprocess.Popen(command, env=env, cwd=folder, stderr=subprocess.DEVNULL)
            running.callback(web.wait)
            running.callback(web.kill)
        for port in ports:
            wait_ready(port)
        yield ports


def of_webs(*, quick: bool) -> list[Figure]:
    """The three loads, halved between two web processes beside a worker, all on PostgreSQL."""
    where = "PostgreSQL, two webs and a worker"
    steady, burst, full = 200 if quick else 800, BURST * (3 if quick else 10), 500 if quick else 2000
    with working("PostgreSQL", hang=False) as bot, webs(bot) as ports, ThreadPoolExecutor(len(ports)) as pool:
        requests = prompts(bot.feishu, steady + burst + full)

        def halved(load: Callable[..., Any], count: int, *rest: object) -> list[Any]:
            mine, requests[:count] = requests[:count], []
            return [
                one.result() for one in [pool.submit(apart, load, p, mine[n::2], *rest) for n, p in enumerate(ports)]
            ]

        slow = good(chain(*halved(steadily, steady, RATE / 2)))
        most = good(chain(*halved(in_bursts, burst, BURST // 2, 0.5)))
        answered = halved(saturated, full, CONNECTIONS // 2)
    return [
        Figure(what=f"{where}: {RATE} a second, p99", value=percentile(slow, 0.99)),
        Figure(what=f"{where}: {BURST} at once, p95", value=percentile(most, 0.95)),
        Figure(what=f"{where}: saturated", value=full / max(took for _, took in answered), unit="a second"),
        Figure(what=f"{where}: saturated, p99", value=percentile(good(chain(*(one for one, _ in answered))), 0.99)),
    ]


@contextmanager
def rival(name: str, feishu: FeishuStandIn, glm: GlmStandIn) -> Iterator[int]:
    """Another server in a process of its own; gives its port."""
    with TemporaryDirectory(prefix="benchmark-") as folder:
        env = environment(settings_for(feishu, folder=Path(folder)))
        command = [sys.executable, "-m", "tests.benchmarks.rivals", name, glm.origin]
        process = subprocess.Popen(
            command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()
            process.communicate()


def of_rivals(*, quick: bool) -> tuple[list[Figure], tuple[float, float]]:
    """What the other two take, and the bare route's p99 and rate."""
    with FeishuStandIn() as feishu, GlmStandIn(seconds=1.0, concurrency={"glm-image": 1000}) as glm:
        requests = prompts(feishu, 2000)
        with rival("bare", feishu, glm) as port:
            steady = good(apart(steadily, port, requests[: 200 if quick else 800], RATE))
            burst = good(apart(in_bursts, port, requests[: BURST * 3], BURST, 0.5))
            answered, seconds = apart(saturated, port, requests, CONNECTIONS)
        with rival("sdk", feishu, glm) as port:
            slow = good(apart(in_bursts, port, requests[:BURST], BURST, 0.0))
    bare = percentile(steady, 0.99), len(answered) / seconds
    return [
        Figure(what=f"a bare Flask route: {RATE} a second, p99", value=bare[0]),
        Figure(what=f"a bare Flask route: {BURST} at once, p95", value=percentile(burst, 0.95)),
        Figure(what="a bare Flask route: saturated", value=bare[1], unit="a second"),
        Figure(what=f"the SDK's pattern, a picture in 1 s: {BURST} at once, p95", value=percentile(slow, 0.95)),
    ], bare


def measure(*, quick: bool) -> list[Figure]:
    """The bot on each database, working and with platforms that hang, and the rivals in the same run."""
    rivals, bare = of_rivals(quick=quick)
    figures = []
    for kind in kinds():
        for hang in (False, True):
            figures += of_bot(kind, quick=quick, hang=hang, bare=bare)
    if "PostgreSQL" in kinds():
        figures += of_webs(quick=quick)
    return figures + rivals


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    given = arguments(__doc__).parse_args(argv)
    return report("acknowledge", measure(quick=given.quick), keep=given.keep)


if __name__ == "__main__":
    raise SystemExit(main())
