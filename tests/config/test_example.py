"""conf/gateway.example.yaml names every key, and says the default of those that need not be written."""

import re
from pathlib import Path

import yaml
from pydantic import BaseModel

from gateway.config import models

CONF = Path(__file__).parents[2] / "conf"
EXAMPLE = CONF / "gateway.example.yaml"

# What is written where no default would show what a key is for.
SHOWN = {
    ("listeners",),
    ("directories", "corp", "ca_file"),
    ("directories", "corp", "servers"),
    ("directories", "corp", "servers", 1, "server_name"),
    ("clients", "mimecast", "sources"),
    ("clients", "mimecast", "sync_accounts"),
    ("clients", "mimecast", "login_base_dns"),
    ("clients", "mimecast", "login_domains"),
    ("clients", "mimecast", "excluded_base_dns"),
    ("clients", "mimecast", "required_filter"),
}


def parts(model, written, location=()):
    """Each model of a validated file with what is written of it."""
    yield model, written, location
    for name in type(model).model_fields:
        value, key = getattr(model, name), written.get(name)
        found = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if isinstance(value, BaseModel) and key is not None:
            yield from parts(value, key, (*location, name))
        for inner, part in found or ():
            if isinstance(part, BaseModel):
                yield from parts(part, key[inner], (*location, name, inner))


def example_parts():
    written = yaml.safe_load(EXAMPLE.read_text())
    return parts(models.File.model_validate(written), written)


def test_every_key_is_in_the_example():
    missing = [
        (*location, name)
        for model, written, location in example_parts()
        for name in type(model).model_fields
        if name not in written
    ]
    assert missing == []


def test_every_default_in_the_example_is_the_true_one():
    wrong = [
        (*location, name)
        for model, _, location in example_parts()
        for name, field in type(model).model_fields.items()
        if not field.is_required()
        and not isinstance(field.get_default(), BaseModel)
        and (*location, name) not in SHOWN
        and getattr(model, name) != field.get_default()
    ]
    assert wrong == []


def test_the_links_that_are_commented_out_are_right_and_show_every_key():
    text = EXAMPLE.read_text()
    block = text[text.index("links: {}") : text.index("directories:")].partition("\n")[2]
    links = yaml.safe_load("".join(line[1:] for line in block.splitlines(keepends=True)))
    assert links.keys() == {"inside", "dmz"}
    assert {key for link in links.values() for key in link} == models.Link.model_fields.keys()
    for link in links.values():
        # A default is shown as it is.
        without = {key: value for key, value in link.items() if key not in ("parked", "connections")}
        assert models.Link.model_validate(without) == models.Link.model_validate(link)


def test_the_copy_that_is_commented_out_is_right_and_shows_every_key():
    text = EXAMPLE.read_text()
    block = text[text.index("entra: null") : text.index("    servers:")].split("\n", 2)[2]
    entra = yaml.safe_load("".join(line.replace("#", " ", 1) for line in block.splitlines(keepends=True)))
    assert entra.keys() == models.Entra.model_fields.keys()
    # A default is shown as it is.
    needed = {key: value for key, value in entra.items() if models.Entra.model_fields[key].is_required()}
    pair = {key: entra[key] for key in ("certificate", "private_key")}
    assert models.Entra.model_validate(needed | pair) == models.Entra.model_validate(entra)


def keys_that_may_be_null():
    """Where the example's own words say so: null is the value, or the comment behind it speaks of null."""
    lines = EXAMPLE.read_text().splitlines()

    def walk(node, location):
        for key, value in node.value:
            where = (*location, key.value)
            comment = lines[key.start_mark.line].partition("#")[2]
            if re.search(r"\bnull\b", comment) or value.tag.endswith(":null"):
                yield where
            if isinstance(value, yaml.MappingNode):
                yield from walk(value, where)

    return list(walk(yaml.compose(EXAMPLE.read_text()), ()))


def test_what_may_be_null_by_the_examples_own_words_may_be_null():
    found = keys_that_may_be_null()
    assert {("admin",), ("state_dir",), ("audit", "file")} <= set(found)
    for *above, key in found:
        written = yaml.safe_load(EXAMPLE.read_text())
        block = written
        for part in above:
            block = block[part]
        block[key] = None
        models.File.model_validate(written)


def test_every_model_that_has_defaults_is_in_the_example():
    shown = {type(model) for model, _, _ in example_parts()}
    known = {model for model in vars(models).values() if isinstance(model, type) and issubclass(model, models.Model)}
    # Certificates of clients, ours or theirs, and mapped accounts are none by default, servers are listed or
    # discovered, records go to no syslog, the lockout guard counts in memory, nothing goes by a link, and no directory
    # is a copy.
    none = {models.ClientCertificate, models.RequiredCertificate, models.MappedAccount, models.Syslog, models.Discover}
    none |= {models.LockoutStore, models.Link, models.Entra}
    assert known - shown == {models.Model, *none}
