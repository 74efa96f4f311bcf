"""The gallery: what it says, what it links to and keeps, and that it works in a browser from disk."""

import base64
import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from flows.layout import GALLERY, GALLERY_PICTURES
from flows.results import gallery
from flows.results.gallery import write_gallery
from flows.results.outcomes import Outcomes, PairOutcome, Summary
from pst_core.errors import OutputError
from pst_core.pictures import thumbnail
from pst_core.quality.measures import LISTED
from pst_core.store import open_store

pytestmark = pytest.mark.usefixtures("pst_home")

SHADES = {"content": 0.2, "style": 0.5, "result": 0.8}
# A script's end, markup, and all that a path may have and an address may not.
ODD_NAMES = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    'a b/100% #1?/it\'s "so" & so',
    "日本/ünï\u0308 \U0001f3d4",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
)


def keep_picture(shade, height=40, width=60):
    """A small grey picture in the store."""
    data = thumbnail(np.full((3, height, width), shade, np.float32), 60)
    return open_store().put(data, "preview", "jpg")


def make_outcome(out, name, *, shade=0.0, folder=True, **fields):
    """A finished pair with its folder and its small pictures."""
    place = out / name
    if folder:
        place.mkdir(parents=True, exist_ok=True)
        for file in ("result.png", "report.json"):
            (place / file).write_bytes(b"-")
    previews = {role: keep_picture(value + shade) for role, value in SHADES.items()}
    return PairOutcome(
        **{
            "name": name,
            "state": "done",
            "folder": str(place),
            "picture": str(place / "result.png"),
            "previews": previews,
        }
        | fields
    )


def write(out, *outcomes, total=None):
    kept = Outcomes.of(outcomes)
    return write_gallery(Summary(out=out, outcomes=kept, total=len(kept) if total is None else total))


class Scripts(HTMLParser):
    """A page's script and style elements, and every attribute in it."""

    def __init__(self, page):
        super().__init__()
        self.inside, self.texts, self.tags = None, [], []
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else None

    def handle_data(self, data):
        if self.inside:
            self.texts.append(data)
            self.inside = None


def data_of(page):
    (text,) = [text for text in Scripts(page).texts if text.startswith("{")]
    return json.loads(text)


def rows_of(page):
    return {row["name"]: row for row in data_of(page)["pairs"]}


def test_pictures_and_links_lead_to_files_inside_the_folder(tmp_path):
    out = tmp_path / "out"
    outcomes = [make_outcome(out, name, shade=0.01 * index) for index, name in enumerate(ODD_NAMES)]
    page = write(out, *outcomes)
    assert page == out / "gallery.html"
    rows = rows_of(page)
    assert list(rows) == list(ODD_NAMES)
    for outcome in outcomes:
        row = rows[outcome.name]
        for file in ("result.png", "report.json"):
            address = urlsplit(row["links"][file])
            assert (address.scheme, address.netloc, address.query, address.fragment) == ("", "", "", "")
            assert out / unquote(address.path) == Path(outcome.folder) / file
        for role, preview in outcome.previews.items():
            copy = out / GALLERY_PICTURES / row["pictures"][role]
            assert copy.read_bytes() == open_store().read(preview)


def test_the_page_holds_no_markup_but_its_own(tmp_path):
    plain = Scripts(write(tmp_path / "plain", make_outcome(tmp_path / "plain", "a")))
    out = tmp_path / "<b>&\"'"
    outcomes = [
        make_outcome(out, name, shade=0.01 * place, notes=(name, "<p>note"))
        for place, name in enumerate(ODD_NAMES)
    ]
    odd = write(out, *outcomes, PairOutcome(name="x", state="failed", error="<script>alert(1)</script>"))
    assert [tag for tag, _ in Scripts(odd).tags] == [tag for tag, _ in plain.tags]
    assert "<title>&lt;b&gt;&amp;" in odd.read_text()
    assert rows_of(odd)["x"]["why"] == "<script>alert(1)</script>"


