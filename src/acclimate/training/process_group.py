"""Several processes that live and die together: what ends one of them ends all, with its reason.

``Launcher`` starts the processes of this machine as Fabric's does and, unlike it, neither kills
this one without a word nor leaves others behind. ``together`` is for what the processes do as a
group.
"""

from __future__ import annotations

import _thread
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from lightning_fabric.utilities.distributed import _set_num_threads_if_needed

from acclimate.core.errors import AcclimateError, ConfigurationError, RunError
from acclimate.training.lifeline import Address, Lifeline, Trouble

#: which process has started this one; set by ``Launcher`` for those it starts
MAIN = "ACCLIMATE_MAIN_PROCESS"

_LOOK = 0.2  # seconds between two looks at the processes of this machine
_POLITE = 1.0  # for a process to make the same mistake itself, and say so in its own words
_GRACE = 10.0  # to come out of what it is doing; a collective of NCCL never does
_COMMUNICATION = re.compile(
    r"gloo|nccl|connection (closed|reset)|peer|socket|process group|store|broken pipe", re.I
)


class LostProcessError(RunError):
    """Another process of the group has ended before its time."""


class Launcher(_SubprocessScriptLauncher):
    """Starts this command line once for every further device of this machine."""

    def launch(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        environment = self.cluster_environment
        try:
            environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        except ValueError as error:
            raise ConfigurationError(_mismatch(environment, self)) from error
        if not environment.creates_processes_externally:
            os.environ[MAIN] = str(os.getpid())
            self._call_children_scripts()
            del os.environ[MAIN]
            _start(_watch_children, self.procs)
        elif os.environ.get(MAIN, "").isdecimal():
            _start(_watch_parent, int(os.environ[MAIN]))
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)


def _mismatch(environment: Any, launcher: Launcher) -> str:
    wanted, found = launcher.num_processes * launcher.num_nodes, environment.world_size()
    return (
        f"--devices {launcher.num_processes} and --nodes {launcher.num_nodes} are {wanted} "
        f"processes, but {found} were started: give numbers whose product is {found}"
    )


# -- as long as there is no group: from the start of the processes to that of ``together`` --------

_formed = threading.Event()


def _start(target: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=target, args=arguments, daemon=True, name="processes").start()


def _watch_children(children: list[subprocess.Popen[bytes]]) -> None:
    """Stop where a process that this one has started is gone before there is a group to say so."""
    while not _formed.is_set():
        for number, child in enumerate(children, 1):
            if child.poll() and not _formed.is_set():
                message = (
                    f"process {number + 1} {_end(child.returncode)}; what it said stands above"
                )
                _leave(message, children)
        _formed.wait(_LOOK)


def _watch_parent(parent: int) -> None:
    """Stop where the process that has started this one is gone; a group stops by itself first."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    if _formed.is_set():
        time.sleep(_GRACE)
    _leave(None, [])


def _leave(message: str | None, children: list[subprocess.Popen[bytes]]) -> None:
    """End this process from any thread, whatever it is waiting for."""
    for child in children:
        child.kill()
    if message is not None:
        # nobody else can say it: the main thread hangs in a call that never returns
        sys.stderr.write(f"error: {message}\n")
        sys.stderr.flush()
    os._exit(2)


def _end(code: int | None) -> str:
    if code is None:
        return "has gone without a word"
    if code >= 0:
        return f"has ended early with exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"was killed ({name}{', perhaps for want of memory' if -code == 9 else ''})"
    return f"was killed by signal {-code}"


# -- the group ------------------------------------------------------------------------------------

_group: _Group | None = None
_spoken_for: bool | None = None


@contextmanager
def together(
    fabric: Fabric, way_on: str = "go on from the last checkpoint with --resume"
) -> Iterator[None]:
    """Whatever ends one process inside, an error or a kill, ends the others within seconds.

    They raise ``LostProcessError``, which names the process and its reason in one line; a process
    that cannot come out of a collective is ended by force. Nothing happens where ``fabric``,
    which has to be launched, has one process, or inside another ``together``. ``way_on``: what to do
    then.
    """
    global _group
    if fabric.world_size == 1 or _group is not None:
        yield
        return
    group = _group = _Group(fabric, way_on)
    try:
        with group.interruptible():
            yield
    except BaseException as error:
        lost = group.failed(error)
        if lost is None or isinstance(error, LostProcessError):
            raise
        raise LostProcessError(lost) from error
    else:
        group.lifeline.done()
    finally:
        group.over.set()
        group.lifeline.close()
        _group = None


def spoken_for() -> bool | None:
    """Whether another process says what has ended this one's group; ``None`` where nothing has."""
    return _spoken_for


