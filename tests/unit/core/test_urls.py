"""Which URLs a request may go to: one table of those that may, one of those that may not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from insights.core.urls import UnfitURL, fit_url, is_loopback

FIT = {
    "https://api.acme.test/v1": "https://api.acme.test/v1",
    "https://api.acme.test/v1/": "https://api.acme.test/v1",
    "https://api.acme.test//": "https://api.acme.test",
    "https://api.acme.test": "https://api.acme.test",
    "https://api.acme.test:8443/a/b%20c": "https://api.acme.test:8443/a/b%20c",
    "HTTPS://API.acme.test/v1": "HTTPS://API.acme.test/v1",
    "https://10.1.2.3/v1": "https://10.1.2.3/v1",
    "https://[2001:db8::1]:8443/v1": "https://[2001:db8::1]:8443/v1",
    "https://localhost/v1": "https://localhost/v1",
    "http://localhost:11434": "http://localhost:11434",
    "http://LOCALHOST:11434/": "http://LOCALHOST:11434",
    "http://127.0.0.1:8000/v1": "http://127.0.0.1:8000/v1",
    "http://127.255.255.254": "http://127.255.255.254",
    "http://[::1]:1234/v1/": "http://[::1]:1234/v1",
}


@pytest.mark.parametrize(("url", "base"), FIT.items(), ids=FIT)
def test_fit(url: str, base: str) -> None:
    assert fit_url(url) == base


FULL, PLAIN, NAMED, QUERY, LINK = "must be a full URL", "is plain http to", "carries a user name", "has a query", "link-local"
# What is refused: the URL, words of the message, the hint.
UNFIT = {
    "": (FULL, "e.g. https://example.com/v1"),
    "api.acme.test/v1": (FULL, "e.g. https://example.com/v1"),
    "localhost:8000": (FULL, "e.g. https://example.com/v1"),
    "//api.acme.test/v1": (FULL, "e.g. https://example.com/v1"),
    "https://": (FULL, "e.g. https://example.com/v1"),
    "https:///v1": (FULL, "e.g. https://example.com/v1"),
    "https://:443/v1": (FULL, "e.g. https://example.com/v1"),
    "ftp://api.acme.test": (FULL, "e.g. https://example.com/v1"),
    "https://api.acme.test\\@evil.test/v1": (FULL, "e.g. https://example.com/v1"),
    "https://api.acme.test/v1{x}": (FULL, "e.g. https://example.com/v1"),
    "file:///etc/passwd": (FULL, "e.g. https://example.com/v1"),
    "unix:///run/server.sock": (FULL, "e.g. https://example.com/v1"),
    "https://api.acme.test:port": ("is no URL", "e.g. https://example.com/v1"),
    "https://api.acme.test:65536": ("is no URL", "e.g. https://example.com/v1"),
    "https://[::1": ("is no URL", "e.g. https://example.com/v1"),
    "https://user@api.acme.test/v1": (NAMED, "a key goes into the environment, or into api_key="),
    "https://user:hush-hush@api.acme.test/v1": (NAMED, "a key goes into the environment, or into api_key="),
    "https://:hush-hush@api.acme.test/v1": (NAMED, "a key goes into the environment, or into api_key="),
    "http://user:hush-hush@127.0.0.1:8000": (NAMED, "a key goes into the environment, or into api_key="),
    "https://api.acme.test/v1?key=hush-hush": (QUERY, "give the URL up to its path"),
    "https://api.acme.test/v1#part": (QUERY, "give the URL up to its path"),
    "http://api.acme.test/v1": (PLAIN, "use https"),
    "http://10.1.2.3:8000": (PLAIN, "use https"),
    "http://192.168.0.9:11434": (PLAIN, "use https"),
    "http://0.0.0.0:8000": (PLAIN, "use https"),
    "http://localhost.evil.test": (PLAIN, "use https"),
    "http://127.0.0.1.evil.test": (PLAIN, "use https"),
    "http://2130706433/": (PLAIN, "use https"),
    "http://169.254.169.254/v1": (PLAIN, "use https"),
    "https://169.254.169.254/latest": (LINK, "use the provider's address"),
    "https://169.254.0.1": (LINK, "use the provider's address"),
    "https://[fe80::1]/v1": (LINK, "use the provider's address"),
    "https://[fe80::1%25eth0]/v1": (LINK, "use the provider's address"),
}


@pytest.mark.parametrize(("url", "why", "hint"), [(url, *said) for url, said in UNFIT.items()], ids=UNFIT)
def test_unfit(url: str, why: str, hint: str) -> None:
    with pytest.raises(UnfitURL) as caught:
        fit_url(url)
    assert why in str(caught.value)
    assert caught.value.hint == hint
    assert "hush-hush" not in str(caught.value)


def test_a_wrong_scheme_is_shown_and_its_credentials_are_not() -> None:
    with pytest.raises(UnfitURL, match=r"must be a full URL, got 'ftp://api.acme.test'"):
        fit_url("ftp://api.acme.test")
    with pytest.raises(UnfitURL, match=r"must be a full URL, got \(hidden\)"):
        fit_url("ftp://user:hush-hush@api.acme.test")


@pytest.mark.parametrize("url", ["ftp://:hush-hush@api.acme.test", "https:///user:hush-hush@api.acme.test"])
def test_a_password_without_a_user_name_is_not_shown(url: str) -> None:
    with pytest.raises(UnfitURL) as caught:
        fit_url(url)
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("host", ["[::ffff:169.254.169.254]", "169.254.169.254.", "2852039166", "0xA9FEA9FE"])
def test_a_link_local_address_written_otherwise(host: str) -> None:
    with pytest.raises(UnfitURL):
        fit_url(f"https://{host}/v1")


@pytest.mark.parametrize("url", ["https://api.acme.test/v1?", "https://api.acme.test/v1#", "https://api.acme.test/v 1"])
def test_what_would_spoil_the_path(url: str) -> None:
    with pytest.raises(UnfitURL):
        fit_url(url)


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("localhost.evil.test", False),
        ("127.0.0.1.evil.test", False),
        ("", False),
    ],
)
def test_this_machine(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


@given(st.text(max_size=40).map("https://".__add__) | st.text(max_size=40))
@example("https://[")
@example("http://[v1.x]")
@example("https://[fe80::1%]")
@example("https://a:²")
def test_any_text_is_fit_or_said_not_to_be(url: str) -> None:
    """Whatever stands in a file or a variable: a base, or one error of one kind with a hint."""
    base = hint = ""
    try:
        base = fit_url(url)
    except UnfitURL as error:
        hint = error.hint
    assert bool(base) is not bool(hint)
    assert not base.endswith("/")