def test_nothing_comes_from_elsewhere_and_only_hashed_code_runs(tmp_path):
    found = Scripts(write(tmp_path, make_outcome(tmp_path, "a")))
    (policy,) = [
        attrs["content"] for _, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and "unsafe" not in policy
    for rule in ("style-src", "script-src"):
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", rules[rule])
    addresses = [attrs[key] for _, attrs in found.tags for key in ("src", "href") if key in attrs]
    assert addresses == ["data:,"]  # the icon that no browser shall look for
    assert not [key for _, attrs in found.tags for key in attrs if key == "style" or key.startswith("on")]


def test_a_batch_gives_the_same_bytes_again_and_writes_no_picture_twice(tmp_path):
    outcomes = [make_outcome(tmp_path, name) for name in ("a", "b")]  # with the same pictures
    first = write(tmp_path, *outcomes).read_bytes()
    pictures = {path: path.stat().st_ino for path in (tmp_path / GALLERY_PICTURES).iterdir()}
    assert len(pictures) == 3
    shutil.rmtree(open_store().root)  # what is beside the page needs no store
    assert write(tmp_path, *outcomes).read_bytes() == first
    assert {path: path.stat().st_ino for path in (tmp_path / GALLERY_PICTURES).iterdir()} == pictures


@pytest.mark.parametrize("spoil", [lambda raw: b"", lambda raw: raw[:-9], lambda raw: bytes(len(raw))])
def test_a_picture_that_a_power_cut_spoilt_is_written_again(tmp_path, spoil):
    outcome = make_outcome(tmp_path, "a")
    write(tmp_path, outcome)
    before = {path: path.read_bytes() for path in (tmp_path / GALLERY_PICTURES).iterdir()}
    for path, raw in before.items():
        path.write_bytes(spoil(raw))
    write(tmp_path, outcome)
    assert {path: path.read_bytes() for path in (tmp_path / GALLERY_PICTURES).iterdir()} == before


def test_pictures_are_on_the_disk_before_a_page_shows_them(tmp_path, monkeypatch):
    there = []
    monkeypatch.setattr(
        gallery,
        "sync_file_system",
        lambda folder: there.append([path.name for path in tmp_path.glob("*.html")]),
    )
    write(tmp_path, make_outcome(tmp_path, "a"))
    assert there == [[]] and (tmp_path / GALLERY).is_file()


def test_only_own_pictures_that_no_row_shows_are_removed(tmp_path):
    gone, kept = make_outcome(tmp_path, "a"), make_outcome(tmp_path, "b", shade=0.1)
    write(tmp_path, gone, kept)
    folder = tmp_path / GALLERY_PICTURES
    before = {path.name for path in folder.iterdir()}
    foreign = {"holiday.jpg", "0" * 32 + ".png", "0" * 31 + ".jpg", "A" * 32 + ".jpg"}
    for name in foreign:
        (folder / name).write_bytes(b"mine")
    (folder / ("1" * 32 + ".jpg")).mkdir()
    write(tmp_path, kept, total=2)
    assert before < {path.name for path in folder.iterdir()}  # an interrupted batch goes on
    write(tmp_path, kept)
    left = {path.name for path in folder.iterdir()} - foreign - {"1" * 32 + ".jpg"}
    assert left == set(rows_of(tmp_path / "gallery.html")["b"]["pictures"].values()) and len(left) == 3
    assert foreign < {path.name for path in folder.iterdir()}


def test_rows_without_a_picture_say_why(tmp_path):
    lost = make_outcome(tmp_path, "lost")
    open_store().path_of(lost.previews["result"]).unlink()
    altered = make_outcome(tmp_path, "altered", shade=0.1)
    open_store().path_of(altered.previews["result"]).write_bytes(thumbnail(np.zeros((3, 40, 60)), 60))
    skipped = make_outcome(tmp_path, "skipped", shade=0.2, state="skipped", previews={})
    failed = PairOutcome(name="failed", state="failed", error="It is no photograph.")
    nowhere = PairOutcome(name="nowhere", state="done", folder=str(tmp_path / "removed"))
    rows = rows_of(write(tmp_path, lost, altered, skipped, failed, nowhere))
    assert list(rows) == ["lost", "altered", "skipped", "failed"]
    assert not any(row["pictures"] for row in rows.values())
    for name in ("lost", "altered"):
        assert "no longer in the store" in rows[name]["why"]
    assert "was left as it is" in rows["skipped"]["why"] and rows["skipped"]["links"]
    assert (rows["failed"]["why"], rows["failed"]["links"]) == ("It is no photograph.", {})


def test_a_pair_without_content_or_style_is_shown_without_them(tmp_path):
    outcome = make_outcome(tmp_path, "a")
    for role in ("content", "style"):
        open_store().path_of(outcome.previews[role]).unlink()
    row = rows_of(write(tmp_path, outcome))["a"]
    assert list(row["pictures"]) == ["result"] and row["why"] == ""


def test_links_lead_only_to_what_is_there_and_moves_along(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "result.png").write_bytes(b"-")
    bare = make_outcome(tmp_path / "out", "bare")
    (Path(bare.folder) / "report.json").unlink()
    outside = make_outcome(tmp_path / "out", "a", folder=False).model_copy(
        update={"folder": str(tmp_path / "elsewhere")}
    )
    rows = rows_of(write(tmp_path / "out", bare, outside))
    assert rows["bare"]["links"] == {"result.png": "bare/result.png"} and rows["a"]["links"] == {}


def test_relative_folders_are_taken_from_where_the_run_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = write(Path("out"), make_outcome(Path("out"), "a b"))
    assert rows_of(page)["a b"]["links"]["result.png"] == "a%20b/result.png"
    monkeypatch.chdir(tmp_path / "out")
    page = write(Path(), make_outcome(Path(), "a b"))
    assert "<title>out</title>" in page.read_text()
    assert rows_of(page)["a b"]["links"]["result.png"] == "a%20b/result.png"


def test_where_there_is_nothing_to_show_no_page_is_written(tmp_path):
    (tmp_path / "gallery.html").write_text("yesterday's")
    assert write(tmp_path, total=3) is None
    assert write(tmp_path, PairOutcome(name="a", state="done")) is None
    assert (tmp_path / "gallery.html").read_text() == "yesterday's"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    outcome = make_outcome(tmp_path, "a")
    (tmp_path / GALLERY_PICTURES).write_text("a file in the folder's place")
    with pytest.raises(OutputError, match=r"gallery.+a file stands in the place of a folder"):
        write(tmp_path, outcome)
    (tmp_path / GALLERY_PICTURES).unlink()
    (tmp_path / "gallery.html").mkdir()
    with pytest.raises(OutputError, match=r"gallery\.html could not be written"):
        write(tmp_path, outcome)


def test_rows_hold_the_listed_scores_where_they_are_numbers(tmp_path):
    scores = {measure.key: 1.5 + place for place, measure in enumerate(LISTED)}
    odd = {"ssim_quick": float("nan"), "color_distance_quick": float("inf"), "niqe": 1 / 3}
    outcomes = [make_outcome(tmp_path, "a", scores=scores), make_outcome(tmp_path, "b", scores=odd)]
    page = write(tmp_path, *outcomes)
    assert rows_of(page)["a"]["scores"] == [1.5 + place for place in range(len(LISTED))]
    assert rows_of(page)["b"]["scores"] == [*[None] * (len(LISTED) - 1), 0.333333]
    assert [each["label"] for each in data_of(page)["measures"]] == [each.label for each in LISTED]


def numbered(number):
    """Failed and finished pairs without a folder, whose pictures are the same."""
    previews = {role: keep_picture(shade) for role, shade in SHADES.items()}
    for place in range(number):
        failed = place % 5 == 4
        yield PairOutcome(
            name=f"p{place}", state="failed" if failed else "done", error="No." if failed else "",
            previews={} if failed else previews,
        )  # fmt: skip


def states_on(page):
    return {row["state"] for row in rows_of(page).values()}


def follow(page, address):
    return (page.parent / unquote(address)).resolve()


def pages_from(page):
    """The pages from the first one on, each found by the link to the next."""
    found = []
    while page is not None:
        found.append(page)
        data = data_of(page)
        (after,) = [each["address"] for each in data["pages"] if each["number"] == data["page"] + 1] or [None]
        page = after and follow(page, after)
    return found


@pytest.mark.parametrize("number", [5, 6, 10, 11, 48])
def test_pages_are_a_chain_and_every_pair_is_on_one_of_them(tmp_path, monkeypatch, number):
    monkeypatch.setattr("flows.results.gallery.PAGE_PAIRS", 5)
    outcomes = [*numbered(number)]
    first = write(tmp_path, *outcomes)
    pages = pages_from(first)
    assert len(pages) == len({*pages}) == -(-number // 5)
    assert {*pages} == {first, *(tmp_path / GALLERY_PICTURES).glob("*.html")}
    assert [name for page in pages for name in rows_of(page)] == [each.name for each in outcomes]
    for place, page in enumerate(pages):
        data = data_of(page)
        assert data["page"] == place + 1
        for other in data["pages"]:
            there = pages[other["number"] - 1]
            assert follow(page, other["address"]) == there
            names = [*rows_of(there)]
            assert (other["first"], other["last"]) == (names[0], names[-1])
            assert other["failed"] == sum(row["state"] == "failed" for row in rows_of(there).values())
        assert len(data["pages"]) == (len(pages) if len(pages) > 1 else 0)
        failing = [each for each in pages[place + 1 :] if "failed" in states_on(each)]
        target = data["nextFailure"] and follow(page, data["nextFailure"])
        assert target == (failing[0] if failing else None)


def test_very_many_pages_name_but_some_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.results.gallery.PAGE_PAIRS", 1)
    monkeypatch.setattr("flows.results.gallery._MOST_CHOICES", 6)
    pages = pages_from(write(tmp_path, *numbered(40)))
    assert len(pages) == 40
    for number, page in enumerate(pages, 1):
        listed = {each["number"] for each in data_of(page)["pages"]}
        assert {1, 40, number, max(number - 1, 1), min(number + 1, 40)} <= listed and len(listed) <= 11


def test_links_and_pictures_of_a_later_page_lead_to_files(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.results.gallery.PAGE_PAIRS", 2)
    outcomes = [make_outcome(tmp_path, name, shade=0.01 * index) for index, name in enumerate(ODD_NAMES)]
    for page in pages_from(write(tmp_path, *outcomes)):
        data = data_of(page)
        for row in data["pairs"]:
            for file in ("result.png", "report.json"):
                assert follow(page, row["links"][file]) == (tmp_path / row["name"] / file).resolve()
            for picture in row["pictures"].values():
                assert follow(page, f"{data['pictures']}/{picture}").is_file()


def test_pages_of_a_batch_that_was_longer_are_removed_when_a_shorter_one_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.results.gallery.PAGE_PAIRS", 5)
    write(tmp_path, *numbered(20))
    (tmp_path / GALLERY_PICTURES / "page.html").write_text("mine")
    write(tmp_path, *numbered(7), total=20)
    there = tmp_path / GALLERY_PICTURES
    assert {page.name for page in there.glob("*.html")} == {
        "page.html", "page-2.html", "page-3.html", "page-4.html",
    }  # fmt: skip
    write(tmp_path, *numbered(7))
    assert {page.name for page in there.glob("*.html")} == {"page.html", "page-2.html"}
    write(tmp_path, *numbered(5))
    assert {page.name for page in there.glob("*.html")} == {"page.html"}


def test_a_page_is_held_at_a_time(tmp_path):
    """Rows and pages of a long batch are never there together; what stays are the pictures' names."""
    sizes = {}
    for number in (1000, 3000):
        summary = Summary(out=tmp_path, outcomes=Outcomes.of(numbered(number)), total=number)
        write_gallery(summary)  # what is loaded once is loaded
        tracemalloc.start()
        write_gallery(summary)
        sizes[number] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (sizes[3000] - sizes[1000]) / 2000 < 200, sizes


# In a browser


class BetweenPagesError(AssertionError):
    """The page went away while it was asked: the next one is on its way."""


class Browser:
    """A headless Chromium with one page, driven through the DevTools protocol."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={folder}",
                "--remote-debugging-port=0", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.number, self.events = 0, []
        try:
            self._attach(folder / "DevToolsActivePort")
        except BaseException:
            self.close()
            raise

    def _attach(self, port_file):
        from websockets.sync.client import connect

        deadline = time.monotonic() + 60
        while not (port_file.exists() and len(lines := port_file.read_text().split()) == 2):
            assert self.process.poll() is None and time.monotonic() < deadline, "Chromium did not start"
            time.sleep(0.05)
        self.socket = connect(f"ws://127.0.0.1:{lines[0]}{lines[1]}", proxy=None, max_size=None)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == self.number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise BetweenPagesError(answer)
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def run(self, script):
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script):
        """Wait until an expression is true, if need be of the page that comes next."""
        deadline = time.monotonic() + 30
        while not self._is_true(script):
            assert time.monotonic() < deadline, f"never true: {script}"
            time.sleep(0.02)

    def _is_true(self, script):
        try:
            return self.run(script)
        except BetweenPagesError:
            return False

    def open(self, page, width=1400, height=900, *, mobile=False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)
        self.call("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank' && document.readyState === 'complete'")
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        self.wait("location.protocol === 'file:' && document.readyState === 'complete'")
        self.draw()

    def draw(self):
        """Wait until the page is drawn as it is now: what is not drawn yet takes no click."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")

    def key(self, name):
        text = {"text": "\r"} if name == "Enter" else {}
        code = {
            "Enter": 13,
            "Escape": 27,
            "Tab": 9,
            "ArrowLeft": 37,
            "ArrowRight": 39,
            "Home": 36,
            "End": 35,
        }[name]
        for kind in ("keyDown", "keyUp"):
            fields = text if kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **fields
            )  # fmt: skip

    def mouse(self, kind, x, y):
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1
        )  # fmt: skip

    def touch(self, kind, *points):
        places = [{"x": x, "y": y} for x, y in points]
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=places)

    def centre(self, selector):
        box = self.box(selector)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def box(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")

    def click(self, selector):
        x, y = self.centre(selector)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def complaints(self):
        """What the page logged, threw, or asked of a network."""
        self.run("0")
        found = []
        for event in self.events:
            fields = event.get("params", {})
            if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                found.append(fields)
            address = fields.get("request", {}).get("url", "file:")
            if not address.startswith(("file:", "data:")):
                found.append(address)
        return found

    def close(self):
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if hasattr(self, "socket"):
            self.socket.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium on the PATH")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


NAMES = "[...document.querySelectorAll('#cards .name')].map(each => each.textContent)"
TROUBLES = "[...document.querySelectorAll('#list b')].map(each => each.textContent)"
OPENED = "document.querySelector('#view').open"
SHOWN = "document.querySelector('#name').textContent"
SPLIT = "Number(document.querySelector('#slider').value) / 10"


def choose(browser, by):
    browser.run(
        "{ const by = document.querySelector('#by');"
        f" by.value = [...by.options].find(each => each.text === {json.dumps(by)}).value;"
        " by.dispatchEvent(new Event('change', {bubbles: true})) }"
    )


def filter_by(browser, words):
    browser.run(
        f"{{ const filter = document.querySelector('#filter'); filter.value = {json.dumps(words)};"
        " filter.dispatchEvent(new Event('input', {bubbles: true})) }"
    )


@pytest.fixture
def batch(tmp_path):
    """A gallery of three finished pairs, one left alone and one failed, moved after it was written."""
    out = tmp_path / "out 100% #1"
    scores = {"p10": (0.5, 2.0), "p2": (None, 1.0), "p1/é": (0.9, None)}
    outcomes = [
        make_outcome(
            out, name, shade=0.01 * place, scores={"ssim_quick": ssim, "color_distance_quick": color}
        )
        for place, (name, (ssim, color)) in enumerate(scores.items())
    ]
    outcomes.append(make_outcome(out, "p3", state="skipped", previews={}))
    outcomes.append(PairOutcome(name="p4", state="failed", error="It is no photograph."))
    write(out, *outcomes)
    shutil.rmtree(open_store().root)
    return out.rename(tmp_path / "moved ü?") / "gallery.html"


def test_sorting_and_filtering_in_a_browser(browser, batch):
    browser.open(batch)
    assert browser.run(NAMES) == ["p1/é", "p2", "p10"] and browser.run(TROUBLES) == ["p3", "p4"]
    browser.wait("[...document.querySelectorAll('.card img')].every(each => each.naturalWidth === 60)")
    browser.click("#direction")
    assert browser.run(NAMES) == ["p10", "p2", "p1/é"]
    choose(browser, "Quick SSIM")
    assert browser.run(NAMES) == ["p1/é", "p10", "p2"]  # the best first, what has none last
    browser.click("#direction")
    assert browser.run(NAMES) == ["p10", "p1/é", "p2"]
    choose(browser, "Quick colour distance")
    assert browser.run(NAMES) == ["p2", "p10", "p1/é"]
    browser.click("#direction")
    assert browser.run(NAMES) == ["p10", "p2", "p1/é"]
    filter_by(browser, "P1 E\u0301")
    assert (browser.run(NAMES), browser.run(TROUBLES)) == (["p1/é"], [])
    filter_by(browser, "nobody")
    assert browser.run("document.querySelector('#nothing').checkVisibility()")
    filter_by(browser, "")
    browser.click("#failures")
    assert (browser.run(NAMES), browser.run(TROUBLES)) == ([], ["p4"])
    assert "It is no photograph." in browser.run("document.querySelector('#list').textContent")
    assert browser.complaints() == []


def test_looking_at_a_pair_in_a_browser(browser, batch):
    browser.open(batch)
    browser.click("#cards li:nth-child(2) .card")
    assert browser.run(OPENED) and browser.run(SHOWN) == "p2" and browser.run(SPLIT) == 50
    browser.wait(
        "['content', 'style', 'result'].every(id => document.getElementById(id).naturalWidth === 60)"
    )
    browser.wait("getComputedStyle(document.querySelector('#compare')).getPropertyValue('--ratio') === '1.5'")
    box = browser.box("#compare")
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.01) and box["width"] > 900
    x, y = browser.centre("#compare")
    browser.mouse("mousePressed", x, y)
    browser.mouse("mouseMoved", box["x"] + 0.25 * box["width"], y)
    browser.mouse("mouseReleased", box["x"] + 0.25 * box["width"], y)
    assert browser.run(SPLIT) == pytest.approx(25, abs=0.5)
    clip = browser.run("getComputedStyle(document.querySelector('#result')).clipPath")
    assert float(re.search(r"([\d.]+)%", clip)[1]) == browser.run(SPLIT)
    scores = browser.run("document.querySelector('#scores').innerText").split("\n")
    assert scores[:3] == ["Quick SSIM", "↑ higher is better", "n/a"]
    assert scores[3:6] == ["Quick colour distance", "↓ lower is better", "1.00"]
    links = browser.run("[...document.querySelectorAll('#links a')].map(each => each.href)")
    assert [Path(unquote(urlsplit(link).path)) for link in links] == [
        batch.parent / "p2" / "result.png", batch.parent / "p2" / "report.json",
    ]  # fmt: skip
    assert browser.complaints() == []


