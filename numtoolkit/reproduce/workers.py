"""Who computes cells: cores of this machine, by joblib, or the workers of a Dask cluster.

An executor takes a function of a cell and cells, and gives each cell and what the function makes of it, as they come.
It knows nothing of results and of stores: the function is the same here and there, and keeps what it computes itself.
A worker that dies costs the cells it was at, which others are given; one that kills its worker again and again ends
the job. Names of files begin in the working folder of whoever asks, wherever a cell is computed.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Collection, Generator, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import chdir, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import resource_tracker
from threading import Lock
from typing import Any, Protocol, TypeVar

from numtoolkit import references
from numtoolkit.errors import InputError, WorkerError, brief, counted
from numtoolkit.files.result_store import Cell

MOST_WORKERS = 256
MOST_DEATHS = 3  # of workers, one after the other, with no result between them
IDLE_SECONDS = 60  # after which a process without a cell ends
POLL_SECONDS = 0.2  # between looks at what other workers are at
PATIENCE_SECONDS = 60  # with a cluster that has no workers
CONNECT_SECONDS = 30
ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:[0-9]{1,5}")

T = TypeVar("T")


class Executor(Protocol):
    """Computes a function of cells, in any order."""

    def __call__(self, work: Callable[[Cell], T], cells: Collection[Cell], /) -> Iterator[tuple[Cell, T]]:
        """Each of the cells and what `work` makes of it, as they come; where that raises, so does this.

        work     a function that pickles, of arguments that do
        cells    distinct ones
        raises   WorkerError where workers die over cells, or are gone
        """


def cores() -> int:
    """How many processes this machine runs at once, as far as this one may use it."""
    from joblib import cpu_count

    return min(int(cpu_count()), MOST_WORKERS)


@contextmanager
def executor(workers: int = 1, cluster: str | None = None) -> Iterator[Executor]:
    """An executor, until the context ends.

    workers  processes of this machine; 1 for this one
    cluster  address of the scheduler of a Dask cluster, in place of them
    raises   InputError for an address where no scheduler answers
    """
    if cluster is None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", RENEWED, UserWarning)
            yield partial(_on_cores, workers)
        return
    with _connected(cluster) as client:
        yield partial(_on_cluster, client)


@dataclass(frozen=True)
class _Task:
    """A function of a cell as another process is to call it.

    folder   in which names of files begin
    imports  whether references may be taken
    parent   process without which nothing is computed, where its workers would not know that it died
    """

    work: Callable[[Cell], Any]
    parent: int | None = None
    folder: str = field(default_factory=os.getcwd)
    imports: bool = field(default_factory=references.allowed)

    def __call__(self, cell: Cell) -> tuple[Cell, Any]:
        if self.parent not in (None, os.getppid()):
            return cell, None  # nobody hears of it
        permission = references.allow_imports() if self.imports else nullcontext()
        with _ONE_AT_A_TIME, warnings.catch_warnings(), self._there(), permission:
            warnings.simplefilter("ignore", RuntimeWarning)  # of overflow, as the command line has it
            try:
                return cell, self.work(cell)
            except (Exception, SystemExit) as error:  # where it was raised is not known in another process
                told = references.blamed(error)
                if told is None:
                    raise
                raise told from None

    def _there(self) -> chdir[str]:
        if not os.path.isdir(self.folder):
            raise InputError(f"a worker has no folder {self.folder!r}; start workers where that is seen.")
        return chdir(self.folder)


# A process has one working folder and one count of threads, and a worker of a cluster may have several cells.
_ONE_AT_A_TIME = Lock()


# --- this machine

# What joblib warns of when a worker whose memory has grown, as a first network makes it, leaves and another one comes.
# Where warnings are errors, its thread that deals the cells would end by it, and the job would wait for ever.
RENEWED = "A worker stopped while some jobs were given to the executor"


def _on_cores(workers: int, work: Callable[[Cell], T], cells: Collection[Cell]) -> Iterator[tuple[Cell, T]]:
    left, deaths = dict.fromkeys(cells), 0
    processes = min(workers, len(left))  # and not of what is left later on: this process must outlive its workers
    while left:
        results = _in_processes(processes, work, list(left))
        try:
            for cell, result in results:
                del left[cell]
                deaths = 0
                yield cell, result
        except BrokenProcessPool:
            deaths += 1
            suspects = list(left)[: 3 * processes]  # two a worker wait beside the one it is at
            if deaths == MOST_DEATHS:
                raise _killed(f"{deaths} workers died", suspects) from None
            for cell in suspects:  # after all others, so that one that kills its worker stops none of them
                left[cell] = left.pop(cell)
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # joblib's, of a job that ends before its cells
                results.close()


def _in_processes(
    workers: int, work: Callable[[Cell], T], cells: Collection[Cell]
) -> Generator[tuple[Cell, T], None, None]:
    """The same in so many processes, until one of them dies; in this one where one is enough."""
    if workers == 1:
        return ((cell, work(cell)) for cell in cells)
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=IDLE_SECONDS):
        parallel = Parallel(workers, batch_size=1, return_as="generator_unordered")
    task = _Task(work, os.getpid())
    with _no_interrupts():
        return parallel(delayed(task)(cell) for cell in cells)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Threads and processes begun here hear of no interrupt for good; one meanwhile comes to this thread afterwards.

    A terminal interrupts every process that it runs. This one ends its workers, which would say where they were.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # it would let them through again as it begins, up to Python 3.12
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- a cluster


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """The client of a Dask cluster."""
    if not ADDRESS.fullmatch(address):
        raise InputError(f"{brief(address)!r} is no address of a Dask scheduler; give tcp://HOST:PORT.")
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise InputError("a cluster needs Dask; pip install 'numtoolkit[cluster]'.") from None
    with _hushed():
        try:
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {brief(address)!r}; start one by `dask scheduler`, which says where."
            ) from error
        try:
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=CONNECT_SECONDS)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without what Dask logs of connections that end: what it comes to is said in a sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _on_cluster(client: Any, work: Callable[[Cell], T], cells: Collection[Cell]) -> Iterator[tuple[Cell, T]]:
    from distributed import as_completed

    asked = dict(zip(client.map(_Task(work), list(cells), pure=False), cells, strict=True))
    try:
        coming, seen = as_completed(asked, loop=client.loop), time.monotonic()
        while not coming.is_empty():
            ready = coming.next_batch(block=False)
            for future in ready:
                if future.status in ("pending", "lost"):  # the worker that held its result died; it is computed again
                    coming.add(future)
                else:
                    yield _answer(future, asked[future])
            if not ready:
                seen = time.monotonic() if _has_workers(client) else seen
                if time.monotonic() - seen > PATIENCE_SECONDS:
                    raise WorkerError("the cluster has no workers; start some by `dask worker ADDRESS --nthreads 1`.")
                time.sleep(POLL_SECONDS)
    finally:
        with suppress(Exception):
            client.cancel(list(asked))


def _has_workers(client: Any) -> bool:
    if client.status != "running":
        raise WorkerError("the scheduler of the cluster is gone; start it again, and go on.")
    return bool(client.nthreads())


def _answer(future: Any, cell: Cell) -> Any:
    """What a task has returned; where it has raised, that."""
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise WorkerError("the scheduler of the cluster is gone; start it again, and go on.")
    try:
        return future.result()
    except KilledWorker:
        raise _killed("several workers died", [cell]) from None


def _killed(what: str, cells: Collection[Cell]) -> WorkerError:
    first, *others = cells
    more = f", or at one of {counted(len(others), 'more cell')}" if others else ""
    return WorkerError(f"{what} at {first.address}{more}, perhaps for want of memory: try fewer --workers; it is "
                       f"{brief(first.text, 200)}.")  # fmt: skip
