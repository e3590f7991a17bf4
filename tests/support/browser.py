"""A browser without a window, for tests; nothing here is a test."""

import contextlib
import shutil
from collections.abc import Iterator

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# WebGL is computed on the CPU.
_ARGUMENTS = (
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)  # fmt: skip


@contextlib.contextmanager
def browser_page() -> Iterator:
    """A page of a browser; the test is skipped where there is none.

    `faults` of the page are what went wrong in it, `requests` what it asked for.
    """
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("needs a browser")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=list(_ARGUMENTS)
        )
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.faults, page.requests = [], []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on(
            "console",
            lambda said: said.type == "error" and page.faults.append(said.text),
        )
        page.on("request", lambda request: page.requests.append(request.url))
        yield page
        browser.close()