def patches(seed):
    """A small picture of coloured squares in the store, as a preview is, and its levels, shape (H, W, 3)."""
    colors = np.random.default_rng(seed).random((3, 4, 6), dtype=np.float32)
    data = thumbnail(np.kron(colors, np.ones((16, 16), np.float32)), 96)
    levels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32) / 255
    return open_store().put(data, "preview", "jpg"), levels


def seen(browser, selector):
    """What is shown there, shape (H, W, 3)."""
    box = browser.box(selector)
    clip = {name: box[name] for name in ("x", "y", "width", "height")} | {"scale": 1}
    answer = browser.call("Page.captureScreenshot", format="png", clip=clip)
    return (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB"), np.float32) / 255
    )


@pytest.mark.parametrize(
    ("made", "strength"), [(1, 0), (1, 0.4), (1, 1), (1, 1.6), (1, 2), (1.5, 0.5), (1.5, 2)]
)
def test_any_strength_is_shown_as_it_would_be_made_in_a_browser(browser, tmp_path, made, strength):
    """As in a picture, at the middles of squares: beyond, a pixel goes as far as all its channels do."""
    (content, before), (result, after) = patches(1), patches(2)
    previews = {"content": content, "result": result}
    browser.open(
        write(tmp_path / "out", make_outcome(tmp_path / "out", "p", previews=previews, strength=made))
    )
    browser.click("#cards .card")
    assert browser.run("document.querySelector('#option').value") == f"--strength {made:g}"
    browser.wait("['content', 'result'].every(id => document.getElementById(id).complete)")
    set_to(browser, "#slider", 0)
    set_to(browser, "#strength", strength)
    assert browser.run("document.querySelector('#option').value") == f"--strength {strength:g}"
    share, change = strength / made, after - before
    room = np.where(change > 0, 1 - after, after) / np.maximum(np.abs(change), 1e-9)
    further = np.minimum(room.min(axis=-1, keepdims=True), max(share - 1, 0))
    wanted = before + min(share, 1) * change + further * change
    browser.draw()
    shown = seen(browser, "#compare")
    places = [(np.arange(count) + 0.5) / count for count in (4, 6)]
    there, here = (
        image[np.ix_(*(np.int_(place * size) for place, size in zip(places, image.shape, strict=False)))]
        for image in (wanted, shown)
    )
    assert np.abs(there[:, 1:-1] - here[:, 1:-1]).max() < 0.03  # tags cover the corners below
    assert browser.complaints() == []


