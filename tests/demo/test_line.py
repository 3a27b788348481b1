"""The line in front of the model: one at a time, in order, bounded, and free to leave."""

from __future__ import annotations

import threading
import time

import pytest

from demo.errors import Busy
from demo.line import Line
from vasa_core.errors import Cancelled


def wait_until(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def test_one_at_a_time_and_first_come_first_served() -> None:
    line, order, inside, most = Line(), [], [], []
    seen: dict[int, list[int]] = {number: [] for number in range(4)}

    def work(number: int) -> None:
        with line.turn(seen[number].append):
            inside.append(number)
            most.append(len(inside))
            order.append(number)
            time.sleep(0.02)
            inside.remove(number)

    workers = []
    with line.turn():
        for number in range(4):
            workers.append(threading.Thread(target=work, args=(number,)))
            workers[-1].start()
            wait_until(lambda number=number: seen[number] == [number + 1])
    for worker in workers:
        worker.join(120)
    assert order == [0, 1, 2, 3] and max(most) == 1
    assert seen[3] == [4, 3, 2, 1]  # told of every step forward


def test_who_waits_is_told_for_how_long() -> None:
    line, told = Line(), []
    assert line.forecast(1) is None  # nobody has been served yet
    with line.turn():
        time.sleep(0.2)
    assert line.forecast(3) == pytest.approx(0.6, rel=0.3)
    with line.turn():
        assert line.forecast(1) == pytest.approx(1.0)  # never less than a second while somebody is at work
        worker = threading.Thread(target=lambda: line.turn(told.append).__enter__(), daemon=True)
        worker.start()
        wait_until(lambda: told == [1, 1])  # again after a second, though nobody moved


def test_a_full_line_says_so() -> None:
    line, waiting = Line(longest=1), []
    with line.turn():
        worker = threading.Thread(target=lambda: line.turn(waiting.append).__enter__(), daemon=True)
        worker.start()
        wait_until(lambda: waiting == [1])
        with pytest.raises(Busy, match="waiting already"), line.turn():
            pass


def test_who_leaves_the_line_gives_the_place_up() -> None:
    line, gone, fate = Line(), threading.Event(), []

    def wait() -> None:
        try:
            with line.turn(cancelled=gone.is_set):
                fate.append("worked")
        except Cancelled:
            fate.append("left")

    with line.turn():
        worker = threading.Thread(target=wait)
        worker.start()
        gone.set()
        worker.join(120)
    assert fate == ["left"]
    with line.turn():  # nobody is in the way
        pass


def test_a_failure_inside_frees_the_line() -> None:
    line = Line()
    with pytest.raises(ValueError), line.turn():
        raise ValueError
    with line.turn(cancelled=lambda: True):  # at work already: the worker itself asks from here on
        pass


def test_one_address_has_few_places_and_others_still_get_in() -> None:
    line, waiting = Line(), []
    with line.turn(who="192.0.2.1"):
        worker = threading.Thread(target=lambda: line.turn(waiting.append, who="192.0.2.1").__enter__(), daemon=True)
        worker.start()
        wait_until(lambda: waiting == [1])
        with pytest.raises(Busy, match="your address"), line.turn(who="192.0.2.1"):
            pass
        with pytest.raises(Cancelled), line.turn(cancelled=lambda: True, who="192.0.2.2"):
            pass  # let in, but left before the turn came
