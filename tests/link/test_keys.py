"""Keys of a link: what is made, what is read, what is refused and what is said of it."""

import base64
import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.link.keys import KeyProblem, PairFiles, fingerprint, new_pair, time_trouble, write_pair
from gateway.link.pins import NoPin, Pins, out_of_time, pins_of, read_pins
from tests.link.key_files import NOW, identity, made, pinned, write


def said(call, *arguments, **named):
    with pytest.raises(KeyProblem) as caught:
        call(*arguments, **named)
    path, _, text = str(caught.value).partition(": ")
    assert path == str(caught.value.path)
    return text


class TestMaking:
    def test_the_files_of_a_pair(self, tmp_path):
        files = write_pair(tmp_path, "inside-1", NOW)
        assert files == PairFiles(tmp_path / "inside-1.pem", tmp_path / "inside-1.key")
        assert files.private_key.stat().st_mode & 0o7777 == 0o600
        (certificate,) = x509.load_pem_x509_certificates(files.certificate.read_bytes())
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert isinstance(certificate.public_key().curve, SECP256R1)
        key = load_pem_private_key(files.private_key.read_bytes(), None)
        assert key.public_key() == certificate.public_key()
        digest = hashlib.sha256(spki)
        assert certificate.subject.rfc4514_string() == f"CN=inside-1.{digest.hexdigest()[:32]}"
        assert fingerprint(certificate) == "SHA256:" + base64.b64encode(digest.digest()).decode().rstrip("=")
        assert identity(files).fingerprint == fingerprint(certificate) == read_pins(files.certificate)[0].fingerprint

    def test_it_is_good_for_two_years_and_begins_a_day_early(self, tmp_path):
        files = write_pair(tmp_path, "inside-1", NOW)
        for when in (NOW - timedelta(hours=23), NOW + timedelta(days=729)):
            assert time_trouble(identity(files).certificate, when) == ""
            assert out_of_time(read_pins(files.certificate), when) == ""
        early, late = NOW - timedelta(hours=25), NOW + timedelta(days=731)
        for trouble in (
            lambda when: time_trouble(identity(files).certificate, when),
            lambda when: out_of_time(read_pins(files.certificate), when),
        ):
            assert "is the clock right (`timedatectl`)?" in trouble(early)
            assert trouble(late).startswith("expired on ")

    @pytest.mark.parametrize("name", ["", "-a", ".a", "a/b", "a b", "ä", "a" * 32, "a\n", "../a"])
    def test_names_that_are_none(self, name):
        with pytest.raises(ValueError, match="1 to 31 letters"):
            new_pair(name, NOW)

    @pytest.mark.parametrize("name", ["a", "Inside_1.example-x", "a" * 31])
    def test_names(self, name, tmp_path):
        assert identity(write_pair(tmp_path, name, NOW)).fingerprint

    @pytest.mark.parametrize("there", ["inside-1.pem", "inside-1.key"])
    def test_nothing_is_overwritten_and_nothing_is_left(self, there, tmp_path):
        (tmp_path / there).write_text("mine")
        assert "is not overwritten" in said(write_pair, tmp_path, "inside-1", NOW)
        assert [path.name for path in tmp_path.iterdir()] == [there]
        assert (tmp_path / there).read_text() == "mine"

    def test_a_link_that_leads_nowhere_is_not_followed(self, tmp_path):
        (tmp_path / "inside-1.key").symlink_to(tmp_path / "elsewhere")
        assert "is not overwritten" in said(write_pair, tmp_path, "inside-1", NOW)

    def test_no_directory(self, tmp_path):
        assert said(write_pair, tmp_path / "none", "inside-1", NOW).startswith("cannot be written: ")


class TestIdentity:
    def test_the_file_is_not_there(self, tmp_path):
        files = made(tmp_path, "inside-1")
        missing = tmp_path / "missing"
        for wrong in (PairFiles(missing, files.private_key), PairFiles(files.certificate, missing)):
            assert said(identity, wrong) == "cannot be read: there is no such file"

    def test_files_of_another_kind(self, tmp_path):
        files = made(tmp_path, "inside-1")
        swapped = PairFiles(files.private_key, files.certificate)
        assert said(identity, swapped).startswith("no certificate in PEM;")
        twice = PairFiles(files.certificate, files.certificate)
        assert said(identity, twice).startswith("no private key in PEM;")

    def test_a_key_of_another_pair(self, tmp_path):
        one, other = made(tmp_path / "1", "inside-1"), made(tmp_path / "2", "inside-1")
        text = said(identity, PairFiles(one.certificate, other.private_key))
        assert text == f"this key does not belong to {one.certificate}; name the two files of one pair"

    @pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
    def test_a_key_that_everybody_may_read(self, mode, tmp_path):
        files = made(tmp_path, "inside-1")
        files.private_key.chmod(mode)
        text = said(identity, files)
        assert f"`chmod o-rwx {files.private_key}`" in text
        files.private_key.chmod(mode & 0o770)
        assert identity(files)

    def test_a_key_with_a_passphrase(self, tmp_path):
        files = made(tmp_path, "inside-1")
        key = load_pem_private_key(files.private_key.read_bytes(), None)
        files.private_key.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"Passw0rd"))
        )
        assert said(identity, files) == "the key is encrypted; a key without a passphrase is needed"

    def test_more_than_one_certificate(self, tmp_path):
        files = made(tmp_path, "inside-1")
        files.certificate.write_bytes(files.certificate.read_bytes() * 2)
        assert said(identity, files).startswith("2 certificates in it; an end shows its own one")

    def test_keys_of_another_kind(self, tmp_path):
        for number, key in enumerate((generate_private_key(SECP384R1()), generate_rsa_key(65537, 2048))):
            files = write(tmp_path / str(number), "inside-1", key=key)
            assert said(identity, files).startswith("its key is not ECDSA with P-256")
            assert said(read_pins, files.certificate).startswith("its key is not ECDSA with P-256")
            good = made(tmp_path / f"{number}good", "inside-1")
            mixed = PairFiles(good.certificate, files.private_key)
            assert said(identity, mixed).startswith("its key is not ECDSA with P-256")


