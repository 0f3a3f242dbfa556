"""For all tests: no password of theirs may be in anything that the gateway emits (tests/emitted.py)."""

from tests.emitted import EMITTED, watch


def pytest_configure(config):
    watch()


def pytest_runtest_logreport(report):
    for title, text in report.sections:
        EMITTED.note("printed", text, f"{report.nodeid}: {title}")
    if report.when == "teardown":
        EMITTED.search_files(report.nodeid)


def pytest_sessionfinish(session):
    EMITTED.search_files()
    if EMITTED.leaks:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if not EMITTED.leaks:
        return
    terminalreporter.section("passwords that the gateway emitted")
    for leak in EMITTED.leaks:
        terminalreporter.line(f"{leak.test}: {leak.channel}: ...{leak.around!r}...")
