"""Somebody recalls a message: its text leaves the chat and the database, whatever was done with it before."""

from __future__ import annotations

from sqlalchemy import select

from bot.db.tables import metadata, requests
from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import (
    Gate,
    answer_to,
    button,
    first_answer_to,
    now,
    paid_for,
    pressed,
    rest,
    said_in_toast,
    shows,
    somebody_else_in,
    toast_of,
    wait_to_show,
    words,
)
from tests.support.world import Talk, World, colour

SECRET = "一座秘密的灯塔"


def recall(talk: Talk, said: ChatMessage) -> int:
    """Recalls a message and waits until the bot has done what follows; gives the number of calls before."""
    before = len(talk.world.feishu.calls)
    send_recall(talk, said)
    talk.wait(lambda: talk.world.idle)
    return before


def send_recall(talk: Talk, said: ChatMessage) -> None:
    """Recalls a message and waits until the bot has acknowledged that."""
    event_id = talk.world.feishu.recall(said.message_id, by=talk.person)
    talk.wait(
        lambda: any(
            one.event["header"]["event_id"] == event_id and one.outcome == "acknowledged"
            for one in talk.world.feishu.attempts
        )
    )


def assert_nowhere(talk: Talk, text: str, *, calls_before: int) -> None:
    """The text stands in no message, no later call and no row."""
    standing = [one for one in talk.world.feishu.messages if not (one.recalled or one.deleted)]
    assert [one for one in standing if text in one.content] == []
    assert [call for call in talk.world.feishu.calls[calls_before:] if text in call.body] == []
    with talk.world.bot.database.read() as connection:
        for table in metadata.sorted_tables:
            assert [row for row in connection.execute(select(table)) if text in str(row)] == []


def test_after_its_image_was_made(world: World) -> None:
    """A finished card keeps its image and loses the prompt and the buttons that would use it."""
    talk = world.somebody(kind="group")
    said = talk.say(SECRET)
    card = answer_to(talk, said)
    values = {action: button(talk, card, action).value for action in ("again", "ratio", "edit")}
    paid = len(world.glm.calls)
    assert_nowhere(talk, SECRET, calls_before=recall(talk, said))
    card = now(world, card)
    assert colour(card) == "green"
    assert "img_key" in card.content
    actions = [(one.value or {}).get("a") for one in world.feishu.actions(card.message_id)]
    assert not {"again", "ratio", "edit"} & set(actions)
    other = somebody_else_in(talk)
    for action, value in values.items():
        option = "16:9" if action == "ratio" else None
        tag = "select_static" if option else "button"
        assert toast_of(other, card, value, tag=tag, option=option) == said_in_toast("toast.gone")
    assert shows(answer_to(talk, "/again"), "misread.nothing_to_repeat")
    assert shows(answer_to(talk, "/history"), "history.empty")
    assert len(world.glm.calls) == paid


def test_again_repeats_the_last_prompt_that_was_not_recalled(world: World) -> None:
    """What was recalled is passed over; a message with the same words that was not recalled keeps them."""
    talk = world.somebody()
    same, said = talk.say("一座公开的灯塔"), None
    answer_to(talk, same)
    for text in ("一座公开的灯塔 ", SECRET):
        said = talk.say(text)
        answer_to(talk, said)
        recall(talk, said)
    again = talk.say("/again")
    assert "一座公开的灯塔" in words(answer_to(talk, again))
    assert [body["prompt"] for body in paid_for(talk, again)] == ["一座公开的灯塔"]
    assert "一座公开的灯塔" in words(answer_to(talk, "/history"))


def test_copies_of_the_prompt(world: World) -> None:
    """What repeats, edits, lists or asks about the prompt loses it too, whoever pressed; so does the form."""
    talk = world.somebody(kind="group")
    said = talk.say(SECRET)
    card = answer_to(talk, said)
    other = somebody_else_in(talk)
    again = pressed(other, card, "again")
    form = pressed(other, again, "edit")
    fields = {"prompt": f"{SECRET}，夜里", "size": "1280x1280", "style": "none"}
    submit = button(other, form, "submit").value
    toast_of(other, form, submit, form_value=fields, name="submit")
    talk.wait(lambda: world.idle)
    answer_to(talk, "/again --size 16:9")
    answer_to(talk, "/history")
    before = recall(talk, said)
    assert_nowhere(talk, SECRET, calls_before=before)
    assert shows(now(world, form), "notice.recalled.text")
    assert toast_of(other, form, submit, form_value=fields, name="submit") == said_in_toast("toast.gone")
    assert recall(talk, said) == len(world.feishu.calls), "a second recall changes nothing"