def plain(value):
    """A small picture of one gray in the store."""
    return open_store().put(thumbnail(np.full((3, 64, 96), value, np.float32), 96), "preview", "jpg")


def test_beyond_the_result_nothing_of_the_content_shines_through_at_the_edges_in_a_browser(browser, tmp_path):
    previews = {"content": plain(1), "result": plain(0.02)}
    page = write(tmp_path / "out", make_outcome(tmp_path / "out", "p", previews=previews, strength=1))
    for width, height in ((1400, 900), (1391, 907), (1003, 700), (1250, 655)):
        browser.open(page, width, height)
        browser.click("#cards .card")
        browser.wait("['content', 'result'].every(id => document.getElementById(id).complete)")
        set_to(browser, "#slider", 0)
        set_to(browser, "#strength", 1.6)
        browser.draw()
        around = browser.box("#compare")
        shown = seen(browser, ".stage").max(axis=-1)
        x, y = (int(around[side] - browser.box(".stage")[side]) for side in "xy")
        right, bottom = (x + round(around["width"]), y + round(around["height"]))
        edges = (
            shown[y + 9 : bottom - 60, right - 4 : right + 2],
            shown[bottom - 4 : bottom + 2, x + 60 : right - 90],
        )
        assert max(edge.max() for edge in edges) < 0.4, (width, height)


