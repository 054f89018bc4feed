"""Downloads from a real server on this machine that breaks, lies and refuses on demand."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator

import pytest

from acclimate.core.errors import ChecksumError, DataError, RunError
from acclimate.data import download as module
from acclimate.data.download import download
from acclimate.data.files import FileFinder, RemoteFile

CONTENT = bytes(i * 7 % 251 for i in range(100_000))
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT at any path; ``break_after`` gives the bytes of the next answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.break_after: list[int] = []
        self.ranges = True
        self.content = CONTENT

    def url(self, path: str = "file.bin") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        if self.path == "/gone":
            self.send_error(404)
            return
        content = self.server.content
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = start + self.server.break_after.pop(0) if self.server.break_after else None
        self.wfile.write(content[start:stop])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "cache" / "file.bin"


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_whole_file_with_progress(server, destination, checksum):
    seen = []
    path = download(
        [server.url()], destination, checksum=checksum, progress=lambda *call: seen.append(call)
    )
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("file.bin", len(CONTENT), len(CONTENT))
    assert not destination.with_name("file.bin.part").exists()
    download([server.url()], destination, checksum=checksum)
    assert len(server.requests) == 1


def test_broken_connections_are_continued(server, destination):
    server.break_after = [30_000, 20_000]
    download([server.url()], destination, checksum=MD5)
    assert destination.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=30000-", "bytes=50000-"]


def test_a_later_call_continues_the_part(server, destination):
    server.break_after = [40_000, 0, 0, 0]
    with pytest.raises(DataError, match="connection lost after 40000 of 100000 bytes"):
        download([server.url()], destination, checksum=MD5)
    assert not destination.exists()
    assert destination.with_name("file.bin.part").stat().st_size == 40_000
    server.break_after = []
    server.requests.clear()
    download([server.url()], destination, checksum=MD5)
    assert destination.read_bytes() == CONTENT
    assert server.requests == [("/file.bin", "bytes=40000-")]


def test_a_server_without_ranges_starts_again(server, destination):
    server.ranges = False
    server.break_after = [30_000]
    download([server.url()], destination, checksum=MD5)
    assert destination.read_bytes() == CONTENT


def test_wrong_content_names_both_checksums_and_leaves_nothing(server, destination):
    server.content = b"a page that says the file has moved"
    actual = hashlib.md5(server.content).hexdigest()
    with pytest.raises(ChecksumError, match=actual) as caught:
        download([server.url()], destination, checksum=MD5)
    assert MD5 in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(destination.parent.glob("file.bin*")) in (
        [],
        [destination.with_name("file.bin.lock")],
    )


def test_a_part_of_something_else_is_fetched_anew(server, destination):
    part = destination.with_name("file.bin.part")
    part.parent.mkdir()
    for stale in (b"x" * 500, b"x" * 200_000):
        part.write_bytes(stale)
        destination.unlink(missing_ok=True)
        download([server.url()], destination, checksum=MD5)
        assert destination.read_bytes() == CONTENT


def test_mirrors_are_asked_in_order(server, destination):
    closed = "http://127.0.0.1:9/file.bin"
    urls = [closed, server.url("gone"), server.url("good")]
    download(urls, destination, checksum=MD5)
    assert destination.read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/gone", "/good"]


def test_no_mirror_delivers(server, destination):
    with pytest.raises(DataError, match="HTTP 404 Not Found") as caught:
        download([server.url("gone")], destination, checksum=MD5)
    assert str(destination) in str(caught.value)


def test_a_silent_server_times_out(destination):
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/file.bin"
        with pytest.raises(DataError, match="timed out"):
            download([url], destination, checksum=MD5, timeout=0.05)


def test_no_disk_space_is_said_before_the_download(server, destination):
    with pytest.raises(DataError, match=r"no disk space .* MiB needed"):
        download([server.url()], destination, checksum=MD5, size=2**60)
    assert server.requests == []


def test_disk_full_while_writing(server, destination, monkeypatch):
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_receive", full)
    with pytest.raises(RunError, match="no disk space left"):
        download([server.url()], destination, checksum=MD5)


def test_two_at_once_fetch_once(server, destination):
    threads = [
        threading.Thread(
            target=download, args=([server.url()], destination), kwargs={"checksum": MD5}
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert destination.read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_finder_looks_in_data_then_cache_then_downloads(server, tmp_path, monkeypatch):
    data = tmp_path / "data"
    (data / "other").mkdir(parents=True)
    monkeypatch.setenv("ACCLIMATE_DATA", str(data))
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    remote = RemoteFile(
        filename="file.bin",
        urls=(server.url(),),
        checksum=MD5,
        split="train",
        folders=("toy", "other"),
        other_names=("file",),
    )
    with pytest.raises(DataError, match=r"file\.bin is in none of"):
        FileFinder(download=False).obtain(remote)
    fetched = FileFinder().obtain(remote)
    assert fetched == tmp_path / "cache" / "toy" / "file.bin"
    (data / "other" / "file").write_bytes(b"mine")
    assert FileFinder().obtain(remote) == data / "other" / "file"