def test_what_was_listed_while_it_waited(held: World, gate: Gate) -> None:
    """The cards of /queue and /cancel lose a prompt that was cancelled by its recall or before it."""
    talk = held.somebody()
    first_answer_to(talk, "一座公开的灯塔")
    said = talk.say(SECRET)
    card = wait_to_show(held, first_answer_to(talk, said), "state.queued")
    cancelled = talk.say(f"{SECRET}二")
    first_answer_to(talk, cancelled)
    listed = first_answer_to(talk, "/queue")
    named = first_answer_to(talk, "/cancel 3")
    assert SECRET in words(listed)
    assert f"{SECRET}二" in words(named)
    send_recall(talk, said)
    send_recall(talk, cancelled)
    wait_to_show(held, card, "state.cancelled")
    gate.let()
    talk.wait(lambda: held.idle)
    assert_nowhere(talk, SECRET, calls_before=len(held.feishu.calls))
    assert "一座公开的灯塔" in words(now(held, listed))
    assert [call.body["prompt"] for call in held.glm.calls] == ["一座公开的灯塔"]


def test_during_its_call(held: World, gate: Gate) -> None:
    """A call under way goes to its end and is paid for; its image is not shown."""
    talk = held.somebody()
    said = talk.say(SECRET)
    card = first_answer_to(talk, said)
    talk.wait(lambda: gate.reached)
    held.feishu.recall(said.message_id, by=talk.person)
    card = wait_to_show(held, card, "state.cancelled")
    gate.let()
    talk.wait(lambda: held.glm.paid and held.idle)
    assert_nowhere(talk, SECRET, calls_before=len(held.feishu.calls))
    assert "img_key" not in now(held, card).content
    assert len(held.glm.calls) == 1


def test_a_message_that_was_not_understood(world: World) -> None:
    """The answer that quotes words of the message does not go on quoting them."""
    talk = world.somebody()
    said = talk.say("/秘密灯塔 一座灯塔")
    card = answer_to(talk, said)
    assert "秘密灯塔" in words(card)
    assert_nowhere(talk, "秘密灯塔", calls_before=recall(talk, said))
    assert shows(now(world, card), "notice.recalled.text")


def test_a_card_that_cannot_be_changed_any_more(world: World) -> None:
    """After 14 days Feishu refuses to change the card, so the bot takes it back and sends nothing new."""
    talk = world.somebody()
    said = talk.say(SECRET)
    card = answer_to(talk, said)
    world.feishu.faults.arm("patch_too_old", on="patch", times=None)
    before = recall(talk, said)
    assert now(world, card).recalled
    assert [call.name for call in world.feishu.calls[before:] if call.name in ("reply", "create")] == []
    assert_nowhere(talk, SECRET, calls_before=before)


def test_a_card_that_can_neither_be_changed_nor_taken_back(world: World) -> None:
    """Where Feishu refuses both for good, the card stays as it is; nothing is sent, and nothing is stored."""
    talk = world.somebody()
    said = talk.say(text := "一座很久以前的灯塔")
    card = answer_to(talk, said)
    world.feishu.faults.arm("patch_too_old", on="patch", times=None)
    world.feishu.faults.arm("feishu_230026", on="recall", times=None)
    before = recall(talk, said)
    assert [call.name for call in world.feishu.calls[before:]] == ["patch", "recall"]
    assert text in now(world, card).content
    with world.bot.database.read() as connection:
        assert text not in str(connection.execute(select(requests)).all())
    assert shows(answer_to(talk, "/history"), "history.empty")


def test_an_answer_in_plain_messages(world: World) -> None:
    """Where Feishu refused the card, the text message that stands for it is taken back; the image stays."""
    talk = world.somebody()
    world.feishu.faults.arm("feishu_230099", on="reply")
    said = talk.say(SECRET)
    rest(world, said)
    assert SECRET in "".join(one.content for one in talk.answers)
    assert_nowhere(talk, SECRET, calls_before=recall(talk, said))
    assert [one.msg_type for one in talk.answers if not one.recalled] == ["image"]
