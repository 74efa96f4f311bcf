"""The study's page in a real browser: by keyboard, by finger, over a reload, and without storage."""

import base64
import itertools
import json
import shutil
import subprocess
import time

import numpy as np
import pytest
from PIL import Image
from websockets.sync.client import connect

from pst_core.study.answers import read_answers
from pst_core.study.building import build_study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
PATIENCE = 20.0
KEYS = {
    "Enter": 13,
    "Backspace": 8,
    "Escape": 27,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


class Browser:
    """A headless Chromium, spoken to in its DevTools protocol; one page at a time."""

    def __init__(self, folder):
        self.folder = folder
        self.profile = folder / "profile"
        self.process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.numbers = itertools.count(1)
        self.events = []
        try:
            port, path = until(self._address)
            self.socket = connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.session = None

    def _address(self):
        file = self.profile / "DevToolsActivePort"
        lines = file.read_text().split("\n") if file.is_file() else []
        return lines if len(lines) == 2 else None

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, page, width=1280, height=800, *, before="", touch=False):
        """Load a file in a browser that has seen nothing yet, after running the script `before`."""
        if self.session:
            self.call("Page.close")
        self.session = None
        context = self.call("Target.createBrowserContext")["browserContextId"]
        self.downloads = self.folder / f"downloads-{context}"
        behaviour = {"behavior": "allow", "downloadPath": str(self.downloads)}
        self.call("Browser.setDownloadBehavior", browserContextId=context, **behaviour)
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        if before:
            self.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        self._load("Page.navigate", url=page.as_uri())

    def reload(self):
        self._load("Page.reload")

    def _load(self, method, **parameters):
        """Wait for the browser's own word on the new document: one that is about to go must not be asked."""
        self.events.clear()
        self.call(method, **parameters)
        place = 0
        for awaited in ("Page.frameNavigated", "Page.loadEventFired"):
            while True:
                if place == len(self.events):
                    self.events.append(json.loads(self.socket.recv(timeout=PATIENCE)))
                event, place = self.events[place], place + 1
                address = event["params"].get("frame", {}).get("url", "")
                if event["method"] == awaited and not address.startswith("about:"):
                    break

    def run(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition):
        until(lambda: self.run(condition))

    def press(self, *keys):
        for key in keys:
            code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            common = {"key": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def place(self, selector):
        """Middle of an element, which is brought into view."""
        return self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            "it.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = it.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )

    def tap(self, selector):
        x, y = self.place(selector)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def click(self, selector):
        x, y = self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self):
        self.session = None
        self.call("Browser.close")
        self.socket.close()
        self.process.wait(PATIENCE)


