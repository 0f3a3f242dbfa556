"""Mapped accounts in the configuration: what is served, and what is wrong, which is said without showing a secret."""

import base64
import re

import pytest
import yaml
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type, hash_secret, verify_secret
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.config import models
from gateway.config.credentials import LEAST, HashProblem, read_hash
from gateway.config.problems import ConfigurationError
from gateway.ldap.dn import parse
from gateway.policy.credentials import OwnPassword
from tests.config.test_load import GOOD, load
from tests.examples import examples

OWN = "CN=svc-gateway,OU=Service,DC=corp,DC=example"
SALT, DIGEST = "c2FsdHNhbHRzYWx0c2FsdA", base64.b64encode(b"x" * 32).decode().rstrip("=")


def hashed(memory=19_456, passes=2, lanes=1, salt=SALT, digest=DIGEST):
    return f"$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${digest}"


ONE, TWO = hashed(), hashed(digest=base64.b64encode(b"y" * 32).decode().rstrip("="))
WITHOUT = GOOD.replace("    sync_accounts: [svc@corp.example]\n", "")
MAPPED = f"""\
    credentials:
      mode: mapped
      accounts:
        mimecast-sync:
          hashes: ["{ONE}"]
          bind_dn: "{OWN}"
          password_file: password
"""
SECOND = """\
  other:
    sources: [192.0.2.0/24]
    directory: corp
    base_dns: ["OU=Staff,DC=corp,DC=example"]
    attributes: [mail]
"""


def loaded(tmp_path, text=MAPPED, *, password=b"Inner-Passw0rd", mode=0o600, before=WITHOUT):
    file = tmp_path / "password"
    if password is not None:
        file.write_bytes(password)
        file.chmod(mode)
    return load(tmp_path, before + text)


def refusal(tmp_path, text=MAPPED, **more):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text, **more)
    (problem,) = caught.value.problems
    return problem


def test_accounts_become_settings(tmp_path):
    configuration = loaded(tmp_path)
    (client,) = configuration.settings.clients
    (account,) = client.policy.mapped_accounts
    assert (account.name, account.hashes, account.own.bind_dn) == ("mimecast-sync", (ONE,), OWN)
    assert account.own.password == OwnPassword(b"Inner-Passw0rd")
    assert client.policy.sync_accounts == ("mimecast-sync",)
    assert client.policy.gateway_accounts == (parse(OWN),)
    assert not any("password" in warning for warning in configuration.warnings)
    (decoy,) = client.policy.decoy_hashes
    assert decoy != ONE
    assert decoy.rpartition("$")[0].rpartition("$")[0] == ONE.rpartition("$")[0].rpartition("$")[0]


def test_neither_models_nor_settings_show_a_secret(tmp_path):
    configuration = loaded(tmp_path)
    file = models.File.model_validate(yaml.safe_load(WITHOUT + MAPPED))
    assert not leaks(repr(configuration) + repr(file) + str(file))
    with pytest.raises(ValidationError) as caught:
        models.MappedAccount.model_validate({"hashes": {"hunter2": 1}, "bind_dn": ["hunter2"], "password_file": 2})
    assert not leaks(f"{caught.value}{caught.value!r}")


def test_a_decoy_is_a_hash_that_argon2_reads(tmp_path):
    (client,) = loaded(tmp_path).settings.clients
    with pytest.raises(VerifyMismatchError):
        verify_secret(client.policy.decoy_hashes[0].encode(), b"anything", Type.ID)


def test_passthrough_is_the_default_and_changes_nothing(tmp_path):
    (client,) = load(tmp_path, GOOD).settings.clients
    policy = client.policy
    assert (policy.mapped_accounts, policy.decoy_hashes, policy.gateway_accounts) == ((), (), ())
    said = load(tmp_path, GOOD + "    credentials: {mode: passthrough}\n").settings.clients[0].policy
    assert said == policy


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"word", b"word"),
        (b"word\n", b"word"),
        (b"word\r\n", b"word"),
        (b" w rd \n", b" w rd "),
        ("Pässwörd\n".encode(), "Pässwörd".encode()),
        (b"w\r", b"w\r"),
    ],
)
def test_one_line_end_is_no_part_of_the_password(tmp_path, octets, password):
    (client,) = loaded(tmp_path, password=octets).settings.clients
    assert client.policy.mapped_accounts[0].own.password.reveal() == password


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"\r\n", "it is empty"),
        (b"one\ntwo", "more than one line"),
        (b"word\n\n", "more than one line"),
        ("word".encode("utf-16-le"), "a NUL"),
        (b"\xef\xbb\xbfword", "a byte order mark"),
        (b"x" * 5000, "larger than 4096 octets"),
        (None, "cannot be read: there is no such file"),
    ],
)
def test_a_password_file_that_cannot_be_meant_is_refused(tmp_path, octets, said):
    problem = refusal(tmp_path, password=octets)
    assert (problem.line, problem.path) == (22, "clients.mimecast.credentials.accounts.mimecast-sync.password_file")
    assert said in problem.message
    assert str(tmp_path / "password") in problem.message


