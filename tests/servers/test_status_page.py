"""The admin pages of a gateway at work before slapd: in numbers, and as a person sees them in a browser."""

import json
import os
import struct
import time
from pathlib import Path

import pytest

from gateway.observe.page.status_page import status_page
from tests.observe.admin_client import get, samples
from tests.observe.busy_ledger import busy_ledger
from tests.observe.page_states import STATES
from tests.servers import slapd_tree
from tests.servers.browser import Browser
from tests.servers.gateway_process import PATIENCE, configuration
from tests.servers.raw_client import RawClient
from tests.servers.slapd_tree import CONTACTS, GROUPS, STAFF, SYNC_ACCOUNT, SYNC_PASSWORD
from tests.servers.sync_client import connect, sync

BASES = [STAFF, GROUPS, CONTACTS]
ATTRIBUTES = ["mail", "displayName", "sn", "cn", "member", "objectClass"]
PHONE, DESKTOP = 390, 1280
# --page of gateway/observe/page/status_style.py.
LIGHT, DARK = "rgb(244, 245, 247)", "rgb(16, 20, 26)"


@pytest.fixture(scope="module")
def browser():
    return Browser()


def start(start_gateway, certificates, server, **client):
    return start_gateway(
        configuration(
            certificates,
            server.gateway_directory,
            {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES, **client},
            admin={"address": "127.0.0.1:0"},
        )
    )


def wait_for_sample(running, name, *labels):
    """Until it is there and not 0; returns all."""
    until = time.monotonic() + PATIENCE
    while not (found := samples(running.admin_port)).get((f"ldap_gateway_{name}", *labels)):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def test_a_sync_is_in_metrics_and_page_as_it_was(certificates, slapd, start_gateway, browser):
    running = start(start_gateway, certificates, slapd, sync_gap=1)
    connection = connect("127.0.0.1", running.port, certificates.ca_file, SYNC_ACCOUNT, SYNC_PASSWORD)
    entries = len(sync(connection, BASES, ATTRIBUTES, 100))
    connection.unbind()
    found = wait_for_sample(running, "sync_runs_total", "mimecast", "yes")
    assert found["ldap_gateway_entries_total", "mimecast"] == entries > 500
    assert found["ldap_gateway_sync_last_entries", "mimecast"] == entries
    searches = len(running.audit(operation="search"))
    assert found["ldap_gateway_operations_total", "mimecast", "search", "success"] == searches > 5
    sent = sum(record["bytes"] for record in running.audit())
    assert found["ldap_gateway_sent_bytes_total", "mimecast"] == sent

    page, complaints = browser.read(f"http://127.0.0.1:{running.admin_port}/")
    assert complaints == []
    assert "last sync complete" in page
    assert f"<dd>{entries:,}</dd>" in page
    assert SYNC_ACCOUNT not in page
    assert slapd_tree.user_dn(1) not in page


def test_a_sync_that_broke_off_is_not_complete(certificates, slapd, start_gateway):
    running = start(start_gateway, certificates, slapd, sync_gap=1)
    connection = connect("127.0.0.1", running.port, certificates.ca_file, SYNC_ACCOUNT, SYNC_PASSWORD)
    pages = connection.extend.standard.paged_search(
        STAFF, "(objectClass=*)", attributes=ATTRIBUTES, paged_size=50, generator=True
    )
    assert next(pages)["type"] == "searchResEntry"
    connection.unbind()
    found = wait_for_sample(running, "sync_runs_total", "mimecast", "no")
    assert found["ldap_gateway_sync_last_complete", "mimecast"] == 0
    assert found["ldap_gateway_sync_last_complete_timestamp_seconds", "mimecast"] == 0


def test_without_its_server_it_is_not_ready_and_with_it_again_it_is(certificates, start_slapd, start_gateway, browser):
    server = start_slapd()
    running = start(start_gateway, certificates, server)

    def ready():
        status, _, text = get(running.admin_port, "/readyz")
        return status, json.loads(text)

    def bind():
        with RawClient(running.port, certificates.ca_file) as session:
            return session.bind(SYNC_ACCOUNT, SYNC_PASSWORD)

    assert ready() == (200, {"status": "ready", "reasons": [], "notes": []})
    server.kill()
    assert bind() == 52
    why = f"directory corp: no server is up: localhost:{server.port} (refused)"
    assert ready() == (503, {"status": "not ready", "reasons": [why], "notes": []})
    page, _ = browser.read(f"http://127.0.0.1:{running.admin_port}/")
    assert why in page
    server.start()
    assert bind() == 0
    assert ready()[0] == 200


@pytest.mark.parametrize("window", [PHONE, DESKTOP])
def test_a_full_page_fits_its_window(browser, window):
    html = status_page(busy_ledger()).decode()
    assert browser.look(html, window).width == window


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Where the pictures of the page go: whoever changes the page looks at them."""
    wanted = os.environ.get("LDAP_GATEWAY_PICTURES")
    if wanted is None:
        return tmp_path_factory.mktemp("pictures")
    Path(wanted).mkdir(parents=True, exist_ok=True)
    return Path(wanted)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("name", "window"), [("desktop", DESKTOP), ("phone", PHONE)])
@pytest.mark.parametrize("state", STATES)
def test_the_page_in_each_state_fits_its_window_and_has_the_readers_colours(
    browser, pictures, state, name, window, dark
):
    html = status_page(STATES[state]()).decode()
    picture = pictures / f"{state}-{name}-{'dark' if dark else 'light'}.png"
    look = browser.look(html, window, dark, picture)
    assert look.width == window
    assert look.background == (DARK if dark else LIGHT)
    # PNG 1.2, 11.2.2: width and height stand behind the header of the first chunk.
    shown = struct.unpack(">II", picture.read_bytes()[16:24])
    assert shown == (max(window, 500), look.height)


def test_its_style_is_let_through_and_nothing_else(certificates, slapd, start_gateway, browser):
    running = start(start_gateway, certificates, slapd)
    _, headers, _ = get(running.admin_port, "/")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    # The browser tells of each thing that the policy keeps out.
    assert browser.read(f"http://127.0.0.1:{running.admin_port}/")[1] == []