def set_to(browser, selector, value):
    """Move a slider."""
    browser.run(
        f"(e => {{ e.value = {value}; e.dispatchEvent(new Event('input')); }})"
        f"(document.querySelector('{selector}'))"
    )


def test_no_strength_is_offered_where_none_is_known_in_a_browser(browser, tmp_path):
    browser.open(
        write(
            tmp_path / "out",
            make_outcome(tmp_path / "out", "p"),
            make_outcome(tmp_path / "out", "q", strength=1),
        )
    )
    browser.click("#cards li:nth-child(2) .card")
    assert browser.run("document.querySelector('#amount').checkVisibility()")
    browser.run("document.querySelector('#strength').focus()")
    browser.key("ArrowRight")
    assert browser.run("document.querySelector('#option').value") == "--strength 1.05"
    browser.click("#previous")
    assert browser.run(SHOWN) == "p" and not browser.run(
        "document.querySelector('#amount').checkVisibility()"
    )
    assert browser.run("document.querySelector('#result').style.filter") == "none"


def test_keys_in_a_browser(browser, batch):
    browser.open(batch)
    browser.run("document.querySelector('.card').focus()")
    browser.key("Enter")
    assert browser.run(OPENED) and browser.run(SHOWN) == "p1/é"
    browser.key("ArrowRight")
    browser.key("ArrowRight")
    browser.key("ArrowRight")
    assert browser.run(SHOWN) == "p10" and browser.run("document.querySelector('#next').disabled")
    browser.key("ArrowLeft")
    browser.click("#compare")  # after dragging, arrows still turn pages
    browser.key("ArrowLeft")
    assert browser.run(SHOWN) == "p1/é"
    browser.run("document.querySelector('#slider').focus()")
    browser.key("ArrowRight")
    assert (browser.run(SHOWN), browser.run(SPLIT)) == ("p1/é", 52)
    browser.key("End")
    assert browser.run(SPLIT) == 100
    browser.click("#next")
    assert (browser.run(SHOWN), browser.run(SPLIT)) == ("p2", 50)
    browser.key("Escape")
    assert not browser.run(OPENED)
    browser.wait("document.activeElement.querySelector('.name')?.textContent === 'p2'")
    assert browser.complaints() == []