def test_a_password_that_everybody_can_read_is_a_warning(tmp_path):
    (warning,) = [each for each in loaded(tmp_path, mode=0o644).warnings if "password_file" in each]
    assert re.search(r"gateway.yaml:22: .*/password: every user of this host can read it", warning)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("mode: mapped", "mode: maped", 17, "'passthrough' or 'mapped'"),
        ("mode: mapped", "mod: mapped", 17, 'did you mean "mode"'),
        ("bind_dn:", "bind_nd:", 21, 'did you mean "bind_dn"'),
        ("          password_file: password\n", "", 19, "password_file: is required"),
        (OWN, "svc-gateway@corp.example", 21, "bind_dn: "),
        (OWN, "CN=svc, gateway,DC=corp", 21, "unescaped"),
        (OWN, "", 21, "an empty one would be anonymous"),
        (f'["{ONE}"]', "[]", 19, "1 to 4 hashes are expected"),
        (f'["{ONE}"]', str([hashed(19_456 + i) for i in range(5)]), 20, "at most 4"),
        (f'["{ONE}"]', f'["{ONE}", "{ONE}"]', 20, "the same hash twice"),
        (f'["{ONE}"]', f"[{ONE}]", 20, "a hash needs quotes"),
        (f'["{ONE}"]', "[5]", 20, "a text is expected"),
        (f'["{ONE}"]', f'["{ONE}"]\n          hashes_file: no-file', 21, "cannot be read"),
        ("mimecast-sync:", "mime/cast:", 19, "a single name like mimecast-sync"),
        ("mimecast-sync:", "'':", 19, "a single name like mimecast-sync"),
        ("mimecast-sync:", '"CN=x, y,O=z":', 19, "a single name like mimecast-sync"),
        ("mimecast-sync:", "'*':", 19, "a single name like mimecast-sync"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, old, new, line, said):
    assert old in MAPPED
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, MAPPED.replace(old, new, 1))
    assert [problem for problem in caught.value.problems if problem.line == line and said in str(problem)]
    assert not leaks(str(caught.value))


def leaks(text):
    return any(hidden in text for hidden in (SALT, DIGEST, "Passw0rd", "hunter2"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (hashed(7_000, 5), "too weak"),
        (hashed(19_455, 2), "too weak"),
        (hashed(47_103, 1), "too weak"),
        (hashed(256 * 1024 + 1, 1), "too costly"),
        (hashed(256 * 1024, 5), "too costly"),
        (hashed(999_999_999, 1), "too costly"),
        (hashed(lanes=17), "too costly"),
        (hashed(salt="c2FsdA"), "a length that is not served"),
        (hashed(digest="c2FsdA"), "a length that is not served"),
        (hashed(digest=DIGEST + "AA"), "a length that is not served"),
        (hashed(digest=DIGEST[:-1] + "f"), "a length that is not served"),
        (hashed(memory="019456"), "not an argon2id hash"),
        (hashed(passes=0), "not an argon2id hash"),
        (hashed().replace("argon2id", "argon2i"), "not an argon2id hash"),
        (hashed().replace("argon2id", "argon2d"), "not an argon2id hash"),
        (hashed().replace("v=19", "v=16"), "not an argon2id hash"),
        (hashed() + "\n", "not an argon2id hash"),
        ("$2b$12$" + "x" * 53, "of another kind"),
        ("{SSHA}" + SALT, "of another kind"),
        ("hunter2", "not a hash"),
        ("", "not a hash"),
    ],
)
def test_a_hash_that_is_not_served_is_refused_without_being_shown(tmp_path, text, said):
    with pytest.raises(HashProblem, match=said) as caught:
        read_hash(text)
    assert not leaks(str(caught.value))
    (tmp_path / "hashes").write_text(f"# of the service\n\n  {ONE}\n{text.strip() or 'x'}\n")
    in_file = MAPPED.replace(f'hashes: ["{ONE}"]', "hashes_file: hashes")
    problem = refusal(tmp_path, in_file)
    assert (problem.file, problem.line) == (str(tmp_path / "hashes"), 4)
    assert not leaks(str(problem))


