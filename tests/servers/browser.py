"""Debian's Chromium without a window: what a person would see of a page."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pytest

# A window is never as narrow as a phone; a frame can be. It is as high as its page, and has the browser's colours.
_FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark"><style>body {{ margin: 0 }}</style>
<iframe id="frame" style="width: {window}px; height: 900px; border: 0; display: block" srcdoc="{page}"></iframe><script>
onload = () => {{
  const page = frame.contentDocument.documentElement, found = document.documentElement.dataset;
  found.width = page.scrollWidth;
  found.background = frame.contentWindow.getComputedStyle(frame.contentDocument.body).backgroundColor;
  frame.style.height = (found.height = page.scrollHeight) + "px";
}};
</script>"""

_NARROWEST = 500


@dataclass(frozen=True)
class Look:
    """How a page was laid out. width, height: in CSS pixels; a width beyond the window's means that a reader has to
    scroll aside. background: as CSS computes it."""

    width: int
    height: int
    background: str


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

    def look(self, html: str, window: int, dark: bool = False, picture: Path | None = None) -> Look:
        """Lays the page out in a window of this width. picture: where a PNG of the whole page goes."""
        with tempfile.TemporaryDirectory() as directory:
            page = Path(directory) / "page.html"
            page.write_text(_FRAME.format(window=window, page=escape(html)))
            # 0 is dark, 1 is light: blink's PreferredColorScheme.
            colours = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
            said = self._run("--dump-dom", "--hide-scrollbars", colours, page.as_uri()).stdout
            found = dict(re.findall(r'data-(width|height|background)="([^"]*)"', said))
            look = Look(int(found["width"]), int(found["height"]), found["background"])
            if picture is not None:
                size = f"--window-size={max(window, _NARROWEST)},{look.height}"
                self._run(f"--screenshot={picture}", "--hide-scrollbars", colours, size, page.as_uri())
        return look

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
