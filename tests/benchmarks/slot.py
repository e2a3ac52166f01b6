"""How long the one slot stands idle between two paid calls while others wait: ``python -m tests.benchmarks.slot``."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

import httpx

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmCall, GlmStandIn
from tests.benchmarks.figures import Figure, arguments, milliseconds, percentile, report
from tests.benchmarks.running import FAKE_KEY, RunningBot, kinds

USERS = 12
GLM_URL = "https://open.bigmodel.cn/api/paas/v4/images/generations"


def gaps(calls: Sequence[GlmCall]) -> list[float]:
    """The milliseconds between the end of each call and the beginning of the next, as the stand-in saw them."""
    return milliseconds(after.at - (before.at + (before.seconds or 0.0)) for before, after in pairwise(calls))


def of_bot(kind: str, *, prompts: int, seconds: float) -> list[float]:
    """The gaps of the bot with its defaults while all the prompts wait."""
    with RunningBot(kind, seconds=seconds) as bot:
        people = bot.people(USERS)
        for number in range(prompts):
            bot.say(people[number % USERS], f"一只橘猫，第 {number} 张")
        bot.wait("result", prompts, seconds=prompts * (seconds + 1) + 60)
        return gaps(bot.glm.paid)


def of_loop(*, prompts: int, seconds: float) -> list[float]:
    """The gaps of a loop that posts, downloads, uploads and replies in turn."""
    with FeishuStandIn() as feishu, GlmStandIn(seconds=seconds) as glm:
        chat = feishu.chats[0]
        said = feishu.say(chat_id=chat.chat_id, sender=chat.members[0], text="一只橘猫")
        with (
            httpx.Client(transport=glm.transport(), trust_env=False, timeout=60) as platform,
            httpx.Client(base_url=f"{feishu.origin}/open-apis", trust_env=False, timeout=60) as chats,
        ):
            secrets = {"app_id": feishu.app_id, "app_secret": feishu.app_secret}
            token = chats.post("/auth/v3/tenant_access_token/internal", json=secrets).json()["tenant_access_token"]
            chats.headers["Authorization"] = f"Bearer {token}"
            for number in range(prompts):
                _one_turn(platform, chats, said.message_id, f"一只橘猫，第 {number} 张")
        return gaps(glm.paid)


def _one_turn(platform: httpx.Client, chats: httpx.Client, message_id: str, prompt: str) -> None:
    body = {"model": "glm-image", "prompt": prompt, "size": "1280x1280"}
    made = platform.post(GLM_URL, json=body, headers={"Authorization": f"Bearer {FAKE_KEY}"}).json()
    picture = platform.get(made["data"][0]["url"]).content
    key = chats.post("/im/v1/images", data={"image_type": "message"}, files={"image": ("image.jpg", picture)}).json()
    content = '{"image_key": "' + key["data"]["image_key"] + '"}'
    chats.post(f"/im/v1/messages/{message_id}/reply", json={"msg_type": "image", "content": content})


def measure(*, quick: bool, seconds: float) -> list[Figure]:
    """The gaps on each database, and those of the loop."""
    prompts = 24 if quick else 60
    loop = of_loop(prompts=prompts // 3, seconds=seconds)
    figures = []
    for kind in kinds():
        found = of_bot(kind, prompts=prompts, seconds=seconds)
        for name, share, most in (("p50", 0.5, 20.0), ("p95", 0.95, 50.0)):
            value, other = percentile(found, share), percentile(loop, share)
            beside = f"the loop in turn: {other:.0f} ms, {other / value:.0f} times"
            figures.append(
                Figure(what=f"{kind}: idle between two calls, {name}", value=value, most=most, beside=beside)
            )
    figures.append(Figure(what="a loop that does one thing after another, median", value=statistics.median(loop)))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, help="how long a picture takes (1; with --quick 0.3)")
    given = parser.parse_args(argv)
    seconds = given.seconds or (0.3 if given.quick else 1.0)
    return report("slot", measure(quick=given.quick, seconds=seconds))


if __name__ == "__main__":
    raise SystemExit(main())