def test_touch_in_a_browser(browser, batch):
    browser.open(batch, 390, 844, mobile=True)
    assert browser.run("document.documentElement.scrollWidth") == 390
    x, y = browser.centre("#cards li:nth-child(1) .card")
    browser.touch("touchStart", (x, y))
    browser.touch("touchEnd")
    browser.wait(OPENED)
    browser.wait("document.querySelector('#result').naturalWidth === 60")
    box = browser.box("#compare")
    assert (box["x"], box["width"]) == (0, 390)
    y = box["y"] + box["height"] / 2
    browser.touch("touchStart", (195, y))
    for x in (220, 260, 312):
        browser.touch("touchMove", (x, y))
    browser.touch("touchEnd")
    assert browser.run(SPLIT) == pytest.approx(80, abs=1)
    assert browser.complaints() == []


def test_others_text_is_text_in_a_browser(browser, tmp_path):
    outcomes = [
        make_outcome(tmp_path, name, shade=0.01 * place, notes=(name,))
        for place, name in enumerate(ODD_NAMES)
    ]
    error = "<img src=x onerror=alert(2)>"
    browser.open(write(tmp_path, *outcomes, PairOutcome(name=error, state="failed", error=error)))
    assert set(browser.run(NAMES)) == set(ODD_NAMES) and browser.run(TROUBLES) == [error]
    browser.click(".card")
    for _ in ODD_NAMES:
        assert browser.run("document.querySelector('#notes').textContent") == browser.run(SHOWN)
        browser.key("ArrowRight")
    assert browser.run("document.querySelectorAll('#cards img').length") == len(ODD_NAMES)
    assert browser.complaints() == []
    browser.run("{ const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
                " document.body.append(script) }")  # fmt: skip
    assert browser.run("window.ran === undefined")  # the policy stands, from disk too


