"""A line from every process to process 0: who fails says why, and who dies is missed at once.

The system closes a dead process's sockets, whatever killed it, so the others learn of it without
asking; collectives of gloo notice it, too, but cannot say why, and those of NCCL wait.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from acclimate.core.errors import RunError

_PATIENCE = 60.0  # seconds for a first connection
_HELLO = 5.0  # for who calls to say who it is
_LONGEST = 1 << 16  # bytes of one message


class Trouble(NamedTuple):
    """Why a group has to stop; ``reason`` is ``None`` where ``process`` was gone without a word."""

    process: int
    reason: str | None


class Address(NamedTuple):
    """Where process 0 listens; ``token`` tells its own group from anybody else who calls."""

    host: str
    port: int
    token: str


class Lifeline:
    """One process's end of the lines; ``heard`` is called, in a thread, with the first trouble.

    Args:
        rank: this process's number.
        address: where process 0 listens; ``None`` on process 0, whose ``address`` is to be told.
        heard: is called once at most, and never after ``close``.

    Raises ``RunError`` where process 0 cannot be reached.
    """

    def __init__(
        self, rank: int, address: Address | None, heard: Callable[[Trouble], None]
    ) -> None:
        self.rank, self._heard = rank, heard
        self._lock = threading.Lock()
        self._lines: dict[int, socket.socket] = {}
        self._done: set[int] = set()
        self._over = False
        self._selector = selectors.DefaultSelector()
        self._waker, woken = socket.socketpair()
        self._selector.register(woken, selectors.EVENT_READ)
        if address is None:
            self.address = self._listen()
        else:
            self.address = address
            self._add(0, _called(address, rank))
        self._thread = threading.Thread(target=self._run, daemon=True, name="lifeline")
        self._thread.start()

    def fail(self, reason: str) -> None:
        """Tell the others why this process stops."""
        self._over = True
        self._send({"rank": self.rank, "failed": reason})

    def done(self) -> None:
        """Tell the others that this process ends because its work is done."""
        self._over = True
        self._send({"rank": self.rank, "done": True})

    def close(self) -> None:
        """Hang up."""
        self._over = True
        with suppress(OSError):
            self._waker.send(b".")
        self._thread.join(5.0)
        for key in list(self._selector.get_map().values()):
            with suppress(OSError):
                key.fileobj.close()  # type: ignore[union-attr]
        self._waker.close()
        self._selector.close()

    # -- process 0 ----------------------------------------------------------------------------

    def _listen(self) -> Address:
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        local = host in ("127.0.0.1", "localhost")
        listening = socket.create_server(("127.0.0.1" if local else "", 0))
        self._selector.register(listening, selectors.EVENT_READ, self._accept)
        port: int = listening.getsockname()[1]
        return Address("127.0.0.1" if local else host, port, secrets.token_hex(16))

    def _accept(self, listening: socket.socket) -> None:
        line, _ = listening.accept()
        line.settimeout(_HELLO)
        rank = self._rank_of(_read(line))
        if rank is None:
            line.close()
        else:
            self._add(rank, line)

    def _rank_of(self, hello: dict[str, Any] | None) -> int | None:
        """The number of the process that calls; ``None`` for anybody who is not of this group."""
        rank, token = (None, "") if hello is None else (hello.get("rank"), hello.get("token"))
        known = hmac.compare_digest(str(token).encode(), self.address.token.encode())
        return rank if known and isinstance(rank, int) else None

    # -- the thread ---------------------------------------------------------------------------

    def _add(self, rank: int, line: socket.socket) -> None:
        _keep_alive(line)
        with self._lock:
            self._lines[rank] = line
        self._selector.register(line, selectors.EVENT_READ, lambda line: self._hear(rank, line))

    def _run(self) -> None:
        while not self._over:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data(key.fileobj)

    def _hear(self, rank: int, line: socket.socket) -> None:
        message = _read(line)
        if message is None:
            self._selector.unregister(line)
            with self._lock:
                del self._lines[rank]
            line.close()
            if rank not in self._done:
                self._told(Trouble(rank, None))
        elif "failed" in message:
            self._told(Trouble(message["rank"], message["failed"]))
        elif "done" in message:
            self._done.add(rank)

    def _told(self, trouble: Trouble) -> None:
        if self._over:
            return
        self._over = True
        if self.rank == 0:
            self._send({"rank": trouble.process, "failed": trouble.reason}, but=trouble.process)
        self._heard(trouble)

    def _send(self, message: dict[str, Any], but: int | None = None) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._lock:
            for rank, line in self._lines.items():
                if rank != but:
                    with suppress(OSError):  # it has gone itself
                        line.sendall(data)


def _called(address: Address, rank: int) -> socket.socket:
    try:
        line = socket.create_connection(address[:2], timeout=_PATIENCE)
    except OSError as error:
        raise RunError(
            f"process {rank + 1} cannot reach the first one at {address.host}:{address.port} "
            f"({error.strerror or error}): machines of one run must reach each other"
        ) from error
    line.sendall(json.dumps({"rank": rank, "token": address.token}).encode() + b"\n")
    return line


def _read(line: socket.socket) -> dict[str, Any] | None:
    """The next message; ``None`` where the other side has gone, or talks nonsense."""
    data = bytearray()
    try:
        while not data.endswith(b"\n") and len(data) < _LONGEST:
            byte = line.recv(1)
            if not byte:
                return None
            data += byte
        message = json.loads(data)
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def _keep_alive(line: socket.socket) -> None:
    """Let the system ask after a machine that has said nothing for 15 seconds; it may be without power."""
    line.settimeout(_PATIENCE)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
