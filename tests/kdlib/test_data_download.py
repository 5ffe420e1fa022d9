"""Finding and fetching the Dubai images, on a server of our own: nothing here asks the network."""

import errno
import functools
import http.server
import json
import os
import re
import tempfile
import threading
import time

import kagglehub
import numpy as np
import pytest
import requests

from kdlib import data
from kdlib.data import _download as download
from kdlib.data import _integrity as integrity
from kdlib.data import dubai

from . import tiny_dubai


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The tiny data set takes the place of the published one; its own folder is not found."""
    folder = tmp_path / "published"
    tiny_dubai.write(folder)
    expected = tiny_dubai.manifest_of(folder)
    for module in (integrity, download):
        monkeypatch.setattr(module, "manifest", lambda: expected)
    monkeypatch.delenv("KD_DUBAI_DIR", raising=False)
    monkeypatch.setenv("KD_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def kaggle(published, monkeypatch):
    """Replace kagglehub's download by a list of outcomes: a folder to give, or an error."""
    outcomes, calls = [], []

    def dataset_download(handle, force_download):
        calls.append(force_download)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome)

    monkeypatch.setattr(kagglehub, "dataset_download", dataset_download)
    monkeypatch.setattr(download, "_answers", lambda: True)
    return outcomes, calls


@pytest.fixture
def small_city(monkeypatch):
    """Draw two small images where the whole city would take seconds."""
    small = functools.partial(data.synthetic.city, n_images=2, size=64)
    monkeypatch.setattr(data.synthetic, "city", small)


def cache_of(published):
    return sorted(path.name for path in (published.parent / "cache").glob("*"))


def damage(folder):
    """Change one byte of a mask, which leaves it as long as it was."""
    path = tiny_dubai.paths(folder, 2, 1)[1]
    changed = bytearray(path.read_bytes())
    changed[-20] ^= 255
    path.write_bytes(changed)


# The folder that KD_DUBAI_DIR names.


def test_the_manifest_lists_the_published_files():
    listed = integrity.manifest()
    assert len(listed) == 145 and "classes.json" in listed
    assert {len(digest) for digest in listed.values()} == {64}
    assert f"Tile {8}/masks/image_part_009.png" in listed


@pytest.mark.parametrize("deeper", ["", "Semantic segmentation dataset"])
def test_the_named_folder_is_read(published, monkeypatch, deeper):
    folder = published.parent / "mine" / deeper
    tiny_dubai.write(folder)
    monkeypatch.setenv("KD_DUBAI_DIR", str(published.parent / "mine"))
    images = data.load("dubai")
    assert (images.name, len(images)) == ("dubai", 4) and "Humans in the Loop" in images.credit


