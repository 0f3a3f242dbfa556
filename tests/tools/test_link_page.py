"""How the links of a running gateway stand, as a command asks its admin page."""

import json
from dataclasses import asdict

import pytest

from gateway.ask.link_page import NoLinkPage, ask_links
from tests.observe.linked import GONE, HERE, OTHER, inside, outside
from tests.tools.test_health_page import answering, page


@pytest.mark.parametrize("links", [[], [outside(HERE, GONE), inside()], [outside(*[OTHER] * 200)]])
def test_what_the_page_tells_is_what_there_is(links):
    text = json.dumps({"links": [asdict(link) for link in links]})
    with answering(page(200, text)) as address:
        assert ask_links(address) == links


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (page(404, "There is no such page."), "There is no such page."),
        (page(200, "{}"), "of another version than this command"),
        (page(200, "[]"), "of another version than this command"),
        (page(200, "no JSON"), "of another version than this command"),
        (page(200, '{"links": [{"link": "inside"}]}'), "of another version than this command"),
        (page(200, '{"links": [{"side": "beside", "peers": []}]}'), "of another version than this command"),
        (b"", "closed connection"),
    ],
)
def test_any_other_answer_is_an_error_in_words(answer, said):
    with answering(answer) as address, pytest.raises(NoLinkPage, match=said):
        ask_links(address)
