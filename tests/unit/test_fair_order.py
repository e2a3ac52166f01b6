"""The order in which a whole team gets slots."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.db.generations import QueuedGeneration
from bot.worker.request_renderer import fair_order
from tests.support.fairness import Fairness

USERS = ("ann", "bob", "cai", "dou")

arrivals = st.lists(st.sampled_from(USERS), max_size=40)


def in_line(senders: list[str], *, at: int = 0) -> list[QueuedGeneration]:
    return [
        QueuedGeneration(generation_id=f"g{place}", request_id=f"r{place}", sender=sender, arrival=(float(place), 0))
        for place, sender in enumerate(senders, at)
    ]


def test_ten_prompts_of_one_person_do_not_stand_before_the_first_of_another() -> None:
    order = fair_order(in_line(["ann"] * 10 + ["bob"]), {})
    assert [one.sender for one in order[:3]] == ["ann", "bob", "ann"]


def test_who_was_served_least_recently_is_next() -> None:
    order = fair_order(in_line(["ann", "bob", "cai"]), {"ann": 20.0, "bob": 10.0})
    assert [one.sender for one in order] == ["cai", "bob", "ann"]


def test_an_interrupted_generation_comes_first() -> None:
    waiting = in_line(["ann", "bob"])
    hidden = QueuedGeneration(generation_id="g9", request_id="r9", sender="cai", arrival=(9.0, 0), begun=True)
    assert fair_order([*waiting, hidden], {"cai": 99.0})[0] == hidden


@given(senders=arrivals, served=st.dictionaries(st.sampled_from(USERS), st.floats(1, 100)))
def test_the_order_loses_nobody_and_keeps_each_persons_own_order(senders: list[str], served: dict[str, float]) -> None:
    waiting = in_line(senders)
    order = fair_order(waiting, served)
    assert sorted(one.generation_id for one in order) == sorted(one.generation_id for one in waiting)
    for user in USERS:
        own = [one.arrival for one in order if one.sender == user]
        assert own == sorted(own)


@given(senders=arrivals, served=st.dictionaries(st.sampled_from(USERS), st.floats(1, 100)))
def test_between_two_of_a_waiting_person_nobody_else_gets_two(senders: list[str], served: dict[str, float]) -> None:
    order = [one.sender for one in fair_order(in_line(senders), served)]
    for user in USERS:
        places = [place for place, sender in enumerate(order) if sender == user]
        for first, second in pairwise(places):
            between = order[first + 1 : second]
            assert all(between.count(other) <= 1 for other in USERS)


@given(steps=st.lists(st.sampled_from([*USERS, "serve"]), max_size=80))
def test_whoever_comes_meanwhile_a_waiting_person_is_passed_once_by_each(steps: list[str]) -> None:
    waiting: list[QueuedGeneration] = []
    served: dict[str, float] = {}
    fairness = Fairness()
    for moment, step in enumerate(steps, 1):
        if step != "serve":
            waiting += in_line([step], at=moment)
            continue
        if not waiting:
            continue
        first = fair_order(waiting, served)[0]
        waiting.remove(first)
        served[first.sender] = float(moment)
        fairness.serve(first.sender, waiting={one.sender for one in waiting})
