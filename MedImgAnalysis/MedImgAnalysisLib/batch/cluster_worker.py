"""What runs on a Dask worker: hands a case to a process of ours, and what that tells to the scheduler.

The process is that of the pool (`workers.Worker`): it has its own threads and main thread, can be stopped in the middle
of a case, and takes nothing but itself with it when it ends. A Dask worker keeps one for each case it runs at a time.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from typing import Any, NamedTuple

from .. import __version__
from ..errors import Cancelled, InputError
from ..machine import memory_text
from ..recipe import Recipe
from .case_memory import need_of
from .task import LAST, Answer
from .workers import CANCEL_SECONDS, Worker, stop

PROGRESS_SECONDS = 1.0
LOOK_SECONDS = 0.2
STOP_SECONDS = CANCEL_SECONDS + 5.0
IDLE_SECONDS = 30.0
"""How long a process waits for another case: the client may have been killed, and nobody says that the batch ended."""

Events = queue.Queue[tuple[Worker, Any]]


class _Idle(NamedTuple):
    """A process without a case, for so many threads, and what ends it when it gets none."""

    threads: int
    worker: Worker
    events: Events
    timer: threading.Timer


_lock = threading.Lock()
_idle: list[_Idle] = []
_cancelled: set[str] = set()
_ended: set[str] = set()
_running: Counter[str] = Counter()
"""By topic, how many cases run here."""
_completed: deque[tuple[str, str, str, list[Answer]]] = deque(maxlen=100)
"""Topic, case, attempt and answers of what was completed last."""


def run(task: dict[str, Any], topic: str) -> tuple[str, list[Answer]]:
    """Run a task in a process of ours; an id of this attempt, and all answers but progress, the last one ends it.

    Raises `Cancelled` when the batch is stopped or nobody waits for the case any more.
    """
    with _lock:
        _running[topic] += 1
    try:
        attempt, answers = _run(task, topic)
        _completed.append((topic, task["case"], attempt, answers))
        return attempt, answers
    finally:
        with _lock:
            _running[topic] -= 1


def _run(task: dict[str, Any], topic: str) -> tuple[str, list[Answer]]:
    import distributed

    place = distributed.get_worker()
    key = place.get_current_task()
    attempt = f"{place.address} {time.time_ns()}"
    answers: list[Answer] = []

    def tell(answer: Answer) -> None:
        place.log_event(topic, (task["case"], (attempt, len(answers), answer)))
        answers.append(answer)

    if task["version"] != __version__:
        tell({"failed": _other_version(task["version"], place.address).as_json()})
        return attempt, answers
    refused = _refusal(task, place)
    threads = int(task["threads"])
    worker, events = _take(threads)
    worker.send({**task, "refused": refused} if refused else task)
    alive, told = True, 0.0
    try:
        while not (answers and answers[-1].keys() & LAST):
            if topic in _cancelled or not _wanted(place, key):
                raise Cancelled()
            with suppress(queue.Empty):
                _, answer = events.get(timeout=LOOK_SECONDS)
                if answer is None:
                    alive = False
                    tell(worker.death())
                elif "progress" not in answer:
                    tell(answer)
                elif time.monotonic() - told >= PROGRESS_SECONDS:
                    told = time.monotonic()
                    place.log_event(topic, (task["case"], (attempt, -1, answer)))
    except Cancelled:
        alive = False
        stop([worker], cancel=True)
        # It may have been completed while it was being stopped.
        while not events.empty():
            _, answer = events.get()
            if answer is not None and answer.keys() & {"done", "kept"}:
                tell(answer)
                return attempt, answers
        raise
    if alive:
        _give_back(threads, worker, events, topic)
    return attempt, answers


def cancel(topic: str) -> None:
    """Stop what runs of a batch on this Dask worker."""
    _cancelled.add(topic)


async def end(topic: str) -> list[tuple[str, str, list[Answer]]]:
    """A batch has ended: wait for cases that are being stopped, and end the processes, which nobody needs any more.

    Returns case, attempt and answers of what was completed last: word of it may still be on its way.
    """
    _ended.add(topic)
    until = time.monotonic() + STOP_SECONDS
    while _running[topic] and time.monotonic() < until:
        await asyncio.sleep(0.02)
    close_idle()
    return [(case, attempt, answers) for of, case, attempt, answers in list(_completed) if of == topic]


def close_idle() -> None:
    """End the processes that wait for a case."""
    with _lock:
        idle = list(_idle)
        _idle.clear()
    for one in idle:
        one.timer.cancel()
    stop([one.worker for one in idle], cancel=False)


def _take(threads: int) -> tuple[Worker, Events]:
    with _lock:
        for number, one in enumerate(_idle):
            if one.threads == threads and one.worker.process.poll() is None:
                del _idle[number]
                one.timer.cancel()
                return one.worker, one.events
    fresh: Events = queue.Queue()
    return Worker(fresh, threads), fresh


def _give_back(threads: int, worker: Worker, events: Events, topic: str) -> None:
    timer = threading.Timer(IDLE_SECONDS, _close_if_idle, [worker])
    timer.daemon = True
    with _lock:
        # Under the lock: `end` first says that the batch has ended, then takes what is idle.
        kept = topic not in _ended
        if kept:
            _idle.append(_Idle(threads, worker, events, timer))
            timer.start()
    if not kept:
        stop([worker], cancel=False)


def _close_if_idle(worker: Worker) -> None:
    """End a process that has got no case."""
    with _lock:
        still = any(one.worker is worker for one in _idle)
        _idle[:] = [one for one in _idle if one.worker is not worker]
    if still:
        stop([worker], cancel=False)


def _wanted(place: Any, key: Any) -> bool:
    """Whether the scheduler still waits for this task: not when its client has gone."""
    tasks = getattr(getattr(place, "state", None), "tasks", None)
    state = tasks.get(key) if tasks is not None else None
    return getattr(state, "state", "executing") != "cancelled"


def _refusal(task: dict[str, Any], place: Any) -> str:
    """Why the case does not fit into the memory that this Dask worker was given; empty when it does."""
    limit = getattr(getattr(place, "memory_manager", None), "memory_limit", None)
    if task.get("refused") or not limit:
        return str(task.get("refused", ""))
    share = limit / max(1, place.state.nthreads)
    need = need_of(Recipe.from_data(task["recipe"]), task["inputs"])
    if need is None or need.bytes <= share:
        return ""
    return (
        f"The case needs about {need.text}; a Dask worker here has {memory_text(share)} a case. Give the workers "
        "more memory (--memory-limit) or fewer threads (--nthreads)."
    )


def _other_version(wanted: str, address: str) -> InputError:
    return InputError(
        f"The Dask worker {address} has MedImgAnalysis {__version__}, the batch was started with {wanted}; install the "
        "same version everywhere.",
        place=address,
    )
