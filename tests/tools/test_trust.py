from datetime import timedelta

import pytest

from gateway.tools.init.trust import NothingToTrust, authority_of, described, fingerprint, same_fingerprint
from tests.tools.chains import NOW, Authority, self_signed


@pytest.fixture(scope="module")
def root():
    return Authority.make("Root")


def test_the_root_that_a_server_sends_is_its_authority(root):
    middle = Authority.make("Middle", root)
    leaf, _ = middle.issue("dc1.corp.example")
    chain = (leaf, middle.certificate, root.certificate)
    assert authority_of(chain, NOW) == root.certificate
    said = dict(described(chain, root.certificate))
    assert said["server"] == "dc1.corp.example, for dc1.corp.example"
    assert said["issued by"] == "Middle"
    assert said["authority"] == "Root"


def test_a_self_signed_server_is_its_own_authority():
    leaf, _ = self_signed("dc1.corp.example")
    assert authority_of((leaf,), NOW) == leaf
    assert dict(described((leaf,), leaf))["authority"] == "dc1.corp.example (the server itself)"


def test_a_server_that_does_not_send_its_authority(root):
    leaf, _ = root.issue("dc1.corp.example")
    with pytest.raises(NothingToTrust, match=r"does not send Root.*--ca-file"):
        authority_of((leaf,), NOW)


def test_what_would_not_be_accepted_is_not_offered(root):
    leaf, _ = root.issue("dc1.corp.example", days=-1)
    with pytest.raises(NothingToTrust, match=r"dc1\.corp\.example: certificate has expired"):
        authority_of((leaf, root.certificate), NOW)
    other = Authority.make("Other")
    leaf, _ = other.issue("dc1.corp.example")
    with pytest.raises(NothingToTrust):
        authority_of((leaf, root.certificate), NOW)


def test_fingerprints_are_compared_however_they_are_written(root):
    written = fingerprint(root.certificate)
    assert len(written) == 32 * 3 - 1
    for same in (written, written.lower(), written.replace(":", ""), written.replace(":", " ")):
        assert same_fingerprint(root.certificate, same)
    for other in ("", written[:-1], written[:-2] + ("00" if written[-2:] != "00" else "01")):
        assert not same_fingerprint(root.certificate, other)


def test_a_chain_in_which_time_has_run_out_later(root):
    leaf, _ = root.issue("dc1.corp.example", days=1)
    assert authority_of((leaf, root.certificate), NOW) == root.certificate
    with pytest.raises(NothingToTrust):
        authority_of((leaf, root.certificate), NOW + timedelta(days=2))
