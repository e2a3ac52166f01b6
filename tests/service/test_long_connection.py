"""A bot without a public address: events over the connection that it opened, and secrets that are rotated meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from signal import SIGHUP

import httpx
import pytest
from pydantic import SecretStr

from bot.__main__ import main
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import shared_tls
from bot.settings import load
from tests.support.bot_process import Cluster
from tests.support.databases import sqlite_database
from tests.support.dsl import DEADLINE, BotUnderTest, Gate, card_actions, variables_for, wait_for
from tests.support.forkserver import RunningCommand, running_command

SOON = {"ReconnectCount": -1, "ReconnectInterval": 0.1, "ReconnectNonce": 0.05, "PingInterval": 0.1}
"""What the platform wants of its clients here, in seconds."""

NEW_SECRET, NEW_KEY = "another-not-real-secret", "other.not-a-real-key"


@pytest.fixture
def feishu() -> Iterator[ConnectedStandIn]:
    """Feishu, which delivers again soon and for long, and waits long for an answer."""
    with ConnectedStandIn(delivery=RetrySchedule(ladder=(0.2,) * 600, answer_seconds=DEADLINE)) as feishu:
        feishu.line.client_config = dict(SOON)
        yield feishu


@pytest.fixture
def variables(feishu: ConnectedStandIn, tmp_path: Path) -> dict[str, str]:
    """The settings of a bot that takes its events over the connection: no key and no token of events."""
    given = variables_for(feishu, folder=tmp_path)
    return {name: given[name] for name in given if name not in {"FEISHU_ENCRYPT_KEY", "FEISHU_VERIFICATION_TOKEN"}}


@pytest.fixture
def cluster(feishu: ConnectedStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A bot in a process of its own, which is connected."""
    with Cluster(folder=tmp_path, url=sqlite_database(tmp_path), feishu=feishu, glm=glm) as cluster:
        cluster.start("connected", FEISHU_ENCRYPT_KEY="", FEISHU_VERIFICATION_TOKEN="")
        wait_for(lambda: feishu.line.opened == 1)
        yield cluster


def connect(variables: dict[str, str], *options: str) -> AbstractContextManager[RunningCommand]:
    """The command, whose folder is that of its data."""
    return running_command(main, "connect", *options, variables=variables, folder=Path(variables["BOT_DATA_DIR"]))


def readiness(cluster: Cluster) -> tuple[int, str]:
    answer = httpx.get(f"{cluster.processes[0].address}/readyz", trust_env=False, verify=shared_tls(), timeout=DEADLINE)
    return answer.status_code, answer.text.strip()


def test_a_prompt_and_a_press(feishu: ConnectedStandIn, cluster: Cluster) -> None:
    """A prompt becomes a card, in parts if it is long, and a press on it is answered with a toast and a new card."""
    feishu.line.part_bytes = 200
    said = cluster.say()
    cluster.wait_for_answers(said)
    card = feishu.replies(said.message_id)[0]
    action = next(one for one in card_actions(feishu, card.message_id) if one.tag == "button")
    pressed = feishu.press(card.message_id, "ou_lin", value=action.value)
    assert pressed.code is None
    assert pressed.toast is not None
    wait_for(lambda: cluster.calls(said) == [2])
    assert {attempt.outcome for attempt in feishu.attempts} == {"acknowledged"}
    wait_for(lambda: readiness(cluster) == (200, "ready"))
    assert cluster.push(said, web=cluster.processes[0]) == 404


def test_a_cut_connection_is_made_again(feishu: ConnectedStandIn, cluster: Cluster) -> None:
    """While there is none, ``/readyz`` says so; what was written meanwhile is delivered and answered afterwards."""
    wait_for(lambda: readiness(cluster)[0] == 200)
    feishu.line.away = True
    feishu.line.cut()
    wait_for(lambda: "the long connection to Feishu is down" in readiness(cluster)[1])
    assert readiness(cluster)[0] == 503
    said = cluster.say()
    wait_for(lambda: bool(feishu.attempts))
    assert feishu.attempts[0].outcome == "unreachable"
    feishu.line.away = False
    cluster.wait_for_answers(said)
    wait_for(lambda: readiness(cluster)[0] == 200)


