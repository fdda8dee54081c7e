"""Finding model files: the order of the ways, and every way in which a download goes wrong."""

import contextlib
import gzip
import hashlib
import re
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from deepfake_generalize.data import assets
from deepfake_generalize.data.assets import (
    ASSETS,
    Asset,
    asset_status,
    cache_folder,
    find_asset,
    resolve,
)
from deepfake_generalize.errors import InputError, MissingAssetError

GOOD = b"a network, " * 1000
Serves = Callable[..., Asset]
VARIABLE = "DEEPFAKE_GENERALIZE_TEST_ASSET"


class Server(ThreadingHTTPServer):
    """Counts what it was asked, and can be told to let go of stalled requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.release = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Keep the test output clean."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.path.split("/")[1]
        if page == "absent":
            self.send_error(404)
            return
        body = b"another file" if page == "wrong" else GOOD
        if page in {"endless", "unpacked", "trickle", "slow-header"}:
            with contextlib.suppress(OSError):  # Whoever has enough hangs up.
                self.send_for_ever(page)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if page in {"truncated", "stalled"}:
            body = body[:100]
        self.wfile.write(body)
        self.wfile.flush()
        if page == "stalled":
            self.server.release.wait(10)

    def send_for_ever(self, page: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if page == "unpacked":
            self.wfile.write(b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(30_000_000)))
            return
        if page == "endless":
            self.wfile.write(b"\r\n")
            while True:
                self.wfile.write(bytes(100_000))
        self.wfile.write(b"X: " if page == "slow-header" else b"\r\n")
        while not self.server.release.wait(0.05):
            self.wfile.write(b"x")
            self.wfile.flush()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own, and no variable set by whoever runs the tests."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_CACHE", str(folder))
    for variable in {asset.variable for asset in ASSETS}:
        monkeypatch.delenv(variable, raising=False)
    return folder


@pytest.fixture
def served(server: Server, monkeypatch: pytest.MonkeyPatch) -> Serves:
    """A function that adds an asset, "test-asset", which is at some page of the server."""

    def add(page: str, *, address: str | None = None) -> Asset:
        address = address or f"http://127.0.0.1:{server.server_port}"
        url = f"{address}/{page}/network.bin"
        asset = Asset("test-asset", url, hashlib.sha256(GOOD).hexdigest(), VARIABLE, len(GOOD))
        monkeypatch.setattr(assets, "ASSETS", (*ASSETS, asset))
        return asset

    return add


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_the_table_is_complete_and_its_names_are_the_contract() -> None:
    assert {asset.name: asset.variable for asset in ASSETS} == {
        "face-full-range": "DEEPFAKE_GENERALIZE_FACE_MODEL",
        "face-short-range": "DEEPFAKE_GENERALIZE_FACE_MODEL_SHORT",
        "face-landmarks": "DEEPFAKE_GENERALIZE_LANDMARK_MODEL",
        "mesonet-deepfakes": "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS",
        "mesonet-face2face": "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS",
        "mesoinception-deepfakes": "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS",
        "mesoinception-face2face": "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS",
    }
    for asset in ASSETS:
        assert asset.url.startswith("https://")
        assert asset.url.endswith(f"/{asset.file_name}")
        assert len(bytes.fromhex(asset.sha256)) == 32
    assert len({asset.sha256 for asset in ASSETS}) == len(ASSETS)


@pytest.mark.parametrize(
    "name", [asset.name for asset in ASSETS if asset.name.startswith(("meso", "face-landmarks"))]
)
def test_the_checksums_are_those_of_the_real_files(name: str, shared_data, cache: Path) -> None:
    asset = find_asset(name)
    folder = "mediapipe" if name == "face-landmarks" else "mesonet/weights"
    file = shared_data(f"{folder}/{asset.file_name}")
    assert asset.most_bytes == file.stat().st_size
    cache.mkdir()
    (cache / asset.file_name).write_bytes(file.read_bytes())
    assert resolve(name) == cache / asset.file_name
    assert asset_status(name).how == "cache"


def test_a_download_is_announced_once_checked_and_cached(
    server: Server, served: Serves, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    served("good")
    level = pooch.get_logger().level
    found = resolve("test-asset")
    assert found == cache / "network.bin"
    assert found.read_bytes() == GOOD
    assert resolve("test-asset") == found
    assert server.asked == ["/good/network.bin"]
    assert files(cache) == ["network.bin"]
    assert capfd.readouterr() == ("", "downloading test-asset from 127.0.0.1 ...\n")
    assert pooch.get_logger().level == level


def test_the_order_is_argument_then_variable_then_cache(
    server: Server,
    served: Serves,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served("good")
    cached = resolve("test-asset")
    own, other = tmp_path / "own.bin", tmp_path / "folder" / "network.bin"
    other.parent.mkdir()
    own.write_bytes(b"mine")
    other.write_bytes(b"also mine")
    monkeypatch.setenv(VARIABLE, str(other.parent))
    assert resolve("test-asset", own) == own
    assert resolve("test-asset") == other
    monkeypatch.setenv(VARIABLE, "")
    assert resolve("test-asset") == cached


@pytest.mark.parametrize("where", ["argument", "variable"])
@pytest.mark.parametrize("what", ["nowhere.bin", "empty", "nul\0"])
def test_what_is_pointed_at_must_exist_and_is_never_replaced_by_a_download(
    where: str,
    what: str,
    server: Server,
    served: Serves,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if where == "variable" and "\0" in what:
        pytest.skip("an environment variable cannot hold NUL")
    (tmp_path / "empty").mkdir()
    path = tmp_path / what
    served("good")
    if where == "variable":
        monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(MissingAssetError) as caught:
        resolve("test-asset", path if where == "argument" else None)
    assert what.rstrip("\0") in str(caught.value)
    assert {"argument": "the path given", "variable": f"${VARIABLE}"}[where] in caught.value.message
    assert server.asked == []


@pytest.mark.parametrize(
    ("page", "cause"),
    [
        ("wrong", "it has another checksum than is expected"),
        ("absent", "404 Not Found"),
        ("truncated", "IncompleteRead(100 bytes read, 10900 more expected)"),
        ("stalled", "timed out"),
        ("endless", "it is larger than 11,000 bytes"),
        ("unpacked", "it is larger than 11,000 bytes"),
        ("trickle", "it is not done after 0.5 seconds"),
        ("slow-header", "it is not done after 0.5 seconds"),
    ],
)
def test_a_failed_download_names_its_cause_and_all_four_ways(
    page: str,
    cause: str,
    server: Server,
    served: Serves,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asset = served(page)
    # Where the server does answer, a machine that is slow must not be taken for one that is not.
    monkeypatch.setattr(assets, "TIMEOUT_S", 0.2 if page == "stalled" else 60.0)
    if page in {"trickle", "slow-header"}:
        monkeypatch.setattr(assets, "TOTAL_S", 0.5)
    with pytest.raises(MissingAssetError) as caught:
        resolve("test-asset")
    assert caught.value.message == (
        "expected to find or download test-asset, but the download from 127.0.0.1 failed "
        f"({cause})."
    )
    shown = "".join(traceback.format_exception(caught.value))
    assert not re.search("pooch|urllib3|requests", shown)
    for way in ("as an argument", f"${VARIABLE}", str(cache), "network.bin", asset.url):
        assert way in caught.value.hint
    assert server.asked == [f"/{page}/network.bin"]
    server.release.set()
    for thread in threading.enumerate():  # Who was given up ends at the next byte.
        if thread.daemon and thread.name.endswith("(_fetch)"):
            thread.join(30)
    assert files(cache) == []


def test_what_a_killed_download_left_is_removed(
    server: Server, served: Serves, cache: Path
) -> None:
    cache.mkdir()
    (cache / ".network.bin.abc.tmp").write_bytes(GOOD[:50])
    served("good")
    resolve("test-asset")
    assert files(cache) == ["network.bin"]


def test_a_link_in_the_cache_is_replaced_and_not_followed(
    server: Server, served: Serves, cache: Path, tmp_path: Path
) -> None:
    cache.mkdir()
    (tmp_path / "theirs").write_bytes(b"kept")
    (cache / "network.bin").symlink_to(tmp_path / "theirs")
    served("good")
    assert resolve("test-asset").read_bytes() == GOOD
    assert (tmp_path / "theirs").read_bytes() == b"kept"


def test_a_refused_connection_is_named(served: Serves, cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        served("good", address=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(MissingAssetError, match=r"127\.0\.0\.1 failed \(Connection refused"):
            resolve("test-asset")
    assert files(cache) == []


def test_a_host_without_an_address_is_named(served: Serves, cache: Path) -> None:
    served("good", address="http://nowhere.invalid")
    with pytest.raises(MissingAssetError, match=r"from nowhere\.invalid failed \(.*(name|Name)"):
        resolve("test-asset")


def test_a_damaged_cached_file_is_downloaded_again(
    server: Server, served: Serves, cache: Path
) -> None:
    cache.mkdir()
    (cache / "network.bin").write_bytes(GOOD[:50])
    served("good")
    assert resolve("test-asset").read_bytes() == GOOD


def test_a_damaged_cached_file_is_never_returned(
    server: Server, served: Serves, cache: Path
) -> None:
    cache.mkdir()
    (cache / "network.bin").write_bytes(GOOD[:50])
    served("absent")
    with pytest.raises(MissingAssetError, match="404"):
        resolve("test-asset")


def test_a_cache_that_cannot_be_written_is_reported(
    server: Server, served: Serves, cache: Path
) -> None:
    cache.write_text("a file where the folder should be")
    served("good")
    with pytest.raises(MissingAssetError, match=r"the download from 127\.0\.0\.1 failed"):
        resolve("test-asset")


def test_an_unknown_name_lists_the_known_ones() -> None:
    for call in (resolve, asset_status, find_asset):
        with pytest.raises(InputError, match=r"one of face-full-range, .*received 'dlib'"):
            call("dlib")


def test_the_status_says_where_an_asset_is_without_the_network(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, variable = "face-full-range", "DEEPFAKE_GENERALIZE_FACE_MODEL"
    status = asset_status(name)
    assert (status.found, status.how, status.problem) == (None, None, "")
    assert (status.variable, status.address) == (variable, find_asset(name).url)
    cache.mkdir()
    (cache / find_asset(name).file_name).write_bytes(b"damaged")
    status = asset_status(name)
    assert status.found is None
    assert "does not have the expected checksum" in status.problem
    model = tmp_path / "model.tflite"
    monkeypatch.setenv(variable, str(model))
    assert "leads to no file" in asset_status(name).problem
    model.write_bytes(b"any")
    status = asset_status(name)
    assert (status.found, status.how, status.problem) == (model, "environment", "")


def test_the_cache_is_the_platforms_unless_moved(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("DEEPFAKE_GENERALIZE_CACHE")
    assert cache_folder() == Path(pooch.os_cache("deepfake_generalize"))
