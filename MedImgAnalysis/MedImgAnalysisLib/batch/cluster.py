"""A batch on Dask: each case is a task of the cluster, and what it tells comes back through the scheduler."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from .. import __version__
from ..errors import InputError, MedImgError, MissingPackageError
from ..progress import SILENT, Progress
from ..provenance import software
from . import cluster_worker
from .admission import Admission, Running, resident
from .task import LAST, Answer
from .workers import OnAnswer

CONNECT_SECONDS = 30
RESULT_SECONDS = 30
ALIKE = ("python", "SimpleITK", "numpy", "scipy")
"""Software whose version may shift results in the last digits."""
NOISY = ("distributed", "tornado", "asyncio")
NOBODY = "127.0.0.1:0"
"""Where the status pages of a cluster in this process are: Dask has no way to leave them out."""
SUBMIT = 500
"""Tasks that are sent at once."""


class Cluster:
    """A Dask cluster that is there already.

    A case goes to another worker when its worker is lost, as often as the scheduler allows (`allowed-failures`,
    3 by default); then it fails. Each Dask worker runs its cases in a process of ours, so a case that ends its
    process fails alone, and the Dask worker stays.
    """

    def __init__(self, address: str, threads: int) -> None:
        self.address, self.threads = address, threads

    def describe(self) -> dict[str, Any]:
        """For the journal."""
        return {"executor": f"dask {self.address}", "threads": self.threads}

    def run(self, tasks: Sequence[dict[str, Any]], on_answer: OnAnswer, progress: Progress = SILENT) -> None:
        """Run tasks, see `executors.Executor`."""
        with _quiet(), self._client() as client:
            check_versions(client, progress)
            _Submitted(client, self.address, on_answer).run(self._ready(tasks), None, progress)

    def _ready(self, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**task, "threads": self.threads, "version": __version__} for task in tasks]

    @contextmanager
    def _client(self) -> Iterator[Any]:
        distributed = package()
        where = {"scheduler_file": self.address} if os.path.isfile(self.address) else {"address": self.address}
        try:
            client = distributed.Client(**where, timeout=CONNECT_SECONDS, set_as_default=False, name="medimg")
        except (OSError, ValueError, TypeError, ImportError) as error:
            text = " ".join(str(error).split())
            raise InputError(
                f"There is no Dask scheduler at {self.address}: {text or type(error).__name__}.", address=self.address
            ) from None
        try:
            yield client
        finally:
            client.close(timeout=5)


class LocalDask(Cluster):
    """A scheduler and a worker of Dask in this process; the cases run in processes of ours, as many as `workers`."""

    def __init__(self, workers: int, threads: int, admission: Admission | None = None) -> None:
        super().__init__("local", threads)
        self.workers = workers
        self._admission = admission or Admission()

    def describe(self) -> dict[str, Any]:
        """For the journal."""
        return {"executor": "dask local", "workers": self.workers, "threads": self.threads}

    def run(self, tasks: Sequence[dict[str, Any]], on_answer: OnAnswer, progress: Progress = SILENT) -> None:
        """Run tasks, see `executors.Executor`. A case starts when its planned memory fits, as in `workers.Pool`."""
        with _quiet(), self._client() as client:
            held = _Held(self._admission, self.workers)
            _Submitted(client, "local", on_answer).run(self._ready(tasks), held, progress)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        distributed = package()
        with (
            distributed.LocalCluster(
                n_workers=1,
                threads_per_worker=self.workers,
                processes=False,
                dashboard_address=NOBODY,
                worker_dashboard_address=NOBODY,
                scheduler_kwargs={"dashboard": False},
                memory_limit=0,
                silence_logs=False,
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield client
            cluster_worker.close_idle()


class _Held:
    """Cases that wait here for memory, since the scheduler does not know what they need."""

    def __init__(self, admission: Admission, workers: int) -> None:
        self._admission, self._workers = admission, workers
        self._running: dict[str, Running] = {}

    def next(self, waiting: list[dict[str, Any]], on_answer: OnAnswer) -> dict[str, Any] | None:
        """The next case that may start, taken out of `waiting`."""
        if len(self._running) >= self._workers:
            return None
        start = self._admission.choose(waiting, self._running.values())
        if start is None:
            return None
        task = waiting.pop(start.index)
        self._running[task["case"]] = Running(start.need)
        if start.note:
            on_answer(task, {"note": start.note})
        return {**task, "refused": start.refused} if start.refused else task

    def started(self, case: str, process: int) -> None:
        """The case runs in this process of this computer."""
        if case in self._running:
            self._running[case].process, self._running[case].before = process, resident(process)

    def ended(self, task: dict[str, Any]) -> None:
        """The case takes no memory any more."""
        self._running.pop(task["case"], None)
        self._admission.done(task)


class _Submitted:
    """The tasks that the cluster has, and what it says of them."""

    def __init__(self, client: Any, address: str, on_answer: OnAnswer) -> None:
        self._client, self._address, self._on_answer = client, address, on_answer
        self._events: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self._open: dict[str, tuple[dict[str, Any], Any]] = {}
        self._told: dict[str, int] = {}
        """By attempt, how many of its answers have been handed over."""
        self._lost = False

    def run(self, tasks: list[dict[str, Any]], held: _Held | None, progress: Progress) -> None:
        """Submit all tasks, one by one as `held` lets them, and hand over what they tell."""
        waiting = tasks
        topic = f"medimg-{tasks[0]['token'] if tasks else ''}"
        self._client.subscribe_topic(topic, lambda event: self._events.put(("event", *event[1])))
        try:
            while waiting or self._open:
                if held is None:
                    self._submit(waiting[:SUBMIT], topic)
                    waiting = waiting[SUBMIT:]
                else:
                    while waiting and (task := held.next(waiting, self._on_answer)) is not None:
                        self._submit([task], topic)
                progress.check()
                with suppress(queue.Empty):
                    self._take(*self._events.get(timeout=0.05 if waiting else 0.1), held)
        finally:
            self._end(topic, held)

    def _submit(self, tasks: list[dict[str, Any]], topic: str) -> None:
        if not tasks:
            return
        futures = self._client.map(
            cluster_worker.run, tasks, key=[f"{topic}-{task['case']}" for task in tasks], pure=False, topic=topic
        )
        for task, future in zip(tasks, futures, strict=True):
            case = task["case"]
            self._open[case] = (task, future)
            future.add_done_callback(lambda _, case=case: self._events.put(("ended", case, None)))

    def _take(self, kind: str, case: str, content: Any, held: _Held | None) -> None:
        if case not in self._open:
            return
        task, future = self._open[case]
        if kind == "event":
            attempt, number, answer = content
            if number < 0:
                self._on_answer(task, answer)
            elif number == self._told.get(attempt, 0):
                self._hand_over(task, attempt, [answer], held)
            return
        try:
            attempt, answers = future.result(timeout=RESULT_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever the cluster says of a case is the case's own
            self._lost = self._lost or _is_lost(error)
            self._hand_over(task, f"lost {case}", [{"failed": _why(error, self._address)}], held)
        else:
            self._hand_over(task, attempt, answers[self._told.get(attempt, 0) :], held)

    def _hand_over(self, task: dict[str, Any], attempt: str, answers: list[Answer], held: _Held | None) -> None:
        """Each answer once; the last one of a case ends it, whether it comes as an event or as the result."""
        for answer in answers:
            self._told[attempt] = self._told.get(attempt, 0) + 1
            if held is not None and "started" in answer:
                held.started(task["case"], answer["started"])
            if answer.keys() & LAST:
                del self._open[task["case"]], self._told[attempt]
                if held is not None:
                    held.ended(task)
            self._on_answer(task, answer)

    def _end(self, topic: str, held: _Held | None) -> None:
        """Stop what still runs, wait for it, and hand over what was completed meanwhile."""
        if self._lost:  # nobody is there to be told
            return
        late: dict[str, Any] = {}
        with suppress(Exception):
            if self._open:
                self._client.run(cluster_worker.cancel, topic, on_error="ignore")
                self._client.cancel([future for _, future in self._open.values()])
            late = self._client.run(cluster_worker.end, topic, on_error="ignore")
            self._client.unsubscribe_topic(topic)
        for case, attempt, answers in (entry for entries in late.values() for entry in entries):
            if case in self._open and answers[-1].keys() & {"done", "kept"}:
                self._hand_over(self._open[case][0], attempt, answers[self._told.get(attempt, 0) :], held)


def _is_lost(error: Exception) -> bool:
    """Whether the scheduler does not answer, or knows nothing of the case any more."""
    return type(error).__name__ in ("CancelledError", "FutureCancelledError", "CommClosedError", "TimeoutError")


def _why(error: Exception, address: str) -> dict[str, Any]:
    """The error of a case that the cluster could not bring to its end."""
    name = type(error).__name__
    if name == "KilledWorker":
        times = getattr(error, "allowed_failures", 0) + 1
        return MedImgError(
            f"{times} workers of the cluster were lost while they ran this case; most likely it needs more memory than "
            "a worker has."
        ).as_json() | {"kind": "WorkerDied"}
    if _is_lost(error):
        return MedImgError(
            f"The Dask scheduler at {address} is gone or has dropped this case; the same command goes on."
        ).as_json() | {"kind": "SchedulerLost"}
    if isinstance(error, MedImgError):
        return error.as_json()
    return {"kind": name, "message": " ".join(str(error).split()) or name}


def check_versions(client: Any, progress: Progress) -> None:
    """Raise `InputError` unless scheduler and workers have this version of MedImgAnalysis.

    Workers that join later are asked when they get their first case.
    """
    own = dict(software())

    def versions() -> dict[str, str]:
        # Sent as code, not by name: the package may not be there.
        try:
            from MedImgAnalysisLib.provenance import software
        except ImportError:
            return {}
        return dict(software())

    found = {"the scheduler": client.run_on_scheduler(versions)}
    found |= {f"the worker {address}": answer for address, answer in client.run(versions).items()}
    for place, theirs in found.items():
        if theirs.get("MedImgAnalysis") != own["MedImgAnalysis"]:
            has = f"MedImgAnalysis {theirs['MedImgAnalysis']}" if theirs else "no MedImgAnalysis"
            raise InputError(
                f"{place[0].upper()}{place[1:]} has {has}, this program is {own['MedImgAnalysis']}; install the same "
                "version everywhere.",
                place=place,
            )
    other = sorted(
        {f"{name} {theirs[name]}" for theirs in found.values() for name in ALIKE if theirs.get(name) != own[name]}
    )
    if other:
        progress.warn(
            f"The cluster has other versions than this computer ({', '.join(other)}); results can differ in the last "
            "digits."
        )


def package() -> Any:
    """`distributed`; `MissingPackageError` says how to install it."""
    try:
        import distributed
    except ImportError:
        raise MissingPackageError(
            'A batch on Dask needs the packages dask and distributed: pip install "dask[distributed]".',
            package="distributed",
        ) from None
    return distributed


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs about lost connections is said by the cases; lines of it would stand between ours."""
    package()  # makes its loggers, each with a level of its own
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in NOISY]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
