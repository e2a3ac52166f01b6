"""Two people, a bot in a process of its own, and anything that may happen, in any order.

Hypothesis chooses what happens; the oracle is what holds for every bot at rest. ``STATE_MACHINE_EXAMPLES`` sets how
many runs are tried, five unless told otherwise; more than that are chosen anew each time.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlalchemy import select

from bot.db.database import Database, read_url
from bot.db.reports import is_idle
from bot.db.tables import key_value
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, FeishuState
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import NO_LIMITS, PACE, BotProcess, ProcessSpec
from tests.support.databases import sqlite_database
from tests.support.dsl import DEADLINE, card_actions, is_final, posts_of, variables_for
from tests.support.invariants import prompt_of, violations
from tests.support.pictures import draw_once
from tests.support.waiting import wait_until

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "5"))
QUICK = replace(PACE, backoff=0.05, backoff_longest=0.1)
STAGES = st.sampled_from(["sent", "answered", "called", "paid", "ended"])
PEOPLE = st.sampled_from(["lin", "chen"])

GLM_FAULTS = st.sampled_from(
    [
        *("glm_1301", "glm_1302", "glm_1305", "glm_1113", "glm_500", "reset_before", "reset_after", "not_json"),
        *("level_1", "image_403", "image_reset", "image_truncated", "image_html"),
    ]
)
FEISHU_FAULTS = st.sampled_from(
    [
        *(("rate_gateway", "reply"), ("rate_chat", "reply"), ("reset_after", "reply"), ("html_502", "reply")),
        *(("reset_before", "patch"), ("reset_after", "patch"), ("card_bad", "patch"), ("rate_gateway", "patch")),
        *(("reset_after", "image"), ("html_502", "image"), ("token_bad", "any"), ("empty_body", "any")),
    ]
)

HOURS = 3600.0
FARTHEST = 3 * HOURS  # how far the bot's clock is moved, within one day: that of the personal limits

_USED = re.compile(r"已用 (\d+) 张")


class TwoPeople(RuleBasedStateMachine):
    """The bot between its stand-ins."""

    @initialize()
    def start(self) -> None:
        """Starts the platforms and the bot, away from midnight."""
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        hour = datetime.now(ZoneInfo("Asia/Shanghai")).hour
        # By no more: the age of an event, of which 8 h are allowed, is judged by the Date header, which is right.
        self.shift = shift = 4 * HOURS * ((hour < 4) - (hour >= 20))
        self.ahead = multiprocessing.get_context("forkserver").RawValue("d", shift)
        delivery = RetrySchedule(ladder=(0.2,) * 150, answer_seconds=DEADLINE)
        clock = lambda: time.time() + shift  # noqa: E731
        self.feishu = self.stack.enter_context(FeishuStandIn(FeishuState(clock=clock), delivery=delivery))
        self.glm = self.stack.enter_context(GlmStandIn(seconds=0.05, clock=clock, draw=draw_once))
        self.url = sqlite_database(folder)
        variables = {**variables_for(self.feishu, folder=folder), **NO_LIMITS, "DATABASE_URL": self.url}
        plan = ProcessSpec(role="both", variables=variables, glm=self.glm.origin, pace=QUICK, ahead=self.ahead)
        self.node = self.stack.enter_context(BotProcess(plan))
        self.feishu.webhook_url = f"{self.node.address}/webhook/event"
        self.database = self.stack.enter_context(closing(Database(read_url(self.url))))
        self.said: list[ChatMessage] = []
        self.pressed: list[str] = []
        self.kills = 0

    @rule(person=PEOPLE, count=st.sampled_from(["", " /n 2"]))
    def prompt(self, person: str, count: str) -> None:
        self.say(person, count)

    def say(self, person: str, count: str = "") -> ChatMessage:
        text = f"第 {len(self.said) + 1} 座灯塔{count}"
        self.said.append(self.feishu.say(chat_id=f"oc_direct_{person}", sender=f"ou_{person}", text=text))
        return self.said[-1]

    def say_and_reach(self, person: str, stage: str) -> ChatMessage:
        """A new prompt, and how far it has come; faults may keep it from coming so far."""
        said, began = self.say(person), len(self.glm.calls)
        reached = {
            "sent": lambda: True,
            "answered": lambda: bool(self.feishu.replies(said.message_id)),
            "called": lambda: len(self.glm.calls) > began,
            "paid": lambda: bool(posts_of(self.glm, said)) and posts_of(self.glm, said)[-1].paid,
            "ended": lambda: is_final(self.feishu, said),
        }
        wait_until(reached[stage], seconds=0.4)
        return said

    @rule(person=PEOPLE, stage=STAGES, place=st.integers(min_value=0, max_value=5))
    def press(self, person: str, stage: str, place: int) -> None:
        """Somebody presses a button that a card under their new message has at that stage."""
        said = self.say_and_reach(person, stage)
        cards = [one for one in self.feishu.replies(said.message_id) if one.msg_type == "interactive"]
        found = [(card, one) for card in cards for one in card_actions(self.feishu, card.message_id) if one.value]
        found = [(card, one) for card, one in found if one.tag == "button" and not one.form]
        if found:
            card, button = found[place % len(found)]
            self.pressed.append(prompt_of(said))
            self.feishu.press(card.message_id, said.sender, value=button.value)

    @rule(person=PEOPLE, stage=STAGES)
    def recall(self, person: str, stage: str) -> None:
        said = self.say_and_reach(person, stage)
        self.feishu.recall(said.message_id, by=said.sender)

    @rule(person=PEOPLE, stage=STAGES, fault=GLM_FAULTS, times=st.integers(min_value=1, max_value=3))
    def fail_glm(self, person: str, stage: str, fault: str, times: int) -> None:
        self.glm.arm(fault, times=times)
        self.say_and_reach(person, stage)

    @rule(person=PEOPLE, stage=STAGES, fault=FEISHU_FAULTS, times=st.integers(min_value=1, max_value=3))
    def fail_feishu(self, person: str, stage: str, fault: tuple[str, str], times: int) -> None:
        self.feishu.faults.arm(fault[0], on=fault[1], times=times)
        self.say_and_reach(person, stage)

    @rule(person=PEOPLE, stage=STAGES, seconds=st.sampled_from([-HOURS, -60.0, 60.0, HOURS]))
    def move_clock(self, person: str, stage: str, seconds: float) -> None:
        """The bot's clock is changed, and not again before a heartbeat has noticed."""
        self.say_and_reach(person, stage)
        if abs(self.ahead.value + seconds - self.shift) <= FARTHEST:
            self.ahead.value += seconds
            now = time.time() + self.ahead.value
            assert wait_until(lambda: abs(self._heartbeat() - now) < DEADLINE, seconds=DEADLINE)

    def _heartbeat(self) -> float:
        """When the last heartbeat was, by the bot's clock."""
        with self.database.read() as connection:
            return float(connection.scalar(select(key_value.c.value).where(key_value.c.name == "clock")) or 0.0)

    @rule(person=PEOPLE, stage=STAGES, asked=st.booleans())
    def start_again(self, person: str, stage: str, *, asked: bool) -> None:
        """The process is asked to leave, or dies, and is started again."""
        self.say_and_reach(person, stage)
        if asked:
            self.node.terminate()
            assert self.node.wait(seconds=DEADLINE) == 0
        else:
            self.node.kill()
            self.kills += 1
        self.node.start()
        self.feishu.webhook_url = f"{self.node.address}/webhook/event"

    def teardown(self) -> None:
        """Everything comes to its end, and every invariant holds."""
        with self.stack:
            self.feishu.faults.disarm()
            self.glm.disarm()
            said = [self.feishu.state.messages[one.message_id] for one in self.said]
            left = [one for one in said if not one.recalled]
            assert wait_until(
                lambda: all(is_final(self.feishu, one) for one in left) and self._taken() and is_idle(self.database),
                seconds=DEADLINE,
            ), [(prompt_of(one), len(self.feishu.replies(one.message_id))) for one in left]
            with self.database.read() as connection:
                found = violations(self.feishu, self.glm, connection, kills=self.kills)
            assert not found, found
            self._check_cards(left)
            for person in ("lin", "chen"):
                self._check_count(person)

    def _taken(self) -> bool:
        taken = {one.event_id for one in self.feishu.attempts if one.outcome == "acknowledged"}
        return {one.event_id for one in self.feishu.attempts if one.event_type != "card.action.trigger"} <= taken

    def _check_cards(self, left: list[ChatMessage]) -> None:
        """A prompt has one card, one more for each press on it, and one for each change that Feishu refused."""
        refused = sum(call.name == "patch" and bool(call.code) for call in self.feishu.calls)
        for said in left:
            words = prompt_of(said)
            cards = [
                one
                for one in self.feishu.messages
                if one.sender == self.feishu.app_id and one.msg_type == "interactive" and f'{words}"' in one.content
            ]
            assert len(cards) <= 1 + self.pressed.count(words) + refused, words

    def _check_count(self, person: str) -> None:
        """What ``/quota`` counts is at least what was paid for."""
        prompts = {prompt_of(one) for one in self.said if one.sender == f"ou_{person}"}
        paid = sum(call.paid and call.body["prompt"] in prompts for call in self.glm.calls)
        asked = self.feishu.say(chat_id=f"oc_direct_{person}", sender=f"ou_{person}", text="/quota")
        assert wait_until(lambda: self.feishu.replies(asked.message_id), seconds=DEADLINE)
        (card,) = self.feishu.replies(asked.message_id)
        used = _USED.search(json.dumps(json.loads(card.content), ensure_ascii=False))
        assert used is not None
        assert int(used[1]) >= paid, f"{used[1]} counted, {paid} paid"


TwoPeople.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=8,
    deadline=None,
    derandomize=EXAMPLES <= 5,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestTwoPeople = TwoPeople.TestCase