@pytest.mark.parametrize(("memory", "passes"), [*LEAST, (256 * 1024, 4), (65_536, 3), (19_456, 3), (50_000, 1)])
def test_what_owasp_recommends_and_more_is_served(memory, passes):
    found = read_hash(hashed(memory, passes))
    assert (found.memory, found.passes, found.lanes, found.salt, found.digest) == (memory, passes, 1, 16, 32)


def test_the_librarys_own_defaults_are_served():
    read_hash(PasswordHasher().hash("x"))


@settings(max_examples=examples(25), deadline=None)
@given(st.binary(min_size=8, max_size=64), st.integers(16, 64), st.integers(1, 16))
@example(b"x" * 9, 17, 3)
def test_every_hash_that_is_served_can_be_verified(salt, size, lanes):
    written = hash_secret(b"right", salt, 5, 7_168, lanes, size, Type.ID).decode()
    found = read_hash(written)
    assert (found.salt, found.digest, found.lanes) == (len(salt), size, lanes)
    assert verify_secret(found.text.encode(), b"right", Type.ID)


@given(st.text(max_size=120) | st.from_regex(r"\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+(\$[A-Za-z0-9+/]+){2}"))
def test_any_text_is_a_hash_or_a_problem_that_shows_nothing_of_it(text):
    try:
        assert read_hash(text).text == text
    except HashProblem as error:
        assert len(text) < 12 or text not in str(error)


def test_hashes_may_lie_in_both_places(tmp_path):
    (tmp_path / "hashes").write_text(f"# next\r\n{TWO}\r\n")
    text = MAPPED.replace("          bind_dn", "          hashes_file: hashes\n          bind_dn")
    (client,) = loaded(tmp_path, text).settings.clients
    assert client.policy.mapped_accounts[0].hashes == (ONE, TWO)
    assert len(client.policy.decoy_hashes) == 2
    (tmp_path / "hashes").write_text(ONE)
    assert "the same hash twice" in refusal(tmp_path, text).message


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("        mimecast-sync:", '        "CN=#0c03737663,O=Outside":', "CN=#0c03737663,O=Outside"),
        (OWN, "CN=#0c03737663,DC=corp,DC=example", "mimecast-sync.bind_dn"),
    ],
)
def test_a_dn_with_a_value_in_hexadecimal_is_refused(tmp_path, old, new, key):
    found = refusal(tmp_path, MAPPED.replace(old, new))
    assert found.path.endswith(f"accounts.{key}")
    assert "write its values as text" in found.message


def test_sync_accounts_beside_mapped_ones_are_refused(tmp_path):
    problem = refusal(tmp_path, before=GOOD)
    assert (problem.line, problem.path) == (14, "clients.mimecast.sync_accounts")
    assert "would still be worth something inside" in problem.message


def test_accounts_without_the_mode_are_refused(tmp_path):
    problem = refusal(tmp_path, MAPPED.replace("mode: mapped", "mode: passthrough"), before=GOOD)
    assert (problem.line, problem.message) == (19, "only of use with `mode: mapped`")


def test_mapped_without_accounts_is_refused(tmp_path):
    problem = refusal(tmp_path, "    credentials: {mode: mapped}\n")
    assert (problem.line, problem.message) == (16, "with `mapped` the accounts are needed: accounts")


def test_two_spellings_of_one_name_are_refused(tmp_path):
    block = MAPPED.partition("accounts:\n")[2]
    problem = refusal(tmp_path, MAPPED + block.replace("mimecast-sync", "Mimecast-SYNC"))
    assert (problem.line, problem.message) == (23, "two accounts with the same name")


def test_the_gateways_own_account_is_no_other_clients_sync_account(tmp_path):
    others = f'{SECOND}    sync_accounts: ["{OWN.lower()}"]\n'
    problem = refusal(tmp_path, MAPPED + others)
    assert problem.path == "clients.other.sync_accounts.0"
    assert "nobody outside may have its password" in problem.message


def test_one_account_has_one_password(tmp_path):
    (tmp_path / "second").write_text("other")
    (tmp_path / "second").chmod(0o600)
    text = MAPPED + SECOND + MAPPED.replace("password_file: password", "password_file: second")
    problem = refusal(tmp_path, text)
    assert (problem.line, problem.message) == (34, "another password than the same account has in clients.mimecast")
    (tmp_path / "second").write_text("Inner-Passw0rd\n")
    first, second = loaded(tmp_path, text).settings.clients
    assert first.policy.gateway_accounts == second.policy.gateway_accounts == (parse(OWN),)


def test_another_client_of_the_directory_knows_the_gateways_account(tmp_path):
    text = MAPPED + SECOND + "    sync_accounts: [svc@corp.example]\n"
    _, other = loaded(tmp_path, text).settings.clients
    assert other.policy.gateway_accounts == (parse(OWN),)
