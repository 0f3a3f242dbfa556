"""Debian's Chromium without a window: what a person would see of a page."""

import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path

import pytest

# A window is never as narrow as a phone; a frame can be.
_FRAME = """<iframe id="frame" style="width: {window}px; height: 900px; border: 0" srcdoc="{page}"></iframe><script>
onload = () => {{ document.documentElement.dataset.width = frame.contentDocument.documentElement.scrollWidth; }};
</script>"""


class Browser:
    """Each look is a process and a profile of its own. Skips the test where there is no Chromium."""

    def __init__(self) -> None:
        program = shutil.which("chromium")
        if program is None:
            pytest.skip("needs a browser: apt-get install chromium")
        self._program = program

    def read(self, url: str) -> tuple[str, list[str]]:
        """The document as the browser has it after loading, and what it complained of."""
        ended = self._run("--dump-dom", "--enable-logging=stderr", url)
        complaints = [line for line in ended.stderr.splitlines() if "CONSOLE" in line]
        return ended.stdout, complaints

    def width(self, html: str, window: int) -> int:
        """How wide the page gets in a window of this width, in CSS pixels; more, and a reader has to scroll aside."""
        with tempfile.TemporaryDirectory() as directory:
            page = Path(directory) / "page.html"
            page.write_text(_FRAME.format(window=window, page=escape(html)))
            ended = self._run("--dump-dom", "--hide-scrollbars", page.as_uri())
        return int(ended.stdout.split('data-width="')[1].split('"')[0])

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            # Its sandbox works for no root; what it shows is our own page.
            fixed = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
            return subprocess.run(
                [self._program, *fixed, f"--user-data-dir={profile}", *arguments],
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
