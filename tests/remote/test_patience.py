"""How long a caller waits for a service that is away, and what it is told of that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest

from dreamlake_pipeline.client.events import Waiting
from dreamlake_pipeline.client.telling import telling
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.remote import patience as patience_module
from dreamlake_pipeline.remote.away import Away, seconds_of
from dreamlake_pipeline.remote.patience import Patience, Stopped


def away(reason: str = "it is away", **more: float) -> Away:
    return Away(Code.UNREACHABLE, "It does not answer.", reason=reason, **more)  # type: ignore[arg-type]


def failing(times: float, fault: Callable[[], Exception] = away) -> Callable[[], int]:
    """An attempt that fails so many times, and then returns how often it was made."""
    made = 0

    def attempt() -> int:
        nonlocal made
        made += 1
        if made <= times:
            raise fault()
        return made

    return attempt


def test_what_passes_is_tried_until_it_succeeds() -> None:
    assert Patience(60).call("BSS", failing(4)) == 5


def test_patience_ends() -> None:
    began = time.monotonic()
    with pytest.raises(Away, match="does not answer"):
        Patience(0.5).call("BSS", failing(1e9))
    assert 0.5 <= time.monotonic() - began < 30
    with pytest.raises(Away):
        Patience(60, until=time.monotonic() + 0.2).call("BSS", failing(1e9))


def test_nobody_waits_long_where_nobody_has_ever_answered() -> None:
    patience = Patience(60, unheard=0.2)
    with pytest.raises(Away):
        patience.call("BSS", failing(1e9))
    assert Patience(60, unheard=0.0).call("BSS", failing(3, lambda: _proxied())) == 4  # a proxy has
    patience.call("BSS", lambda: None)
    assert patience.call("BSS", failing(5)) == 6


def _proxied() -> Away:
    return Away(Code.UNREACHABLE, "502", is_answer=True)


def test_what_does_not_pass_is_not_tried_again() -> None:
    def refuse() -> None:
        raise DreamlakeError(Code.FORBIDDEN, "No.")

    with pytest.raises(DreamlakeError, match="No"):
        Patience(60).call("BSS", refuse)


def test_retry_after_is_kept() -> None:
    began = time.monotonic()
    assert Patience(60).call("BSS", failing(1, lambda: away(retry_after=0.7))) == 2
    assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7), ("", 0), ("soon", 0), ("-1", 0), ("99999999999999", 600), ("1.5", 0)]
)
def test_a_number_of_seconds_in_retry_after(said: str, seconds: float) -> None:
    assert seconds_of({"Retry-After": said}) == seconds


def test_a_date_in_retry_after() -> None:
    assert 50 < seconds_of({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60
    assert seconds_of({"Retry-After": formatdate(time.time() - 60, usegmt=True)}) == 0


def test_an_outage_is_told_once_for_all_who_wait_and_so_is_its_end() -> None:
    told: list[Waiting] = []
    patience = Patience(60, on_wait=told.append)
    ends = time.monotonic() + 3

    def attempt() -> None:
        if time.monotonic() < ends:
            raise away("it refuses connections")

    threads = [threading.Thread(target=patience.call, args=("BSS", attempt)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [(one.service, one.reason, one.is_over) for one in told] == [
        ("BSS", "it refuses connections", False),
        ("BSS", "it answers again", True),
    ]
    assert told[0].seconds >= 2 and told[1].seconds >= 3 and told[0].since == told[1].since


def test_a_blip_is_not_told() -> None:
    told: list[Waiting] = []
    Patience(60, on_wait=told.append).call("BSS", failing(3))
    assert told == []


def test_who_waits_goes_on_as_soon_as_somebody_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience_module, "_FIRST_PAUSE", 600.0)
    monkeypatch.setattr(patience_module, "_LONGEST_PAUSE", 600.0)
    patience, is_up, done = Patience(3600), threading.Event(), threading.Event()

    def attempt() -> None:
        if not is_up.is_set():
            raise away()

    def wait() -> None:
        patience.call("BSS", attempt)
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(1)  # by now it pauses
    is_up.set()
    patience.call("BSS", failing(0))
    assert done.wait(60)
    thread.join()


def test_a_stop_ends_the_waiting() -> None:
    patience = Patience(3600)
    threading.Timer(0.3, patience.stopping.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        patience.call("BSS", failing(1e9))
    assert time.monotonic() - began < 30


def test_a_generator_tells_whom_it_waits_for_while_it_waits() -> None:
    patience, ended = Patience(3600), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            patience.call("BSS", failing(1e9))
        finally:
            ended.set()

    events = telling(patience, items())
    assert next(events) == 1
    waiting = next(events)
    assert isinstance(waiting, Waiting) and waiting.service == "BSS" and not waiting.is_over
    events.close()  # type: ignore[attr-defined]
    assert ended.wait(60)
