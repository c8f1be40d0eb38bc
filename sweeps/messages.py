"""Prepares text for people: hides secrets, shows control characters as escapes, and shortens errors to one line.

Text that enters the program passes through this module before it is stored, logged or shown. The reason is that many
people can read the logs of a cluster, a report, or a database.
"""

import re
import unicodedata

TRACEBACK = "Traceback (most recent call last):"
"""The first line of a Python traceback."""
HIDDEN = "***"
"""The text that replaces a secret."""

# URLs with one slash or with three are typing errors, but messages about these errors show them too.
_URL = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,30}):(?P<slashes>(?:\\?/)+)(?P<rest>(?:(?!\b[a-z][a-z0-9+.-]{0,30}:\\?/)[^\n])*)",
    re.IGNORECASE,
)
_LOCAL = ("sqlite", "file")
"""Schemes of local files. A URL with such a scheme and three or more slashes contains only a path."""
# A URL within the query of another URL.
_ENCODED = re.compile(r"(?P<head>%3A(?:%2F){1,3}[^%\s&]{0,200}%3A)[^\s&]*(?=%40)", re.IGNORECASE)
# A URL that lacks the colon of its scheme.
_BARE = re.compile(r"(?P<head>(?<![:/\\])//[^\s:/@]*:)[^\s/@]+(?=@)")
_USER = re.compile(r"[^:/@?#\s'\"]*")
_IPV6 = re.compile(r"\[[0-9a-f:.%]+\]", re.IGNORECASE)
_PORT = re.compile(r"\d+(?![\w%])")
_WORD = re.compile(r"[^\s'\"<>`]*")
_QUERY = re.compile(r"\?[\w.-]+=")
_SECRET_KEY = (
    r"[\w.-]{0,40}(?:password|passwd|passphrase|pwd|secret|access_?key(?!_?id)|api_?key|odbc_connect)[\w.-]{0,40}"
    r"|(?:[\w.-]{0,40}[_.-])?token"
)
_ASSIGNED = re.compile(
    rf"(?P<key>(?<![\w.-])(?:{_SECRET_KEY})[ \t]*(?:=|%3D)[ \t]*)"
    r"(?:(?P<quote>['\"])(?:(?!(?P=quote))[^\n\\]|\\.)+(?P=quote)|[^&\s'\"]+)",
    re.IGNORECASE,
)
_MAPPED = re.compile(
    rf"(?P<key>(?P<quote>['\"])(?:{_SECRET_KEY})(?P=quote)\s*[:,]\s*)(?P<open>['\"])(?:(?!(?P=open))[^\n\\]|\\.)*(?P=open)",
    re.IGNORECASE,
)
_STATED = re.compile(
    rf"(?P<key>(?<![\w.'\"-])(?:{_SECRET_KEY})[ \t]*:[ \t]+)(?P<quote>['\"]?)(?!\*\*\*)[^\s'\",;}}]+(?P=quote)",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]*:/+[^:/@]*|[a-z][a-z0-9+.-]*:[^:/@]+|(?![a-z][a-z0-9+.-]*:/)[^:@]*(?=:[^/])):.*@(?P<host>[^@]*)",
    re.IGNORECASE | re.DOTALL,
)


def redacted(text: str) -> str:
    """Returns `text` with every password, token and key in it replaced by ***.

    Applying the function again changes nothing. `text` may be of any kind: a message, a traceback, a sweep file.
    Secrets are found in URLs ("://user:SECRET@host", where the secret may itself contain "@"), in parameters
    ("sslpassword=SECRET"), in mappings ("'password': 'SECRET'") and after a colon and a blank ("password: SECRET"). If
    the value is known to be a URL, use `redacted_url`, which also finds secrets in misspelt URLs.
    """
    text = _URL.sub(_without_secret, text)
    text = _BARE.sub(rf"\g<head>{HIDDEN}", text)
    text = _ENCODED.sub(rf"\g<head>{HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\g<key>{HIDDEN}", text)
    text = _STATED.sub(rf"\g<key>{HIDDEN}", text)
    return _MAPPED.sub(rf"\g<key>\g<open>{HIDDEN}\g<open>", text)


def redacted_url(url: str) -> str:
    """Returns a URL with its secrets replaced by ***.

    The URL may be misspelt: its scheme or slashes may be missing, and its password may contain blanks, quotes or
    slashes.
    """
    scheme, _, rest = url.partition(":")
    if _is_local(scheme, rest[: len(rest) - len(rest.lstrip("/"))]):
        return redacted(url)
    query = next((m.start() for m in _QUERY.finditer(url) if "@" in url[: m.start()]), len(url))
    whole = _WHOLE.fullmatch(url[:query])
    if whole is not None:
        url = f"{whole['head']}:{HIDDEN}@{whole['host']}{url[query:]}"
    return redacted(url)


def is_control(character: str) -> bool:
    """Returns whether a character, such as ESC or a line end, controls a terminal instead of being shown."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(text: str) -> str:
    """Returns `text` with every control character except tab and line end written as an escape such as \\x1b.

    Otherwise, a text from a database or a file could move the terminal's cursor or hide other text.
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\t\n" or not is_control(c) else ascii(c)[1:-1] for c in text)


def reason_of(error: str) -> str:
    """Returns an attempt's error in one line: the last line of a traceback, or the first line of any other error."""
    lines = error.strip().splitlines() or [""]
    # In an error that does not count against its trial, a few words precede the traceback on its first line.
    return lines[-1 if lines[0].endswith(TRACEBACK) else 0]


def _is_local(scheme: str, slashes: str) -> bool:
    return scheme.lower().startswith(_LOCAL) and slashes.count("/") > 2


def _without_secret(found: re.Match[str]) -> str:
    """Returns the text that `found` matched, with the password hidden. The text is a URL and the rest of its line."""
    scheme, slashes, rest = found["scheme"], found["slashes"], found["rest"]
    user = _USER.match(rest)
    assert user is not None  # the pattern also matches the empty text
    after = rest[user.end() :]
    if _is_local(scheme, slashes) or _IPV6.match(rest) or after[:1] not in (":", "@"):
        return found[0]
    if after[0] == "@":
        # The user of a web address without a password is often a token.
        is_token = scheme.lower().startswith(("http", "git+http")) and user[0]
        return f"{scheme}:{slashes}{HIDDEN}{after}" if is_token else found[0]
    length = _length_of_secret(after[1:], slashes.count("/") == 2)
    hidden = HIDDEN if length else ""
    return f"{scheme}:{slashes}{user[0]}:{hidden}{after[1 + length :]}"


def _length_of_secret(text: str, is_url: bool) -> int:
    """Returns the length in characters of the password at the beginning of `text`, which follows "//user:".

    `is_url` is whether two slashes precede the user. If so, the password need not be followed by "@".
    """
    word = _WORD.match(text)
    assert word is not None  # the pattern also matches the empty text
    shown = word[0]
    for query in _QUERY.finditer(shown):
        if "@" in shown[: query.start()]:
            shown = shown[: query.start()]
            break
    if "@" in shown:
        return shown.rindex("@")
    if not is_url or _PORT.match(text) or text.startswith(HIDDEN):
        return 0
    # The password holds a blank or a quote, or the host is missing.
    return text.rindex("@") if "@" in text else len(re.split(r"[/?]", word[0])[0])
