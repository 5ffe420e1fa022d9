"""A headless Chromium to open the built pages in, with a plain file server, and no way out."""

import contextlib
import functools
import http.server
import shutil
import threading

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# A container runs its tests as root, with little shared memory; the pages are our own.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]

# Milliseconds to wait for what should come at once, on a machine that may be busy.
PATIENCE = 20_000


def chromium():
    """Return the path of the Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Write nothing: pytest shows what matters."""


@contextlib.contextmanager
def served(folder):
    """Serve a folder from this machine; yield its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.contextmanager
def browser():
    """Start Chromium; yield it."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield started
        started.close()


class Visit:
    """A page opened in a tab of its own, with all that it asked for and complained about.

    Parameters
    ----------
    browser : playwright Browser
    address : str
        The address of the file server; requests to any other are blocked, and noted.
    path : str
        The page, relative to the address.
    **options
        Of the tab, such as ``color_scheme="dark"`` or ``viewport={"width": 360, "height": 640}``.
    """

    def __init__(self, browser, address, path, **options):
        options.setdefault("viewport", {"width": 1280, "height": 800})
        self.address, self.outside, self.complaints, self.requests = address, [], [], []
        self.context = browser.new_context(**options)
        self.context.route("**/*", self._answer)
        self.context.set_default_timeout(PATIENCE)
        self.context.set_default_navigation_timeout(6 * PATIENCE)
        self.page = self.context.new_page()
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(f"not caught: {error}"))
        self.page.on("response", self._note)
        self.page.goto(address + path, wait_until="load")

    def _answer(self, route):
        address = route.request.url
        if address.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(address)
            route.abort()

    def _listen(self, message):
        if message.type == "error":
            self.complaints.append(f"error: {message.text}")

    def _note(self, response):
        self.requests.append(response.url.removeprefix(self.address))
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def settle(self):
        """Wait until the formulas are set and the fonts are there."""
        self.page.evaluate(
            "async () => { await document.fonts.ready;"
            " if (window.MathJax) await window.MathJax.startup.promise; }"
        )

    def scroll_through(self):
        """Go down the page to its end, as a reader does, so that all that waits comes."""
        self.page.evaluate(
            "async () => { const step = 0.9 * innerHeight;"
            " for (let y = 0; y < document.body.scrollHeight; y += step) {"
            " scrollTo(0, y); await new Promise(requestAnimationFrame); } }"
        )
        self.page.wait_for_load_state("networkidle")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
