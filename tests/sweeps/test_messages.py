"""Texts for people: no secret is shown, and no control character reaches a terminal."""

import time

import pytest

from sweeps.messages import redacted, redacted_url, visible

SECRETS = ("S3cr", "tPW")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # the password holds an @
        ("postgresql://bob:S3cr@tPW@h/x", "postgresql://bob:***@h/x"),
        ("postgresql://bob:S3cr%40tPW@h/x", "postgresql://bob:***@h/x"),
        ("postgresql://bob:S3cr:tPW@h:5432/x", "postgresql://bob:***@h:5432/x"),
        ("postgresql://bob:S3cr/tPW?@h/x", "postgresql://bob:***@h/x"),
        ("postgresql://bob:S3cr tPW@h/x", "postgresql://bob:***@h/x"),
        ("postgresql://bob:S3cr'tPW@h/x", "postgresql://bob:***@h/x"),
        ("redis://:S3cr@h", "redis://:***@h"),
        ("https://S3crtPW@github.com/a/b", "https://***@github.com/a/b"),
        ("postgresql://bob:S3crtPW", "postgresql://bob:***"),
        ("postgresql:/bob:S3cr@h/x", "postgresql:/bob:***@h/x"),
        ("postgresql:///bob:S3cr@h/x", "postgresql:///bob:***@h/x"),
        ("postgresql://h/x?user=bob&password=S3cr@tPW", "postgresql://h/x?user=bob&password=***"),
        (
            "postgresql://b:S3cr@h/x?sslpassword=tPW&a=b@c",
            "postgresql://b:***@h/x?sslpassword=***&a=b@c",
        ),
        ("mssql://?odbc_connect=DRIVER%3Dx%3BPWD%3DS3cr", "mssql://?odbc_connect=***"),
        ("got ['postgresql://bob:S3cr@tPW@h/x']", "got ['postgresql://bob:***@h/x']"),
        (
            "from a://b:S3cr@c to d://e:tPW@f (see http://x:8050/y)",
            "from a://b:***@c to d://e:***@f (see http://x:8050/y)",
        ),
        ("storage: a://b:S3cr@c\ncache: x@y\n", "storage: a://b:***@c\ncache: x@y\n"),
        ("host=h password='S3cr tPW' dbname=x", "host=h password=*** dbname=x"),
        ("host=h password = S3cr dbname=x", "host=h password = *** dbname=x"),
        ("{'user': 'bob', 'password': 'S3cr@tPW'}", "{'user': 'bob', 'password': '***'}"),
        ('{"aws_secret_access_key": "S3cr\\"tPW"}', '{"aws_secret_access_key": "***"}'),
        ("[('user', 'bob'), ('password', 'S3cr')]", "[('user', 'bob'), ('password', '***')]"),
        ("user: bob, password: S3cr@tPW, host: h", "user: bob, password: ***, host: h"),
        ('db_password: "S3crtPW"', "db_password: ***"),
        ('"postgresql:\\/\\/bob:S3cr@tPW@h/x"', '"postgresql:\\/\\/bob:***@h/x"'),
        (
            "http://h/?db=postgresql%3A%2F%2Fbob%3AS3cr%40tPW%40h%2Fx&y=1",
            "http://h/?db=postgresql%3A%2F%2Fbob%3A***%40h%2Fx&y=1",
        ),
        ("AWS_SECRET_ACCESS_KEY=S3cr srsweep run", "AWS_SECRET_ACCESS_KEY=*** srsweep run"),
        ("s3://key:S3cr@bucket/f", "s3://key:***@bucket/f"),
        ("got postgresql//bob:S3cr@h/x", "got postgresql//bob:***@h/x"),
    ],
)
def test_no_secret_is_left_and_the_rest_is(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown, "a message that is redacted twice stays"


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///results.db",
        "sqlite:////data/a:b@c/results.db",
        "http://127.0.0.1:8050 (stop with Ctrl-C)",
        "http://[::1]:8050/x@y",
        "postgresql://bob@h/x",
        "connection to server at 'h', port 5432 failed: user bob@h",
        "slwsr n_feats=16 attention=none",
        "trial 3: step 4, 10:30@noon",
        "keep_weights: all",
        "C:/data/a:b",
    ],
)
def test_a_text_without_a_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://bob:S3@cr'tPW@h/x", "postgresql://bob:***@h/x"),
        ("postgresql://bob:12 S3cr@h/x?password=tPW", "postgresql://bob:***@h/x?password=***"),
        ("postgresql:bob:S3cr@tPW@h/x", "postgresql:bob:***@h/x"),
        ("bob:S3cr@tPW@h/x", "bob:***@h/x"),
        ("postgresql//bob:S3cr/@tPW@h/x", "postgresql//bob:***@h/x"),
        ("postgresql%3A//bob:S3cr@h/x", "postgresql%3A//bob:***@h/x"),
        ("postgresql://bob@h/x", "postgresql://bob@h/x"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("results.db", "results.db"),
    ],
)
def test_a_value_that_must_be_a_url_may_be_misspelt(url: str, shown: str) -> None:
    assert redacted_url(url) == shown
    assert not any(secret in redacted_url(url) for secret in SECRETS)


@pytest.mark.parametrize("part", ["a.", "password", "a://b:", "'password':'", "a://b:@", "?a="])
def test_a_long_text_is_searched_in_little_time(part: str) -> None:
    started = time.process_time()
    redacted(part * (100_000 // len(part)))
    assert time.process_time() - started < 5


def test_control_characters_are_shown_and_not_obeyed() -> None:
    """Tests escape codes in names of a foreign database."""
    assert visible("\x1b[31mred\x07\r\u202eabc\ud800") == r"\x1b[31mred\x07\r\u202eabc\ud800"
    assert visible("tab\tand\nline é 漢") == "tab\tand\nline é 漢"
