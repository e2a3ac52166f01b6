"""The Base log: one record a generation, whatever fails, and nobody's reply waits for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from bot.db.database import Database
from bot.db.reports import BitableQueue
from bot.db.tables import generations
from bot.db.timers import PeriodicLock
from bot.feishu.bitable import PERSON, PROMPT
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.worker.bitable_export import BitableExporter
from tests.support.base import LogTable
from tests.support.bulk_rows import add_finished
from tests.support.dsl import CATALOGUE, REDELIVERY, BotUnderTest, all_strings, plain_text, wait_for


@contextmanager
def logging_bot(folder: Path, **variables: str) -> Iterator[tuple[BotUnderTest, LogTable]]:
    feishu = FeishuStandIn(delivery=REDELIVERY)
    table = LogTable(feishu)
    with BotUnderTest(folder=folder, feishu=feishu, variables={**table.variables, **variables}) as bot:
        yield bot, table


def ids(bot: BotUnderTest) -> list[str]:
    with bot.app.database.read() as connection:
        return sorted(connection.scalars(select(generations.c.generation_id)))


def make(bot: BotUnderTest, *, images: int = 3) -> None:
    bot.new_user().ask(f"一只橘猫 /n {images}")


def test_each_generation_becomes_one_record(tmp_path: Path) -> None:
    """What was made and what failed stand in the table, here with the prompt, since a setting says so."""
    with logging_bot(tmp_path, BOT_BASE_PROMPTS="true") as (bot, table):
        user = bot.new_user()
        user.ask(said := user.send())
        bot.glm.arm("glm_1301")
        user.ask("另一只 /size 16:9")
        wait_for(lambda: len(table.records) == 2)
        good, bad = table.records
        assert good[PERSON] == [{"id": user.person}]
        names = ("会话 Chat", "模型 Model", "尺寸 Size", "结果 Result", "费用 Yuan")
        assert [good[name] for name in names] == [user.chat_id, "glm-image", "1280x1280", "done", 0.1]
        assert (bad["结果 Result"], bad["错误 Error"]) == ("failed", "content_filter_violation")
        assert good[PROMPT] == plain_text(said)


def test_what_fails_in_passing_is_made_up_for(tmp_path: Path) -> None:
    """When two calls fail, applied or not, each generation still has one record."""
    with logging_bot(tmp_path) as (bot, table):
        for images, fault in ((3, "base_busy"), (6, "base_not_ready"), (9, "reset_after")):
            bot.feishu.faults.arm(fault, on="base_records", times=2)
            make(bot)
            wait_for(lambda images=images: len(table.records) == images and not bot.feishu.faults.armed)  # type: ignore[misc]
        assert table.numbers == ids(bot)


def test_a_reply_does_not_wait_for_the_base(tmp_path: Path) -> None:
    with logging_bot(tmp_path) as (bot, table):
        bot.feishu.faults.arm("hang", on="base_records", times=None)
        make(bot, images=1)
        wait_for(lambda: bool(bot.feishu.calls_named("base_records")))
        make(bot, images=1)
        assert table.records == []
        bot.feishu.faults.disarm()
        wait_for(lambda: len(table.records) == 2)
        assert table.numbers == ids(bot)


def test_the_admins_are_told_when_the_table_is_gone(tmp_path: Path) -> None:
    """They get one message however often it fails; once the table is back, what was missed is added."""
    with logging_bot(tmp_path, BOT_TEAM_ADMINS="ou_lin") as (bot, table):
        bot.feishu.faults.arm("base_gone", on="base_records", times=3)
        make(bot)
        wait_for(lambda: len(table.records) == 3 and bot.idle)
        assert table.numbers == ids(bot)
        (told,) = [one for one in bot.feishu.messages if one.chat_id == "oc_direct_lin"]
        assert CATALOGUE.text("notice.admin_base.text", "zh") in all_strings(json.loads(told.content))


def test_a_person_whom_the_base_refuses_is_left_out(tmp_path: Path) -> None:
    """Somebody of another organisation does not keep the others' records away; no prompt is recorded unasked."""
    with logging_bot(tmp_path) as (bot, table):
        bot.feishu.faults.arm("base_person", on="base_records")
        make(bot, images=1)
        wait_for(lambda: len(table.records) == 1)
        assert not {PERSON, PROMPT} & table.records[0].keys()


def test_one_process_records_for_all(database: Database) -> None:
    """Of four processes that look at once one sends all that is left, 500 at a time, and a later look sends nothing."""
    add_finished(database, 600, days=1)
    sizes: list[int] = []

    def add(records: Sequence[Mapping[str, object]], *, client_token: str) -> None:
        assert client_token
        sizes.append(len(records))

    looking = [
        BitableExporter(
            queue=BitableQueue(database),
            lock=PeriodicLock(database, "base", seconds=90.0),
            add_records=add,
            every=0.0,
            prices={},
            prompts=False,
            stopping=threading.Event(),
        )
        for _ in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda one: one.run_once(), looking))
    assert sorted(sent) == [0, 0, 0, 600]
    assert sizes == [500, 100]
    assert looking[0].run_once() == 0