class _Group:
    """What a process knows of its group: the line to the others, and what has happened to them."""

    def __init__(self, fabric: Fabric, way_on: str) -> None:
        self.way_on = way_on
        self.rank, self.count = fabric.global_rank, fabric.world_size
        launcher = fabric.strategy.launcher
        self.children = launcher.procs if isinstance(launcher, Launcher) else []
        self.trouble: Trouble | None = None
        self.first_is_gone = False
        self.known, self.over = threading.Event(), threading.Event()
        address: Address | None = None
        if self.rank == 0:
            self.lifeline = Lifeline(0, None, self._heard)
            address = self.lifeline.address
        address = fabric.broadcast(address)
        if self.rank > 0:
            self.lifeline = Lifeline(self.rank, address, self._heard)
        # from here on everybody's line stands
        fabric.barrier()
        _formed.set()

    def _heard(self, trouble: Trouble) -> None:
        """In the lifeline's thread: get the main thread out of what it is doing."""
        if trouble.reason is None:
            self.first_is_gone = trouble.process == 0
            trouble = trouble._replace(reason=_end(self._code_of(trouble.process)))
        else:
            # the same mistake is often made by all of them
            self.over.wait(_POLITE)
        self.trouble = trouble
        self.known.set()
        end = time.monotonic() + _GRACE
        while not self.over.is_set():
            if time.monotonic() > end:
                _leave(self._words() if self._speaks() else None, self.children)
            _thread.interrupt_main(signal.SIGTERM)
            self.over.wait(1.0)

    def _code_of(self, process: int) -> int | None:
        """The exit code of a process that has just gone, where this one has started it."""
        if self.rank > 0 or process > len(self.children):
            return None
        with suppress(subprocess.TimeoutExpired):
            return self.children[process - 1].wait(2.0)
        return None

    def failed(self, error: BaseException) -> str | None:
        """What another process has done to this one; ``None``, and the others told, if it did it itself."""
        global _spoken_for
        if _is_communication(error):
            self.known.wait(5.0)
        own = isinstance(error, AcclimateError) and not isinstance(error, LostProcessError)
        self.over.set()
        lost = None if own or self.trouble is None else self._words()
        if lost is None:
            self.lifeline.fail(_in_one_line(error))
        _spoken_for = not self._speaks()
        self._see_off_children()
        return lost

    def _speaks(self) -> bool:
        """Whether this process says it: the first one does, or the second where it is the first that died."""
        return self.rank == (1 if self.first_is_gone else 0)

    def _words(self) -> str:
        assert self.trouble is not None
        process, reason = self.trouble
        return f"process {process + 1} of {self.count} {reason}; the others have stopped: {self.way_on}"

    def _see_off_children(self) -> None:
        """Let those that this process has started end, or end them."""
        end = time.monotonic() + _GRACE
        for child in self.children:
            try:
                child.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within it, the group's trouble and SIGTERM reach the main thread as exceptions."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def end(number: int, frame: FrameType | None) -> None:
            if self.over.is_set() or sys.exc_info()[1] is not None:
                # on its way out already, and perhaps writing down that it failed
                return
            # who ends a whole group, torchrun for one, does so after one of it has died
            if self.known.wait(0.5):
                raise LostProcessError(self._words())
            raise SystemExit(128 + number)

        before = signal.signal(signal.SIGTERM, end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def _is_communication(error: BaseException) -> bool:
    if isinstance(error, AcclimateError) or not isinstance(error, RuntimeError):
        return False
    return type(error).__name__.startswith("Dist") or bool(_COMMUNICATION.search(str(error)))


def _in_one_line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "was interrupted"
    if isinstance(error, SystemExit):
        return "was asked to end"
    text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if not isinstance(error, AcclimateError):
        text = f"{type(error).__name__}: {text}"
    return f"failed: {text}"
