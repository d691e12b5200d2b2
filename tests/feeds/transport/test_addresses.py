"""Feed URLs: what they may say, and what they must never say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import UsageError
from engine.feeds.transport.addresses import (
    PASSWORD_VARIABLE,
    Address,
    GapPolicy,
    MoldAddress,
    PublishAddress,
    SoupAddress,
    is_loopback,
    parse_feed_url,
    parse_publish_url,
    require_local,
    soup_password,
)

LOCAL = Address("127.0.0.1", 26400)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mold://127.0.0.1:26400", MoldAddress(LOCAL)),
        ("mold://localhost:26400/", MoldAddress(LOCAL)),
        ("mold://[::1]:26400?gap=halt", MoldAddress(Address("::1", 26400))),
        (
            "mold://233.54.12.111:26477?interface=10.0.0.5",
            MoldAddress(Address("233.54.12.111", 26477), interface="10.0.0.5"),
        ),
        (
            "mold://127.0.0.1:26400?rerequest=127.0.0.1:26401",
            MoldAddress(LOCAL, None, Address("127.0.0.1", 26401), GapPolicy.REREQUEST, None, 1),
        ),
        (
            "mold://127.0.0.1:26400?session=STORM00042&sequence=900",
            MoldAddress(LOCAL, session="STORM00042", start=900),
        ),
        ("soup://trader@127.0.0.1:7000", SoupAddress(Address("127.0.0.1", 7000), "trader")),
        (
            "soup://t%2B1@feed.example.com:7000?session=DAY1&sequence=0",
            SoupAddress(Address("feed.example.com", 7000), "t+1", "DAY1", 0),
        ),
    ],
)
def test_a_feed_url_is_an_address(url: str, address: MoldAddress | SoupAddress) -> None:
    assert parse_feed_url(url) == address


def test_a_publish_url_is_an_address() -> None:
    assert parse_publish_url("mold://127.0.0.1:26400") == PublishAddress(LOCAL)
    assert parse_publish_url(
        "mold://239.1.2.3:26400?session=STORM1&interface=127.0.0.1&requests=127.0.0.1:26401&ttl=4"
    ) == PublishAddress(Address("239.1.2.3", 26400), "STORM1", "127.0.0.1", Address("127.0.0.1", 26401), 4)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("itch://127.0.0.1:1", "begins with mold:// or soup://"),
        ("127.0.0.1:1", "begins with"),
        ("mold://127.0.0.1", "HOST:PORT"),
        ("mold://127.0.0.1:0", "1 to 65535"),
        ("mold://127.0.0.1:65536", "1 to 65535"),
        ("mold://[::1:5", "Invalid IPv6"),
        ("mold://feed.example.com:5", "not an IP address"),
        ("mold://127.0.0.1:5/path", "nothing but"),
        ("mold://127.0.0.1:5#x", "nothing but"),
        ("mold://127.0.0.1:5?speed=2", "unknown option 'speed'; there are interface"),
        ("mold://127.0.0.1:5?gap=skip", "gap is halt or rerequest"),
        ("mold://127.0.0.1:5?gap=rerequest", "belong together"),
        ("mold://127.0.0.1:5?gap=halt&rerequest=127.0.0.1:6", "belong together"),
        ("mold://127.0.0.1:5?gap=halt&gap=halt", "twice"),
        ("mold://127.0.0.1:5?gap", "bad query"),
        ("mold://127.0.0.1:5?interface=127.0.0.1", "multicast"),
        ("mold://239.1.1.1:5?interface=eth0", "multicast"),
        ("mold://127.0.0.1:5?sequence=0", "from 1 to"),
        ("mold://127.0.0.1:5?sequence=x", "from 1 to"),
        ("mold://127.0.0.1:5?session=A-B", "session name"),
        ("mold://bob@127.0.0.1:5", "no users"),
        ("soup://127.0.0.1:5", "a user is missing"),
        ("soup://@127.0.0.1:5", "a user is missing"),
        ("soup://longusername@127.0.0.1:5", "at most 6"),
        ("soup://bob@127.0.0.1:5?session=ELEVENCHARS", "at most 10"),
        ("soup://bob@127.0.0.1:5?gap=halt", "unknown option"),
        ("mold://127.0.0.1:5?session=" + "A" * 600, "at most 512"),
        ("mold://127.0.0.1:5\n", "printable"),
        ("mold://127.0.0.1:5?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1", "fields"),
    ],
)
def test_a_url_that_is_none_says_why(url: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_feed_url(url)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "soup://bob:hunter2@127.0.0.1:5",
        "soup://bob:hunter2@",
        "mold://bob:hunter2@[::1",
        "xyz://bob:hunter2@127.0.0.1:5/p?q",
        "soup://a@b:hunter2@127.0.0.1:5",
    ],
)
@pytest.mark.parametrize("parse", [parse_feed_url, parse_publish_url])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str, parse: object) -> None:
    assert callable(parse)
    with pytest.raises(UsageError, match=PASSWORD_VARIABLE) as raised:
        parse(url)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_password_comes_from_the_environment() -> None:
    assert soup_password({PASSWORD_VARIABLE: "pw"}) == "pw"
    assert soup_password({PASSWORD_VARIABLE: ""}) == ""
    with pytest.raises(UsageError, match=PASSWORD_VARIABLE):
        soup_password({})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_needs_no_permission(host: str) -> None:
    assert is_loopback(host)
    require_local(Address(host, 1), None, allow_remote=False, option="--x")


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "0.0.0.0", "239.1.1.1", "::", "fe80::1", "example.com", "localhost.x"]
)
def test_other_machines_need_permission(host: str) -> None:
    with pytest.raises(UsageError, match="--x"):
        require_local(Address(host, 1), None, allow_remote=False, option="--x")
    with pytest.raises(UsageError, match="--x"):
        require_local(Address(host, 1), "10.0.0.1", allow_remote=False, option="--x")
    require_local(Address(host, 1), None, allow_remote=True, option="--x")


def test_a_group_on_the_loopback_interface_stays_on_this_machine() -> None:
    require_local(Address("239.1.1.1", 1), "127.0.0.1", allow_remote=False, option="--x")
    with pytest.raises(UsageError):
        require_local(Address("10.0.0.1", 1), "127.0.0.1", allow_remote=False, option="--x")


@given(st.text(max_size=60), st.sampled_from(["", "mold://", "soup://u@", "mold://127.0.0.1:5?"]))
def test_any_text_is_an_address_or_a_usage_error(text: str, head: str) -> None:
    for parse in (parse_feed_url, parse_publish_url):
        try:
            parse(head + text)
        except UsageError:
            continue