def test_named_folder_missing(published, monkeypatch):
    monkeypatch.setenv("KD_DUBAI_DIR", str(published / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"nowhere is no folder. Set KD_DUBAI_DIR"):
        data.load("dubai")


def test_named_folder_empty(published, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("KD_DUBAI_DIR", str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="holds no folder 'Tile 1'.*load\\('city'\\)"):
        data.load("dubai")


def test_half_a_data_set(published, monkeypatch):
    monkeypatch.setenv("KD_DUBAI_DIR", str(published))
    for part in (1, 2):
        for path in tiny_dubai.paths(published, 2, part):
            path.unlink()
    with pytest.raises(
        FileNotFoundError, match="4 of 8 files are missing.*Tile 2/images.*Copy the"
    ):
        data.load("dubai")


def test_checksum_that_fails(published, monkeypatch):
    monkeypatch.setenv("KD_DUBAI_DIR", str(published))
    damage(published)
    with pytest.raises(
        ValueError, match="1 of 8 files .* differ .*Tile 2/masks/image_part_001.png"
    ):
        data.load("dubai")


def test_only_auto_falls_back_and_says_why(published, small_city, monkeypatch, capsys):
    monkeypatch.setenv("KD_DUBAI_DIR", str(published / "nowhere"))
    assert data.load("auto").name == "city"
    printed = capsys.readouterr().out
    assert "cannot be had. the Dubai images:" in printed and "nowhere is no folder" in printed
    assert "Using the procedural city instead: 2 images" in printed
    assert data.load("city").name == "city"
    assert capsys.readouterr().out == ""


def test_auto_says_that_it_found_the_images(published, monkeypatch, capsys):
    monkeypatch.setenv("KD_DUBAI_DIR", str(published))
    assert data.load().name == "dubai"
    assert capsys.readouterr().out == "Using the Dubai images: 4 photographs.\n"


def test_unknown_source():
    with pytest.raises(ValueError, match="'auto', 'dubai' or 'city'; got 'Dubai'"):
        data.load("Dubai")


# The download, with kagglehub replaced.


def test_a_download_lands_in_the_cache_and_is_not_repeated(published, kaggle):
    outcomes, calls = kaggle
    outcomes.append(published)
    first = data.load("dubai")
    assert cache_of(published) == ["dubai"] and calls == [False]
    assert data.load("dubai").fingerprint() == first.fingerprint()
    assert calls == [False]


def test_download_cut_off_in_the_middle(published, kaggle):
    outcomes, calls = kaggle
    outcomes.append(requests.exceptions.ChunkedEncodingError("Connection broken: IncompleteRead"))
    with pytest.raises(
        ConnectionError, match="broke off .*IncompleteRead.* goes on where it stopped"
    ):
        data.load("dubai")
    assert cache_of(published) == []
    outcomes.append(published)
    assert len(data.load("dubai")) == 4


def test_damaged_download_is_fetched_anew(published, kaggle, tmp_path):
    outcomes, calls = kaggle
    tiny_dubai.write(tmp_path / "damaged")
    damage(tmp_path / "damaged")
    outcomes += [tmp_path / "damaged", published]
    assert len(data.load("dubai")) == 4
    assert calls == [False, True]


@pytest.mark.parametrize("how", ["damaged", "half", "empty"])
def test_download_that_stays_wrong_is_never_read(published, kaggle, tmp_path, how):
    outcomes, calls = kaggle
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    if how != "empty":
        tiny_dubai.write(wrong, tiles=(1,) if how == "half" else (1, 2))
    if how == "damaged":
        damage(wrong)
    outcomes += [wrong, wrong]
    with pytest.raises(ConnectionError, match="what came is not the published data set"):
        data.load("dubai")
    assert calls == [False, True] and cache_of(published) == []


def test_a_cached_copy_that_was_damaged_is_replaced(published, kaggle, capsys):
    outcomes, calls = kaggle
    outcomes += [published, published]
    first = data.load("dubai")
    damage(published.parent / "cache" / "dubai")
    assert data.load("dubai").fingerprint() == first.fingerprint()
    assert "cached copy is not whole" in capsys.readouterr().out
    assert calls == [False, False] and cache_of(published) == ["dubai"]


def test_killed_between_copying_and_renaming(published, kaggle, monkeypatch):
    outcomes, calls = kaggle
    outcomes += [published, published]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            data.load("dubai")
    assert cache_of(published) == []
    assert len(data.load("dubai")) == 4


def test_two_processes_that_download_at_once(published, kaggle):
    outcomes, _ = kaggle
    outcomes.append(published)
    target = published.parent / "cache" / "dubai"
    with download._staging(target) as folder:
        download._copy(published, folder)
        data.load("dubai")  # another process is faster
        download._put_in_place(folder, target)
    assert cache_of(published) == ["dubai"]
    integrity.verify(target)


def test_read_only_cache_is_noticed_before_anything_is_downloaded(published, kaggle, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError, match="cache .*Read-only file system.*Set KD_CACHE_DIR"):
        data.load("dubai")
    assert kaggle[1] == []


def test_cache_below_a_file(published, kaggle, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("KD_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(PermissionError, match="cannot be written"):
        data.load("dubai")


def test_read_only_cache_that_holds_the_images_is_read(published, kaggle, monkeypatch):
    kaggle[0].append(published)
    first = data.load("dubai")
    for name in ("mkdtemp", "mkstemp"):
        monkeypatch.setattr(tempfile, name, lambda *_, **__: pytest.fail("wrote to the cache"))
    assert data.load("dubai").fingerprint() == first.fingerprint()


# The real kagglehub, against a server on this machine.


class Kaggle(http.server.BaseHTTPRequestHandler):
    """The three answers of Kaggle that a download needs; the first archive breaks off half-way."""

    archive = b""
    breaks = 1
    ranges = ()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if "GetDataset" in self.path:
            body = json.dumps({"currentVersionNumber": 1}).encode()
            self.answer(200, body, {"Content-Type": "application/json"})
        else:
            self.answer(302, b"", {"Location": f"http://{self.headers['Host']}/archive.zip"})

    def do_GET(self):
        if self.path != "/archive.zip":
            self.answer(404, b"", {})
            return
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        type(self).ranges += (start,)
        body = self.archive[start:]
        kind = {"Content-Type": "application/zip", "Accept-Ranges": "bytes"}
        if self.breaks > 0:
            type(self).breaks -= 1
            self.answer(200, body[: len(body) // 2], kind, length=len(body))
        else:
            self.answer(206 if start else 200, body, kind)

    def answer(self, status, body, headers, length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        """Stay quiet."""


@pytest.fixture
def server(published, monkeypatch, tmp_path):
    """A Kaggle on this machine, with the tiny data set; padded, so that half of it is a chunk."""
    (published / "padding.bin").write_bytes(np.random.default_rng(0).bytes(3 << 20))
    handler = type("Handler", (Kaggle,), {"archive": b"", "ranges": ()})
    handler.archive = tiny_dubai.pack(published, tmp_path / "archive.zip").read_bytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}"
        kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
        monkeypatch.setattr(download, "_SERVER", address)
        monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
        for name in (
            "KAGGLE_USERNAME",
            "KAGGLE_KEY",
            "KAGGLE_API_TOKEN",
            "HTTP_PROXY",
            "http_proxy",
        ):
            monkeypatch.delenv(name, raising=False)
        yield handler
        running.shutdown()


def test_a_download_is_taken_up_where_it_broke_off(published, server, capfd):
    with pytest.raises(ConnectionError, match="broke off"):
        data.load("dubai")
    assert cache_of(published) == []
    images = data.load("dubai")
    assert len(images) == 4 and cache_of(published) == ["dubai"]
    started = max(server.ranges)
    assert 0 < started <= len(server.archive) // 2
    assert "100%" in capfd.readouterr().err  # the progress bar


def test_no_network_is_noticed_and_named(published, small_city, monkeypatch, capsys):
    monkeypatch.setattr(download, "_SERVER", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(ConnectionError, match="did not answer within 4 seconds: no network"):
        data.load("dubai")
    assert data.load().name == "city"
    assert "no network? Set KD_DUBAI_DIR" in capsys.readouterr().out


def test_a_network_that_swallows_everything_is_given_up(published, monkeypatch):
    release = threading.Event()

    def swallow(*_, **__):
        release.wait(20)
        raise OSError("timed out")

    monkeypatch.setattr(download, "_PATIENCE", 0.2)
    monkeypatch.setattr(download.urllib.request, "urlopen", swallow)
    with pytest.raises(ConnectionError, match="did not answer"):
        data.load("dubai")
    release.set()


# The real images.


def test_the_real_images_have_the_published_shares(run_time):
    tiny_dubai.real_folder()
    start = time.process_time()
    images = dubai.load()
    run_time("reading the Dubai images, processor time", time.process_time() - start)
    patches = data.cut(images)
    assert np.bincount(patches.tile)[1:].tolist() == [54, 18, 36, 108, 144, 81, 504, 360]
    shares = 100 * data.class_shares(patches.labels)
    np.testing.assert_allclose(shares, [13.2, 53.3, 9.3, 10.2, 13.0, 1.0], atol=0.06)
    split = data.split(patches, images)
    data.check_disjoint(split)
    data.check_classes(split)
    # 870 minus the 55 that show ground of the test or validation set
    assert [len(split.train), len(split.validation), len(split.test)] == [815, 145, 290]
