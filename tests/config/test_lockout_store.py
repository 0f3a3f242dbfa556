import pytest

from gateway.config.problems import ConfigurationError
from gateway.state.redis_settings import RedisSettings
from tests.config.test_load import GOOD, load

PASSWORD = "S3cret:/@"


def store(tmp_path, text):
    return load(tmp_path, f"{GOOD}lockout_store: {text}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory", None),
        ("redis://10.1.2.3", RedisSettings("10.1.2.3")),
        ("redis://gw:S3cret%3A%2F%40@redis.corp.example:6380/2",
         RedisSettings("redis.corp.example", 6380, database=2, user="gw", password=PASSWORD)),
        ("redis://:pw@[2001:db8::1]:6380", RedisSettings("2001:db8::1", 6380, password="pw")),
        ("rediss://:pw@redis/0", RedisSettings("redis", password="pw", tls=True)),
        ("unix:///run/redis/redis.sock", RedisSettings(path="/run/redis/redis.sock")),
        ('"unix://gw:pw@/run/r.sock?db=3"', RedisSettings(path="/run/r.sock", database=3, user="gw", password="pw")),
    ],
)  # fmt: skip
def test_it_may_be_written_as_a_url(tmp_path, text, expected):
    assert store(tmp_path, text).settings.lockout_store == expected


def test_it_is_memory_by_itself(tmp_path):
    assert load(tmp_path, GOOD).settings.lockout_store is None


def test_password_and_ca_may_be_in_files(tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "password").chmod(0o600)
    found = store(tmp_path, "{url: rediss://gw@redis, password_file: password, ca_file: gateway.pem}")
    assert found.settings.lockout_store == RedisSettings(
        "redis", user="gw", password=PASSWORD, tls=True, ca_file=tmp_path / "gateway.pem"
    )
    assert found.warnings == load(tmp_path, GOOD).warnings


def test_no_password_is_in_what_is_shown_of_it(tmp_path):
    found = store(tmp_path, "redis://gw:S3cret@redis.corp.example:6380/2").settings.lockout_store
    assert "S3cret" not in repr(found) and "S3cret" not in found.label
    assert found.label == "redis://redis.corp.example:6380/2"
    assert RedisSettings("::1", tls=True).label == "rediss://[::1]:6379/0"
    assert RedisSettings(path="/run/r.sock", database=1).label == "unix:///run/r.sock?db=1"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        *((text, "lockout_store", "memory, redis://USER:PASSWORD@HOST:PORT/DB, rediss://") for text in (
            "disk", "http://:S3cret@redis", "redis://", "redis://:S3cret@", "redis://:S3cret@redis:port",
            "redis://:S3cret@redis/db", "redis://:S3cret@redis/0/1", '"redis://:S3cret@redis?db=1"',
            "unix://host/run/r.sock", '"unix:///run/r.sock?timeout=1"', "redis://:S3cret@[::1",
            "redis://:p@S3cret@redis",
        )),
        ("{url: memory}", "lockout_store.url", "memory, redis://"),
        ("{uri: 'redis://:S3cret@redis'}", "lockout_store.uri", 'unknown key; did you mean "url"?'),
        ("{url: 'redis://:S3cret@redis', password_file: password}", "lockout_store.password_file", "keep it in one"),
        ("{url: 'redis://redis', password_file: nothing}", "lockout_store.password_file", "no such file"),
        ("{url: 'redis://redis', password_file: two}", "lockout_store.password_file", "one line with the password"),
        ("{url: 'redis://redis', password_file: gateway.der}", "lockout_store.password_file", "in UTF-8"),
        ("{url: 'redis://:S3cret@redis', ca_file: gateway.pem}", "lockout_store.ca_file", "only of use with rediss"),
        ("{url: 'rediss://:S3cret@redis', ca_file: password}", "lockout_store.ca_file", "no certificate in PEM"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_without_a_password(tmp_path, text, key, words):
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "two").write_text("S3cret\nS3cret\n")
    (tmp_path / "gateway.der").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError) as raised:
        store(tmp_path, text)
    said = str(raised.value)
    assert f"gateway.yaml:17: {key}: " in said and words in said
    assert "S3cret" not in said


def test_a_store_that_anybody_may_change_or_read_is_warned_of(tmp_path):
    usual = load(tmp_path, GOOD).warnings

    def warned(text):
        return [warning for warning in store(tmp_path, text).warnings if warning not in usual]

    (bare,) = warned("redis://127.0.0.1")
    assert "without a password whoever reaches the server can change the counts" in bare
    (plain,) = warned("redis://:S3cret@redis.corp.example")
    assert "the password crosses the network in plain" in plain and "S3cret" not in plain
    for text in ("redis://:S3cret@localhost", "rediss://:S3cret@redis.corp.example", "unix:///run/redis/redis.sock"):
        assert warned(text) == []


@pytest.mark.parametrize(("text", "expected"), [("per_source: 20", 20), ("failures: 3", 0)])
def test_a_clients_sources_may_be_counted(tmp_path, text, expected):
    found = load(tmp_path, f"{GOOD}    lockout: {{{text}}}\n").settings.clients[0].policy.lockout
    assert found.per_source == expected
    assert (found.of_sources().failures, found.of_sources().window) == (expected, 1800)
