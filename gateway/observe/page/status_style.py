"""How the status page looks. It is sent inside the page: nothing else is ever loaded."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Final

# Without <, > and &: inside <style> a browser would not decode what the template makes of them.
STYLE: Final = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --text: #1b1f24; --faint: #59636e; --line: #dfe3e8;
  --good: #0f6d36; --good-bg: #dcf4e4; --warn: #7f4a00; --warn-bg: #fdeccb; --bad: #a6131d; --bad-bg: #fde2e1;
  --calm: #3d4854; --calm-bg: #e6eaef; --bar: #2f9e5d; --bar-bad: #d63a3f; }
@media (prefers-color-scheme: dark) {
  :root { --page: #10141a; --card: #191f27; --text: #e6eaf0; --faint: #99a4b1; --line: #2b343f;
    --good: #7fdfa3; --good-bg: #12351f; --warn: #f5c46b; --warn-bg: #3d2c08; --bad: #ff9b97; --bad-bg: #471a1c;
    --calm: #b9c4d0; --calm-bg: #2a333e; --bar: #46b876; --bar-bad: #ec6a6a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.45;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; font-size: 16px;
  -webkit-text-size-adjust: 100%; }
main { max-width: 66rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .9rem; margin-bottom: 1rem; }
h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.02rem; margin: 0 0 .6rem; }
h3 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: 0; }
.faint { color: var(--faint); font-size: .875rem; }
.pill { display: inline-block; border-radius: 999px; padding: .12rem .65rem; font-size: .8125rem; font-weight: 600;
  white-space: nowrap; color: var(--calm); background: var(--calm-bg); }
.good { color: var(--good); background: var(--good-bg); }
.warn { color: var(--warn); background: var(--warn-bg); }
.bad { color: var(--bad); background: var(--bad-bg); }
.note { border-radius: .6rem; padding: .65rem .9rem; margin-bottom: .9rem; overflow-wrap: anywhere; }
.note p + p { margin-top: .25rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .8rem; padding: 1rem 1.1rem;
  margin-bottom: .9rem; min-width: 0; }
.columns { columns: 22rem 2; column-gap: .9rem; }
.columns section { break-inside: avoid; }
.client { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .25rem .75rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem 1rem;
  margin: .9rem 0 0; }
.facts div { min-width: 0; }
@media (max-width: 32rem) { .facts { grid-template-columns: 1fr 1fr; } .facts div:first-child { grid-column: 1 / -1; } }
dt { color: var(--faint); font-size: .8125rem; }
dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.problems { margin: .8rem 0 0; padding: .6rem .8rem; border-radius: .6rem; list-style: none; font-size: .9375rem; }
.host { font-weight: 600; overflow-wrap: anywhere; }
.remedy { font-size: .9375rem; white-space: normal; }
.note .remedy { margin-top: .2rem; }
td .remedy { color: var(--text); font-size: .875rem; }
.client + .note { margin-top: .8rem; }
.sign-ins { margin-top: .8rem; }
.history { margin-top: .9rem; }
.chart { display: flex; gap: .5rem; margin-bottom: .3rem; font-size: .75rem; color: var(--faint);
  font-variant-numeric: tabular-nums; }
.scale { display: flex; flex-direction: column; justify-content: space-between; align-items: flex-end; height: 48px;
  line-height: 1; }
.bars { min-width: 9rem; border-left: 1px solid var(--line); padding-left: 3px; }
.times { display: flex; justify-content: space-between; gap: .75rem; white-space: nowrap; padding-top: .15rem;
  border-top: 1px solid var(--line); }
svg { display: block; max-width: 100%; }
rect.yes { fill: var(--bar); }
rect.no { fill: var(--bar-bad); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: var(--faint); font-size: .8125rem; font-weight: 400; padding: 0 .5rem .3rem 0; }
td { padding: .45rem .5rem .45rem 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td:first-child { width: 60%; }
.below td { border-top: 0; padding-top: 0; }
th:last-child, td:last-child { text-align: right; padding-right: 0; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.below td:last-child { text-align: left; white-space: normal; }
@media (max-width: 32rem) { td:last-child { white-space: normal; } }
code { font-family: ui-monospace, "Cascadia Mono", "Liberation Mono", Menlo, monospace; font-size: .875em; }
a { color: inherit; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .8rem; padding: .5rem 1.1rem 1rem;
  margin-top: .6rem; }
article h1, article h2, article h3, article h4 { margin: 1.4rem 0 .3rem; overflow-wrap: anywhere; }
article :target { color: var(--bad); background: none; }
.prose { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { margin: .6rem 0; white-space: pre-wrap; overflow-wrap: anywhere; padding: .6rem .8rem; border-radius: .4rem;
  background: var(--page); }
section .remedy:last-child { margin-top: .7rem; }
footer { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; padding: .25rem .2rem 0; }
"""

# No script, no image, no frame, nothing from anywhere: only this style.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