class TestPins:
    def test_two_while_a_key_is_changed(self, tmp_path):
        one, other = made(tmp_path / "1", "inside-1"), made(tmp_path / "2", "inside-1")
        both = tmp_path / "both.pem"
        both.write_bytes(one.certificate.read_bytes() + other.certificate.read_bytes())
        pins = Pins({"inside-1": read_pins(both)})
        assert {pins.owner(identity(files).certificate) for files in (one, other)} == {"inside-1"}

    def test_who_is_who(self, tmp_path):
        one, other, third = (made(tmp_path / name, name) for name in ("inside-1", "inside-2", "inside-3"))
        pins = pinned(inside_1=one, inside_2=other)
        owners = [pins.owner(identity(files).certificate) for files in (one, other, third)]
        assert owners == ["inside-1", "inside-2", None]

    def test_a_certificate_of_the_same_name_and_key_is_another_one(self, tmp_path):
        key = generate_private_key(SECP256R1())
        one, other = write(tmp_path / "1", "same", key=key), write(tmp_path / "2", "same", key=key)
        assert pinned(one=one).owner(identity(other).certificate) is None

    def test_no_pin_at_all(self, tmp_path):
        stranger = identity(made(tmp_path, "inside-1")).certificate
        for nobody in ({}, {"inside-1": []}):
            pins = Pins(nobody)
            assert not pins
            assert pins.owner(stranger) is None

    def test_one_key_is_for_one_end(self, tmp_path):
        files = made(tmp_path, "inside-1")
        assert "one key is for one end alone" in said(pinned, one=files, other=files)
        # The same file twice for one end is no harm.
        Pins({"one": read_pins(files.certificate) * 2})

    def test_two_certificates_with_one_subject(self, tmp_path):
        one, other = write(tmp_path / "1", "same"), write(tmp_path / "2", "same")
        text = said(pinned, one=one, other=other)
        assert text.startswith(f"{one.certificate} has another certificate with the same subject")

    def test_no_certificate(self, tmp_path):
        path = tmp_path / "pin.pem"
        assert said(read_pins, path) == "cannot be read: there is no such file"
        for octets in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            path.write_bytes(octets)
            assert said(read_pins, path).startswith("no certificate in PEM;")

    @pytest.mark.parametrize("ca", [True, None])
    def test_a_certificate_that_may_issue_others(self, ca, tmp_path):
        files = write(tmp_path, "authority", ca=ca)
        assert said(read_pins, files.certificate).startswith("it may issue others")

    def test_a_certificate_that_another_one_issued(self, tmp_path):
        files = write(tmp_path, "leaf", issuer=generate_private_key(SECP256R1()))
        assert said(read_pins, files.certificate).startswith("it is not signed by its own key")

    def test_an_old_certificate_beside_a_good_one_does_no_harm(self, tmp_path):
        good, old = made(tmp_path / "1", "inside-1"), made(tmp_path / "2", "inside-1", NOW - timedelta(days=800))
        both = tmp_path / "both.pem"
        both.write_bytes(old.certificate.read_bytes() + good.certificate.read_bytes())
        assert out_of_time(read_pins(both), NOW) == ""
        assert out_of_time(read_pins(old.certificate), NOW).startswith("expired on ")

    def test_whose_file_cannot_be_used_is_shut_out_and_nobody_else(self, tmp_path):
        good, first, second = (made(tmp_path / name, name) for name in ("good", "first", "second"))
        second.certificate.write_bytes(first.certificate.read_bytes())
        empty = tmp_path / "empty.pem"
        empty.touch()
        names = {"good": good, "first": first, "second": second}
        files = {name: pair.certificate for name, pair in names.items()}
        pins, shut_out = pins_of(files | {"gone": tmp_path / "gone.pem", "empty": empty})
        assert pins.owner(identity(good).certificate) == "good"
        # It could be either of them.
        (shared,) = read_pins(first.certificate)
        assert pins.owner(shared.certificate) is None
        assert shut_out.keys() == {"first", "second", "gone", "empty"}
        assert isinstance(shut_out["gone"], NoPin)
        assert str(shut_out["gone"]) == f"{tmp_path}/gone.pem: cannot be read: there is no such file"
        assert "no certificate in PEM" in str(shut_out["empty"])
        assert not pins_of({"gone": tmp_path / "gone.pem"})[0]

    def test_a_certificate_of_another_kind_beside_a_good_one(self, tmp_path):
        good, other = made(tmp_path / "1", "inside-1"), write(tmp_path / "2", "inside-1", ca=True)
        good.certificate.write_bytes(good.certificate.read_bytes() + other.certificate.read_bytes())
        assert said(read_pins, good.certificate).startswith("it may issue others")
