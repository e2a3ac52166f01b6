"""Somebody recalls a message: its text leaves the chat and the database, whatever was done with it before."""

from __future__ import annotations

from sqlalchemy import select

from bot.db.tables import metadata, requests
from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import BotUnderTest, Conversation, Gate, toast_text, wait_for

SECRET = "一座秘密的灯塔"


def recall(user: Conversation, said: ChatMessage) -> int:
    """Recalls a message and waits until the bot has done what follows; gives the number of calls before."""
    before = len(user.bot.feishu.calls)
    user.recall(said)
    user.bot.wait_until_idle()
    return before


def assert_nowhere(user: Conversation, text: str, *, calls_before: int) -> None:
    """The text is in no message, no later call and no row."""
    standing = [one for one in user.bot.feishu.messages if not one.recalled]
    assert [one for one in standing if text in one.content] == []
    assert [call for call in user.bot.feishu.calls[calls_before:] if text in call.body] == []
    with user.bot.app.database.read() as connection:
        for table in metadata.sorted_tables:
            assert [row for row in connection.execute(select(table)) if text in str(row)] == []


def test_recall_removes_the_prompt_of_a_finished_card(bot: BotUnderTest, member: Conversation) -> None:
    """A finished card keeps its image and loses the prompt and the buttons that would use it."""
    card = member.ask(said := member.send(SECRET))
    values = {action: card.button(action).value for action in ("again", "ratio", "edit")}
    paid = len(bot.glm.calls)
    assert_nowhere(member, SECRET, calls_before=recall(member, said))
    card = card.reload()
    assert (card.color, "img_key" in card.content) == ("green", True)
    assert not values.keys() & {one.value.get("a") for one in card.actions}
    other = member.other_user()
    for action, value in values.items():
        how = {"tag": "select_static", "option": "16:9"} if action == "ratio" else {}
        assert card.press_raw(value, by=other, **how) == toast_text("toast.gone")
    member.ask("/again").assert_shows("misread.nothing_to_repeat")
    member.ask("/history").assert_shows("history.empty")
    assert len(bot.glm.calls) == paid


def test_again_repeats_the_last_prompt_that_was_not_recalled(user: Conversation) -> None:
    """A message with the same words that was not recalled keeps them."""
    user.ask(public := "一座公开的灯塔")
    for text in (f"{public} ", SECRET):
        said = user.send(text)
        user.ask(said)
        recall(user, said)
    again = user.ask("/again")
    assert public in again.text()
    assert [body["prompt"] for body in again.paid] == [public]
    assert public in user.ask("/history").text()


def test_recall_reaches_copies_of_the_prompt(bot: BotUnderTest, member: Conversation) -> None:
    """What repeats, edits, lists or asks about the prompt loses it too, no matter who pressed; so does the form."""
    card = member.ask(said := member.send(SECRET))
    other = member.other_user()
    form = card.press("again", by=other).press("edit", by=other)
    fields = {"prompt": f"{SECRET}，夜里", "size": "1280x1280", "style": "none"}
    submit = form.button("submit").value
    form.press_raw(submit, by=other, form_value=fields, name="submit")
    bot.wait_until_idle()
    member.ask("/again --size 16:9")
    member.ask("/history")
    assert_nowhere(member, SECRET, calls_before=recall(member, said))
    form.reload().assert_shows("notice.recalled.text")
    assert form.press_raw(submit, by=other, form_value=fields, name="submit") == toast_text("toast.gone")
    assert recall(member, said) == len(bot.feishu.calls), "a second recall changes nothing"


def test_recall_reaches_cards_of_queue_and_cancel(held: BotUnderTest, gate: Gate) -> None:
    """The cards of /queue and /cancel lose a prompt that was cancelled by its recall or before it."""
    user = held.new_user()
    user.ask_without_waiting(public := "一座公开的灯塔")
    said = user.send(SECRET)
    card = user.ask_without_waiting(said).wait_to_show("state.queued")
    cancelled = user.send(f"{SECRET}二")
    user.ask_without_waiting(cancelled)
    listed = user.ask_without_waiting("/queue")
    named = user.ask_without_waiting("/cancel 3")
    assert (SECRET in listed.text(), f"{SECRET}二" in named.text()) == (True, True)
    user.recall(said)
    user.recall(cancelled)
    card.wait_to_show("state.cancelled")
    gate.release()
    held.wait_until_idle()
    assert_nowhere(user, SECRET, calls_before=len(held.feishu.calls))
    assert public in listed.reload().text()
    assert held.paid_prompts == [public]


def test_recall_during_the_call_hides_the_image(held: BotUnderTest, gate: Gate) -> None:
    """A call under way goes to its end and is paid for; nobody gets its image."""
    user = held.new_user()
    card = user.ask_without_waiting(said := user.send(SECRET))
    wait_for(lambda: gate.calls_waiting)
    deliver = {"a": "deliver", "r": card.button("cancel").value["r"]}
    user.recall(said)
    card = card.wait_to_show("state.cancelled")
    gate.release()
    wait_for(lambda: held.glm.paid and held.idle)
    assert_nowhere(user, SECRET, calls_before=len(held.feishu.calls))
    assert card.press_raw(deliver) == toast_text("toast.gone")
    assert "img_key" not in card.reload().content
    assert len(held.glm.calls) == 1


def test_recall_of_a_card_that_cannot_be_changed(bot: BotUnderTest, user: Conversation) -> None:
    """After 14 days Feishu refuses to change the card, so the bot takes it back and sends nothing new.

    Where Feishu refuses that for good, too, the card stays as it is, and nothing is stored.
    """
    for text, refused in ((SECRET, False), ("一座很久以前的灯塔", True)):
        card = user.ask(said := user.send(text))
        bot.feishu.faults.arm("patch_too_old", on="patch", times=None)
        if refused:
            bot.feishu.faults.arm("feishu_230026", on="recall", times=None)
        before = recall(user, said)
        bot.feishu.faults.disarm()
        assert [call.name for call in bot.feishu.calls[before:]] == ["patch", "recall"]
        assert card.reload().recalled is not refused
        with bot.app.database.read() as connection:
            assert text not in str(connection.execute(select(requests)).all())
    user.ask("/history").assert_shows("history.empty")


def test_recall_deletes_plain_text(bot: BotUnderTest, user: Conversation) -> None:
    """Where Feishu refused the card, the text message sent instead is taken back; the image stays."""
    bot.feishu.faults.arm("feishu_230099", on="reply")
    bot.wait_until_idle(said := user.send(SECRET))
    assert SECRET in "".join(one.content for one in user.answers)
    assert_nowhere(user, SECRET, calls_before=recall(user, said))
    assert [one.msg_type for one in user.answers if not one.recalled] == ["image"]
