"""When the disk is full nothing is half written: events are refused until there is room, and what is paid is kept."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.timings import DownloadRetries, Timings
from tests.support.bot_process import BotProcess, ProcessSpec
from tests.support.dsl import header_color, is_final, posts_of, variables_for, wait_for

PACE = Timings(
    lease=30.0, beat=0.2, poll=0.05, resend=0.02, resend_longest=0.1, download=DownloadRetries(first_wait=0.01)
)


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """GLM, slow enough for the disk to fill up meanwhile."""
    with GlmStandIn(seconds=0.4) as glm:
        yield glm


@pytest.fixture
def bot(feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[BotProcess]:
    """A bot on SQLite in a process of its own."""
    variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    with BotProcess(ProcessSpec(variables=variables, glm=glm.origin, pace=PACE)) as process:
        feishu.webhook_url = process.webhook
        # A process that finds no room while it starts ends, and its supervisor starts it again.
        wait_for(lambda: httpx.get(f"http://127.0.0.1:{process.port}/readyz").is_success, timeout=30)
        yield process


def room(process: BotProcess, *, left: bool) -> None:
    """Lets no file of a process be written any more, or lets all; the kernel refuses it as on a full disk."""
    pid = process.process.pid
    assert pid is not None
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if left else 0, hard))


def test_an_event_that_finds_no_room_comes_again(feishu: FeishuStandIn, glm: GlmStandIn, bot: BotProcess) -> None:
    """Without room the webhook does not acknowledge, so Feishu delivers the message again, and it is answered once."""
    room(bot, left=False)
    said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
    wait_for(lambda: len(feishu.attempts) >= 2)
    assert {(attempt.outcome, attempt.status) for attempt in feishu.attempts} == {("refused", 503)}
    assert glm.calls == []
    room(bot, left=True)
    wait_for(lambda: is_final(feishu, said))
    assert [header_color(reply) for reply in feishu.replies(said.message_id)] == ["green"]
    assert len(posts_of(glm, said)) == 1


def test_a_paid_picture_outlives_a_full_disk(feishu: FeishuStandIn, glm: GlmStandIn, bot: BotProcess) -> None:
    """A disk that fills up during the paid call costs no second one: its outcome is held until it can be written."""
    said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
    wait_for(lambda: glm.working == 1)
    room(bot, left=False)
    wait_for(lambda: len(glm.paid) == 1)
    room(bot, left=True)
    wait_for(lambda: is_final(feishu, said))
    assert [header_color(reply) for reply in feishu.replies(said.message_id)] == ["green"]
    assert len(posts_of(glm, said)) == 1


def test_a_full_disk_is_no_reason_to_spin(feishu: FeishuStandIn, bot: BotProcess) -> None:
    """While due work cannot be claimed the worker looks for it at its own pace and burns no processor."""
    feishu.faults.arm("rate_chat", on="reply", times=None)
    feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
    wait_for(lambda: len(feishu.calls_named("reply")) >= 2)
    room(bot, left=False)
    before = seconds_used(bot)
    feishu.wait_for(lambda _: False, seconds=1.0)
    used = seconds_used(bot) - before
    assert used < 0.3, used
    room(bot, left=True)


def seconds_used(process: BotProcess) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
