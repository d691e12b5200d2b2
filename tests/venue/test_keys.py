"""The key store: keys that their owner brings, a file that is followed, the commands."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from desk import keys as desk_keys
from desk.cli import app
from engine.cage.names import EXCHANGE_NAMES
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.venue.binance.guard import CAGE_ADDRESS, refuse_foreign
from engine.venue.keys import KEY_LIMIT, KeyStore, Permission
from tests.venue.live import SYMBOL, LiveVenue, Signer, serve_live

# The published example of the Binance Spot API documentation.
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def _add(path: Path, name: str) -> str:
    """Another process makes a key; its API key."""
    store = KeyStore.load(path)
    shown = store.create(name)
    store.save(path)
    return shown.api_key


def _remove(path: Path, name: str) -> None:
    store = KeyStore.load(path)
    assert store.remove(name)
    store.save(path)


def test_a_new_key_in_the_file_is_known_at_its_first_use(path: Path) -> None:
    store = KeyStore.load(path, clock=Clock())
    assert store.find("x" * 64) is None
    api_key = _add(path, "bot")
    found = store.find(api_key)
    assert found is not None
    assert found.name == "bot"
    assert store.changes > 0


def test_a_removed_key_is_unknown_a_second_later(path: Path) -> None:
    kept, gone = _add(path, "kept"), _add(path, "gone")
    clock = Clock()
    store = KeyStore.load(path, clock=clock)
    _remove(path, "gone")
    assert store.find(gone) is not None, "nobody looks at the file for every request"
    clock.now_ns += NS_PER_S
    assert store.find(gone) is None
    assert store.find(kept) is not None
    path.unlink()
    clock.now_ns += NS_PER_S
    assert store.find(kept) is None, "no file, no keys"


def test_a_file_that_cannot_be_read_changes_nothing_until_it_can(path: Path) -> None:
    api_key = _add(path, "bot")
    clock = Clock()
    store = KeyStore.load(path, clock=clock)
    good = path.read_bytes()
    for text, mode in ((b"{", 0o600), (good + b" ", 0o644)):
        path.write_bytes(text)
        path.chmod(mode)
        clock.now_ns += NS_PER_S
        assert store.find(api_key) is not None
    assert store.statistics()["unreadable"] == 2
    path.chmod(0o600)
    clock.now_ns += NS_PER_S
    later = _add(path, "later")
    assert store.find(later) is not None


def test_changes_of_its_own_are_not_lost_to_the_file(path: Path) -> None:
    _add(path, "first")
    clock = Clock()
    store = KeyStore.load(path, clock=clock)
    mine = store.create("second")
    _add(path, "third")
    clock.now_ns += NS_PER_S
    assert store.find(mine.api_key) is not None
    assert store.find("x" * 64) is None


def test_a_key_that_a_bot_has_already_keeps_its_words() -> None:
    store = KeyStore()
    shown = store.create("bot", api_key=API_KEY, secret=SECRET)
    assert (shown.api_key, shown.secret) == (API_KEY, SECRET)
    key = store.find(API_KEY)
    assert key is not None
    text = (
        b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        b"&recvWindow=5000&timestamp=1499827319559"
    )
    assert store.verify(key, text, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71")
    assert SECRET not in f"{key!r}{shown!r}{store!r}{store.statistics()}"


@pytest.mark.parametrize(
    ("api_key", "secret", "problem"),
    [
        ("short", SECRET, "API key: 16 to 128"),
        ("ä" * 64, SECRET, "API key: 16 to 128"),
        (API_KEY, "short", "secret: 16 to 256"),
        (API_KEY, "with a space " * 4, "secret: 16 to 256"),
        ("A" * 64, SECRET, "is that of key 'taken' already"),
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(api_key: str, secret: str, problem: str) -> None:
    store = KeyStore()
    store.create("taken", api_key="A" * 64)
    with pytest.raises(UsageError, match=problem) as refused:
        store.create("bot", api_key=api_key, secret=secret)
    assert secret not in str(refused.value)
    assert api_key not in str(refused.value).replace("API key", "")
    assert [key.name for key in store.keys] == ["taken"]


def test_there_are_at_most_so_many_keys() -> None:
    store = KeyStore()
    for number in range(KEY_LIMIT):
        store.create(f"bot{number}")
    with pytest.raises(UsageError, match="remove one first"):
        store.create("one-more")


@pytest.fixture
def commands(path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(desk_keys, "keys_path", lambda: path)
    monkeypatch.delenv(desk_keys.SECRET_VARIABLE, raising=False)
    return CliRunner()


@pytest.mark.parametrize("source", ["stdin", "environment", "prompt"])
def test_import_takes_the_secret_from_anywhere_but_the_command_line(
    commands: CliRunner, path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    arguments = ["key", "import", "bot", "--api-key", API_KEY, "--format", "json"]
    if source == "environment":
        monkeypatch.setenv(desk_keys.SECRET_VARIABLE, SECRET)
    if source == "prompt":
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        terminal = io.StringIO()
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr(desk_keys.sys, "stdin", terminal)
        monkeypatch.setattr(desk_keys.getpass, "getpass", lambda prompt: SECRET)
        fields = desk_keys.import_key("bot", API_KEY)
    else:
        done = commands.invoke(app, arguments, input=f"{SECRET}\n" if source == "stdin" else "")
        assert done.exit_code == 0, done.output
        assert SECRET not in done.output
        fields = json.loads(done.output)
    assert (fields["name"], fields["api_key"]) == ("bot", API_KEY)
    assert "at once" in fields["note"]
    key = KeyStore.load(path).find(API_KEY)
    assert key is not None
    assert key.material == SECRET


def test_import_without_a_secret_says_what_to_do(commands: CliRunner, path: Path) -> None:
    done = commands.invoke(app, ["key", "import", "bot", "--api-key", API_KEY], input="")
    assert isinstance(done.exception, UsageError)
    assert desk_keys.SECRET_VARIABLE in str(done.exception)
    assert not path.exists()


def test_import_takes_public_keys_and_permissions(commands: CliRunner, path: Path, tmp_path: Path) -> None:
    pem = tmp_path / "public.pem"
    other = KeyStore()
    Signer(other, "ed25519")
    pem.write_text(other.keys[0].material)
    done = commands.invoke(
        app,
        ["key", "import", "bot", "--api-key", API_KEY, "--public-key", str(pem), "--read-only"],
    )
    assert done.exit_code == 0, done.output
    (key,) = KeyStore.load(path).keys
    assert (key.kind, key.permissions) == ("ed25519", (Permission.READ,))


def test_a_running_venue_takes_up_keys_and_lets_go_of_them(tmp_path: Path, path: Path) -> None:
    clock = Clock()
    store = KeyStore.load(path, clock=clock)
    with serve_live(tmp_path / "run", store, kinds=()) as venue:
        other = KeyStore.load(path)
        signer = Signer(other, "hmac")
        venue.bots["hmac"] = signer
        assert venue.send("GET", "/api/v3/account").json()["code"] == -2015
        other.save(path)
        assert venue.send("GET", "/api/v3/account").status_code == 200
        other.remove("hmac-bot")
        other.save(path)
        clock.now_ns += NS_PER_S
        assert venue.send("GET", "/api/v3/account").json()["code"] == -2015


LOOPBACK = "127.0.0.1"


def test_the_cage_s_names_are_let_in_and_no_others() -> None:
    for name in EXCHANGE_NAMES:
        for host in (name, f"{name}:443", name.upper()):
            assert refuse_foreign(host, None, address=LOOPBACK, check_host=True) == "", host
    for host in (
        "",
        "evil.example",
        "binance.com.evil.example",
        "evilbinance.com",
        "api.binance.com.",
        "127.0.0.1.evil",
        "api.binance.com:x",
        "api.binance.com:443:443",
        "localhost.evil.example:80",
        "[::1]evil",
        "10.0.0.1:80",
        "evil.example:127.0.0.1",
    ):
        assert refuse_foreign(host, None, address=LOOPBACK, check_host=True), host
        assert refuse_foreign(host, None, address=CAGE_ADDRESS, check_host=True) == ""
    for origin in ("null", "https://evil.example", "http://localhost:3000", "https://www.binance.com"):
        for address in (LOOPBACK, CAGE_ADDRESS):
            assert refuse_foreign("127.0.0.1:8080", origin, address=address, check_host=True), origin
            assert refuse_foreign("0.0.0.0:8080", origin, address=address, check_host=False), origin
    own = refuse_foreign("127.0.0.1:8080", "http://127.0.0.1:8080", address=LOOPBACK, check_host=True)
    assert own == ""


def test_foreign_hosts_and_origins_are_refused_by_every_door(live: LiveVenue) -> None:
    paths = ("/api/v3/ping", "/fapi/v1/exchangeInfo", "/api/v1/book", "/ws-api/v3", "/ws/x")
    for path in paths:
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            assert live.http.get(path, headers=headers).status_code in (403, 404), (path, headers)
    named = live.http.get("/api/v3/depth", params={"symbol": SYMBOL}, headers={"Host": "api.binance.com"})
    assert named.status_code == 200
    native = live.http.get("/api/v1/book", headers={"Host": "api.binance.com"})
    assert native.status_code == 403, "the desk's own API has no such names"