def until(condition):
    """Wait for something to be true, and return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("the browser did not get there")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three pairs with four results each: landscape, portrait, and again landscape."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    pairs = {}
    for name, size in (("meadow", (240, 160)), ("tower", (160, 240)), ("harbour", (240, 160))):
        for method in ("ours", "theirs", "older", "oldest"):
            path = folder / f"{name}-{method}.png"
            noise = Image.fromarray(rng.integers(0, 255, (4, 6, 3), np.uint8))
            noise.resize(size, Image.Resampling.BICUBIC).save(path)
            pairs.setdefault(name, {})[method] = path
    return build_study(pairs, title="A & B <study>", seed=3)


@pytest.fixture
def page(study, tmp_path):
    path = tmp_path / "study.html"
    path.write_text(study.page, "utf-8")
    return path


def text(selector):
    return f"document.querySelector({json.dumps(selector)}).textContent"


def chosen(browser):
    """Which picture is marked, from 1; 0 for none."""
    script = "[...document.querySelectorAll('.option input')].findIndex((each) => each.checked) + 1"
    return browser.run(script)


def progress(browser):
    return browser.run(text("#progress"))


def answers(browser, study):
    """The one file saved since this was last asked, as the tally reads it."""
    files = until(lambda: [path for path in browser.downloads.glob("*.json") if path.stat().st_size])
    (response,) = read_answers(files, study.key).responses
    assert files[0].name == f"answers-{study.key.build}-{response.respondent}.json"
    assert files[0].read_text("utf-8") == browser.run("document.querySelector('#record').value")
    for file in files:
        file.unlink()
    return response


def positions(response):
    """Where each choice stood, from 1."""
    return [answer.shown.index(answer.choice) + 1 for answer in response.answers]


def complaints(browser):
    """What the page broke or asked of the network since it was opened."""
    browser.run("0")
    wrong = [
        event for event in browser.events
        if event["method"] == "Runtime.exceptionThrown"
        or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")
    ]  # fmt: skip
    requests = [
        event["params"]["request"]["url"] for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    ]  # fmt: skip
    return wrong, [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]


def test_it_is_answered_by_keyboard_alone(browser, study, page):
    browser.open(page)
    assert browser.run(text("h1")) == "A & B <study>"
    browser.press("Enter")
    assert progress(browser) == "1 of 3"
    browser.press("Enter")  # nothing is chosen yet
    assert progress(browser) == "1 of 3"
    assert "first" in browser.run(text("#status"))
    browser.press("3")
    assert chosen(browser) == 3
    browser.press("Enter", "ArrowRight", "ArrowRight")
    assert (progress(browser), chosen(browser)) == ("2 of 3", 2)
    browser.press("Backspace")
    assert (progress(browser), chosen(browser)) == ("1 of 3", 3)
    browser.press("4", "Enter")
    assert (progress(browser), chosen(browser)) == ("2 of 3", 2)
    browser.press("Enter", "9", "ArrowLeft")  # there is no ninth; from nowhere to the left is the last
    assert (progress(browser), chosen(browser)) == ("3 of 3", 4)
    browser.press("Enter")
    assert browser.run("document.activeElement.id") == "thanks"
    assert positions(answers(browser, study)) == [4, 2, 4]
    assert complaints(browser) == ([], [])


def test_it_is_answered_by_finger_on_a_phone(browser, study, page):
    browser.open(page, 360, 640, touch=True)
    browser.tap("#start")
    for turn, place in ((1, 2), (2, 4), (3, 1)):
        assert progress(browser) == f"{turn} of 3"
        browser.tap(f".option:nth-child({place}) img")
        assert chosen(browser) == place
        assert browser.run("document.documentElement.scrollWidth") <= 360
        assert browser.run(
            "[...document.querySelectorAll('button, label')].filter((each) => each.offsetParent)"
            ".every((each) => each.offsetWidth >= 44 && each.offsetHeight >= 44)"
        )
        browser.tap("#next")
    response = answers(browser, study)
    assert positions(response) == [2, 4, 1]
    assert all(answer.seconds >= 0 for answer in response.answers)
    assert complaints(browser) == ([], [])


def test_a_picture_is_looked_at_large_and_chosen_there(browser, study, page):
    browser.open(page)
    browser.click("#start")
    browser.click(".option:nth-child(2) .enlarge")
    assert browser.run("document.querySelector('#large').open")
    browser.press("ArrowRight")
    assert browser.run(text("#caption")) == "Picture 3 of 4"
    shown, listed = "#picture", ".option:nth-child(3) img"
    assert browser.run(f"document.querySelector('{shown}').src === document.querySelector('{listed}').src")
    assert chosen(browser) == 0  # looking is not choosing
    browser.click("#take")
    assert (browser.run("document.querySelector('#large').open"), chosen(browser)) == (False, 3)
    browser.press("z", "ArrowLeft", "Escape")
    browser.wait("!document.querySelector('#large').open")
    assert chosen(browser) == 3
    assert complaints(browser) == ([], [])


def test_a_reload_loses_nothing_and_another_person_starts_anew(browser, study, page):
    browser.open(page)
    browser.press("Enter", "2", "Enter", "1")
    before = browser.run("localStorage.getItem(localStorage.key(0))")
    browser.reload()
    assert (progress(browser), chosen(browser)) == ("2 of 3", 1)
    browser.press("Enter", "3", "Enter")
    first = answers(browser, study)
    assert positions(first) == [2, 1, 3]
    assert [answer.pair for answer in first.answers] == [
        each["pair"] for each in json.loads(before)["answers"]
    ]
    browser.reload()
    assert (
        json.loads(browser.run("document.querySelector('#record').value"))["respondent"] == first.respondent
    )
    assert not [*browser.downloads.glob("*.json")]  # a reload saves no second file
    browser.click("#again")
    browser.press("Enter", "1", "Enter", "1", "Enter", "1", "Enter")
    assert answers(browser, study).respondent != first.respondent


STORAGES = {
    "forbidden": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }});",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('no', 'QuotaExceededError'); };",
    "foreign": """Storage.prototype.getItem = () =>
        '{"respondent": "0123456789abcdef", "turn": 1, "answers": [{"pair": "x", "shown": []}]}';""",
    "broken": "Storage.prototype.getItem = () => 'null]';",
}


@pytest.mark.parametrize("before", STORAGES.values(), ids=STORAGES)
def test_it_works_without_a_storage_to_rely_on(browser, study, page, before):
    browser.open(page, before=before)
    browser.press("Enter", "1", "Enter", "2", "Enter", "3", "Enter")
    assert positions(answers(browser, study)) == [1, 2, 3]


def test_every_respondent_sees_an_order_of_their_own(browser, page):
    browser.open(page, before="HTMLAnchorElement.prototype.click = () => {};")  # browsers ration downloads
    seen = []
    for _ in range(12):
        browser.press("Enter", "1", "Enter", "1", "Enter", "1", "Enter")
        seen.append(json.loads(browser.run("document.querySelector('#record').value")))
        browser.click("#again")
    orders = [[(answer["pair"], *answer["shown"]) for answer in each["answers"]] for each in seen]
    assert len({each["respondent"] for each in seen}) == 12
    assert len({tuple(order) for order in orders}) > 9  # there are 82,944
    assert len({order[0][0] for order in orders}) > 1
    for pair in {shown[0] for shown in orders[0]}:
        firsts = {shown[1] for order in orders for shown in order if shown[0] == pair}
        assert len(firsts) > 1  # else one chance in four million


@pytest.mark.parametrize("width, height", [(1280, 800), (1920, 1080), (2560, 1300)])
def test_all_results_are_in_view_together_on_a_wide_screen(browser, page, width, height):
    browser.open(page, width, height)
    browser.press("Enter")
    for _ in range(3):
        assert browser.run("document.documentElement.scrollHeight <= innerHeight")
        widths = browser.run("[...document.querySelectorAll('.option img')].map((each) => each.clientWidth)")
        assert len(set(widths)) == 1
        browser.press("1", "Enter")


def test_screen_readers_are_told_what_is_asked_and_chosen(browser, page):
    browser.open(page)
    browser.press("Enter", "2")
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    said = [
        (node["role"]["value"], node["name"]["value"], value(node, "checked"))
        for node in tree if "role" in node and "name" in node
    ]  # fmt: skip
    question = "Which one looks the most realistic, as if a camera took it?"
    assert ("radiogroup", question, None) in said
    assert [entry for entry in said if entry[0] == "radio"] == [
        ("radio", f"Picture {place}", "true" if place == 2 else "false") for place in (1, 2, 3, 4)
    ]
    buttons = {name for role, name, _ in said if role == "button"}
    assert buttons == {"Next", *(f"Enlarge picture {place}" for place in (1, 2, 3, 4))}
    outline = "getComputedStyle(document.querySelector('.option:has(input:checked)')).outlineStyle"
    assert browser.run(outline) == "dashed"  # where the keyboard is can be seen


def value(node, name):
    return next(
        (each["value"].get("value") for each in node.get("properties", ()) if each["name"] == name), None
    )
