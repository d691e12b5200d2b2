"""Names of the exchange and the files that cover the system's."""

from __future__ import annotations

import pytest

from engine.cage.names import EXCHANGE_NAMES, NAME_LIMIT, hosts_text, names_with, nsswitch_text
from engine.core.errors import UsageError
from engine.venue.binance.guard import CAGE_ADDRESS, refuse_foreign


def test_additional_names_come_last_and_once():
    names = names_with(["API.Other.Exchange", "api.binance.com", "api.other.exchange."])
    assert names == (*EXCHANGE_NAMES, "api.other.exchange")


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost", "two words.com", "api.x.com\n6.6.6.6 a.b", "-a.com", "a..com", "127.0.0.1"),
        *("a.com:443", "münchen.de", "*.binance.com", "http://a.com"),
        *("a" * 64 + ".com", ".".join(["abcdefg"] * 40)),
    ],
)
def test_what_is_no_host_name_is_refused(text):
    with pytest.raises(UsageError, match="not a host name"):
        names_with([text])


def test_names_are_limited():
    with pytest.raises(UsageError, match=str(NAME_LIMIT)):
        names_with(f"a{number}.com" for number in range(NAME_LIMIT))


def test_every_name_leads_to_loopback():
    addresses = {}
    for line in hosts_text(["api.binance.com"], "box").splitlines():
        address, *names = line.split()
        addresses |= dict.fromkeys(names, address)
    assert addresses["api.binance.com"] == addresses["box"] == "127.0.0.1"
    assert set(addresses.values()) == {"127.0.0.1", "::1"}


def test_hosts_come_from_files_alone_and_the_rest_stays():
    text = nsswitch_text("# mine\npasswd: files sss\n  hosts: resolve [!UNAVAIL=return] files dns\n")
    assert text == "# mine\npasswd: files sss\nhosts: files\n"
    assert nsswitch_text("") == "hosts: files\n"


@pytest.mark.parametrize(("address", "is_refused"), [(CAGE_ADDRESS, False), ("127.0.0.1", True)])
def test_the_venue_takes_a_name_that_the_user_added_from_the_cage_alone(address, is_refused):
    """A page in a browser that got that name by DNS comes from another address."""
    assert bool(refuse_foreign("api.other.exchange", None, address=address, check_host=True)) == is_refused


def test_a_page_is_refused_from_wherever_it_comes():
    assert refuse_foreign("api.binance.com", "https://evil.example", address=CAGE_ADDRESS, check_host=True)


def test_the_venue_answers_to_every_name_of_the_cage():
    assert not [
        name for name in EXCHANGE_NAMES if refuse_foreign(name, None, address="127.0.0.1", check_host=True)
    ]