def test_pages_are_turned_in_a_browser(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("flows.results.gallery.PAGE_PAIRS", 4)
    outcomes = [make_outcome(tmp_path, f"p{place}", shade=0.01 * place) for place in range(9)]
    outcomes[6] = PairOutcome(name="p6", state="failed", error="No.")
    browser.open(write(tmp_path, *outcomes))
    turned = "document.title.endsWith('page {} of 3') && document.readyState === 'complete'"
    assert browser.run(turned.format(1)) and browser.run(NAMES) == ["p0", "p1", "p2", "p3"]
    assert browser.run("document.querySelector('#shown').textContent") == "4 of 4 pairs on this page"
    options = browser.run(
        "[...document.querySelectorAll('.pages option')].slice(0, 3).map(each => each.text)"
    )
    assert options == ["1: p0 \u2013 p3", "2: p4 \u2013 p7, 1 failed", "3: p8 \u2013 p8"]
    browser.click(".pages a:last-child")  # to the next failures
    browser.wait(turned.format(2))
    assert browser.run(NAMES) == ["p4", "p5", "p7"] and browser.run(TROUBLES) == ["p6"]
    browser.wait("[...document.querySelectorAll('.card img')].every(each => each.naturalWidth === 60)")
    assert browser.complaints() == []
    browser.click(".pages select + a")
    browser.wait(turned.format(3))
    assert browser.run("document.querySelector('.pages select').selectedIndex") == 2
    browser.run(
        "{ const choice = document.querySelector('.pages select'); choice.selectedIndex = 0;"
        " choice.dispatchEvent(new Event('change')) }"
    )
    browser.wait(turned.format(1))
    assert browser.run("document.querySelector('.pages :first-child').tagName") == "SPAN"


def test_a_single_page_leads_nowhere(browser, batch):
    browser.open(batch)
    assert browser.run("[...document.querySelectorAll('.pages')].every(each => !each.checkVisibility())")


def test_two_thousand_pairs_load_only_what_is_seen(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("flows.results.gallery.PAGE_PAIRS", 2000)
    pictures = [keep_picture(place % 20 / 20, height=20 + place // 20) for place in range(400)]
    assert len({picture.path for picture in pictures}) == 400
    outcomes = [
        PairOutcome(
            name=f"p{place}", state="cached", scores={"ssim_quick": place / 2000},
            previews={"result": pictures[place % 400]},
        )
        for place in range(2000)
    ]  # fmt: skip
    browser.open(write(tmp_path, *outcomes))
    assert browser.run("document.querySelectorAll('.card').length") == 2000
    # Of the same picture all copies are there once one is.
    loaded = (
        "new Set([...document.querySelectorAll('.card img')].filter(each => each.naturalWidth > 0)"
        ".map(each => each.src)).size"
    )
    browser.wait(f"{loaded} > 0")
    assert browser.run(loaded) < 200
    choose(browser, "Quick SSIM")
    assert browser.run(NAMES)[:2] == ["p1999", "p1998"]
    assert browser.complaints() == []
