"""Finding model files: the order of the ways, and every way in which a download goes wrong."""

import hashlib
import re
import socket
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from deepfake_generalize.data.assets.resolve import (
    ASSETS,
    Asset,
    asset_status,
    cache_folder,
    find_asset,
    resolve,
    resolve_asset,
)
from deepfake_generalize.errors import InputError, MissingAssetError

GOOD = b"a network, " * 1000
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
        if self.path == "/absent":
            self.send_error(404)
            return
        body = b"another file" if self.path == "/wrong" else GOOD
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path in {"/truncated", "/stalled"}:
            body = body[:100]
        self.wfile.write(body)
        self.wfile.flush()
        if self.path == "/stalled":
            self.server.release.wait(10)


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


def asset_at(server: Server, page: str) -> Asset:
    return Asset(
        name="test-asset",
        file_name="network.bin",
        url=f"http://127.0.0.1:{server.server_port}/{page}",
        sha256=hashlib.sha256(GOOD).hexdigest(),
        variable=VARIABLE,
    )


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
    cache.mkdir()
    (cache / asset.file_name).write_bytes(file.read_bytes())
    assert resolve(name) == cache / asset.file_name
    assert asset_status(name).how == "cache"


def test_a_download_is_announced_once_checked_and_cached(
    server: Server, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asset = asset_at(server, "good")
    level = pooch.get_logger().level
    found = resolve_asset(asset)
    assert found == cache / "network.bin"
    assert found.read_bytes() == GOOD
    assert resolve_asset(asset) == found
    assert server.asked == ["/good"]
    assert files(cache) == ["network.bin"]
    assert capfd.readouterr() == ("", "downloading test-asset from 127.0.0.1 ...\n")
    assert pooch.get_logger().level == level


def test_the_order_is_argument_then_variable_then_cache(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = asset_at(server, "good")
    cached = resolve_asset(asset)
    own, other = tmp_path / "own.bin", tmp_path / "folder" / "network.bin"
    other.parent.mkdir()
    own.write_bytes(b"mine")
    other.write_bytes(b"also mine")
    monkeypatch.setenv(VARIABLE, str(other.parent))
    assert resolve_asset(asset, own) == own
    assert resolve_asset(asset) == other
    monkeypatch.setenv(VARIABLE, "")
    assert resolve_asset(asset) == cached


@pytest.mark.parametrize("where", ["argument", "variable"])
@pytest.mark.parametrize("what", ["nowhere.bin", "empty", "nul\0"])
def test_what_is_pointed_at_must_exist_and_is_never_replaced_by_a_download(
    where: str, what: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "variable" and "\0" in what:
        pytest.skip("an environment variable cannot hold NUL")
    (tmp_path / "empty").mkdir()
    asset, path = asset_at(server, "good"), tmp_path / what
    if where == "variable":
        monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(MissingAssetError) as caught:
        resolve_asset(asset, path if where == "argument" else None)
    assert what.rstrip("\0") in str(caught.value)
    assert {"argument": "the path given", "variable": f"${VARIABLE}"}[where] in caught.value.message
    assert server.asked == []


@pytest.mark.parametrize(
    ("page", "cause"),
    [
        ("wrong", "what 127.0.0.1 sent has another checksum than is expected"),
        ("absent", "127.0.0.1 answered 404 (Not Found)"),
        ("truncated", "the connection to 127.0.0.1 broke off"),
        ("stalled", "the download from 127.0.0.1 timed out"),
    ],
)
def test_a_failed_download_names_its_cause_and_all_four_ways(
    page: str, cause: str, server: Server, cache: Path
) -> None:
    asset = asset_at(server, page)
    # Where the server does answer, a machine that is slow must not be taken for one that is not.
    timeout_s = 0.2 if page == "stalled" else 60.0
    with pytest.raises(MissingAssetError) as caught:
        resolve_asset(asset, timeout_s=timeout_s)
    assert caught.value.message == (
        f"expected to find or download the file of test-asset, but {cause}."
    )
    shown = "".join(traceback.format_exception(caught.value))
    assert not re.search("pooch|urllib3|requests", shown)
    for way in ("as an argument", f"${VARIABLE}", str(cache / "network.bin"), asset.url):
        assert way in caught.value.hint
    assert files(cache) == []
    assert server.asked == [f"/{page}"]


def test_a_refused_connection_is_named(server: Server, cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        asset = replace(
            asset_at(server, "good"), url=f"http://127.0.0.1:{unused.getsockname()[1]}/good"
        )
        with pytest.raises(MissingAssetError, match=r"but 127\.0\.0\.1 refused the connection\."):
            resolve_asset(asset)
    assert files(cache) == []


def test_a_host_without_an_address_is_named(server: Server, cache: Path) -> None:
    asset = replace(asset_at(server, "good"), url="http://nowhere.invalid/network.bin")
    with pytest.raises(MissingAssetError, match=r"but nowhere\.invalid could not be found"):
        resolve_asset(asset)


def test_a_damaged_cached_file_is_downloaded_again(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "network.bin").write_bytes(GOOD[:50])
    assert resolve_asset(asset_at(server, "good")).read_bytes() == GOOD


def test_a_damaged_cached_file_is_never_returned(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "network.bin").write_bytes(GOOD[:50])
    with pytest.raises(MissingAssetError, match="404"):
        resolve_asset(asset_at(server, "absent"))


def test_a_cache_that_cannot_be_written_is_reported(server: Server, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(MissingAssetError, match="the download failed"):
        resolve_asset(asset_at(server, "good"))


def test_an_unknown_name_lists_the_known_ones() -> None:
    for call in (resolve, asset_status, find_asset):
        with pytest.raises(InputError, match=r"received 'dlib'.*face-full-range"):
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
    assert "found no file" in asset_status(name).problem
    model.write_bytes(b"any")
    status = asset_status(name)
    assert (status.found, status.how, status.problem) == (model, "environment", "")


def test_the_cache_is_the_platforms_unless_moved(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("DEEPFAKE_GENERALIZE_CACHE")
    assert cache_folder() == Path(pooch.os_cache("deepfake_generalize"))