def test_a_refused_secret_is_named(feishu: ConnectedStandIn, variables: dict[str, str]) -> None:
    """A wrong secret ends the command with one sentence that names the variables, and not with further attempts."""
    with connect({**variables, "FEISHU_APP_SECRET": "wrong-secret"}) as running:
        assert running.wait() == 2
        said = running.log.splitlines()[-1].strip()
        assert said.startswith("FEISHU_APP_ID, FEISHU_APP_SECRET, FEISHU_DOMAIN: Feishu refuses the long connection")
        assert "app secret invalid, code 10014" in said
        assert [word for word in ("wrong-secret", "Traceback") if word in running.log] == []
    assert feishu.line.asked == 1


def test_it_greets_a_person_once_and_answers_until_it_is_told_to_leave(
    feishu: ConnectedStandIn, variables: dict[str, str]
) -> None:
    """The welcome card comes unasked, with three examples to press, and no other one at a restart.

    It needs no key of events, ends with 0 at SIGTERM, and its log holds neither secret nor ticket.
    """
    for _ in range(2):
        with connect(variables, "--greet", "ou_lin") as running:
            wait_for(lambda: feishu.line.open and feishu.messages)
            said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="/help")
            wait_for(lambda said=said: len(feishu.replies(said.message_id)) == 1)  # type: ignore[misc]
            assert running.leave() == 0, running.log
            assert "shutting down command=connect" in running.log
            assert [word for word in (feishu.app_secret, "ticket=") if word in running.log] == []
    assert feishu.line.open == 0
    unasked = [one for one in feishu.messages if one.sender == feishu.app_id and one.parent_id is None]
    assert [one.chat_id for one in unasked] == ["oc_direct_lin"]
    buttons = [one for one in card_actions(feishu, unasked[0].message_id) if one.tag == "button"]
    assert [one.value["a"] for one in buttons] == ["example"] * 3


def hang_up(running: RunningCommand, dotenv: Path, text: str, *, words: str) -> None:
    """Writes ``.env``, sends SIGHUP and waits for what the process says about it."""
    dotenv.write_text(text, encoding="utf-8")
    running.send(SIGHUP)
    wait_for(lambda: words in running.log)


def test_a_hangup_rereads_the_secrets(feishu: ConnectedStandIn, variables: dict[str, str], tmp_path: Path) -> None:
    """The next connection is made with the secret that was changed in ``.env``, and neither secret is in the log.

    A mistake in the file is logged and the old secrets stay; a terminal that closes does no harm.
    """
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"FEISHU_APP_SECRET={feishu.app_secret}\nZHIPU_API_KEY=test.not-a-real-key\n", encoding="utf-8")
    with connect(variables) as running:
        wait_for(lambda: feishu.line.opened == 1)
        hang_up(running, dotenv, "no line of a file of variables\n", words="secrets not reread")
        hang_up(running, dotenv, "FEISHU_APP_SECRET=refused-secret\nZHIPU_API_KEY=密钥\n", words="ZHIPU_API_KEY")
        feishu.line.cut()
        wait_for(lambda: feishu.line.opened == 2)
        feishu.line.app_secret = NEW_SECRET
        new = f"FEISHU_APP_SECRET={NEW_SECRET}\nZHIPU_API_KEY={NEW_KEY}\n"
        hang_up(running, dotenv, new, words="secrets reread changed=ZHIPU_API_KEY,FEISHU_APP_SECRET")
        hang_up(running, dotenv, "", words="secrets reread changed=none")
        feishu.line.cut()
        wait_for(lambda: feishu.line.opened == 3)
        assert running.leave() == 0
        assert [secret for secret in (NEW_SECRET, NEW_KEY, "Traceback") if secret in running.log] == []


def test_a_call_in_progress_keeps_its_key(tmp_path: Path) -> None:
    gate = Gate()
    with BotUnderTest(folder=tmp_path, wrap_glm=gate.around) as bot:
        first, second = bot.new_user(), bot.new_user()
        said = [first.send()]
        wait_for(lambda: gate.calls_waiting == 1)
        said.append(second.send())
        settings = load(variables_for(bot.feishu, folder=tmp_path))
        bot.app.use_secrets(settings.model_copy(update={"api_key": SecretStr(NEW_KEY)}))
        gate.release(2)
        for user, message in zip((first, second), said, strict=True):
            user.assert_one_image(message)
        assert [call.key for call in bot.glm.calls] == ["test…", "othe…"]
