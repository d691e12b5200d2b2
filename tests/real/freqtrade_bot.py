"""An unmodified freqtrade, live, at the desk's venue: its configuration, its process, its REST server.

Standard library only; it runs in freqtrade's environment and outside of it. What is changed of freqtrade's
defaults are the exchange's addresses and keys (ccxt_config.urls), and how often it trades.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

__all__ = ["PASSWORD", "USER", "FreqtradeBot", "ccxt_urls", "free_port"]

USER = "desk"
PASSWORD = "a-password-for-loopback"
START_PATIENCE_S = 240.0
STOP_PATIENCE_S = 25.0

STRATEGY = '''
"""Buys whenever it may and sells a few seconds later, on 1 m candles."""

from pathlib import Path

from freqtrade.strategy import IStrategy


class Often(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    startup_candle_count = 30
    process_only_new_candles = False
    minimal_roi = {"0": 10.0}
    stoploss = -0.03
    order_types = {
        "entry": "limit",
        "exit": "limit",
        "stoploss": "limit",
        "stoploss_on_exchange": True,
        "stoploss_on_exchange_interval": 5,
        "emergency_exit": "market",
        "force_entry": "limit",
        "force_exit": "market",
    }

    def populate_indicators(self, dataframe, metadata):
        dataframe["mean"] = dataframe["close"].rolling(20).mean()
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        may_enter = (Path(self.config["user_data_dir"]) / "may_enter").exists()
        dataframe["enter_long"] = (dataframe["mean"].notna() & may_enter).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = 0
        return dataframe

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        held_s = (current_time - trade.open_date_utc).total_seconds()
        return "time" if held_s > self.config["hold_s"] and trade.enter_tag != "held" else None
'''


def ccxt_urls(url: str) -> dict[str, Any]:
    """ccxt's table of addresses for Binance Spot, at the desk."""
    ws = url.replace("http", "ws", 1)
    rest = dict.fromkeys(("public", "private"), f"{url}/api/v3")
    sapi = {f"sapi{version}": f"{url}/sapi/v{version[1:] or 1}" for version in ("", "V2", "V3", "V4")}
    streams = {"ws": {"spot": f"{ws}/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}}}
    return {"api": {**rest, "v1": f"{url}/api/v1", **sapi, **streams}}


class FreqtradeBot:
    """The process and its REST server on loopback. A context."""

    def __init__(
        self,
        folder: Path,
        program: Path,
        *,
        url: str,
        key: str,
        secret: str,
        pair: str,
        hold_s: float = 4.0,
        stake: float = 1_000.0,
        stoploss: float = -0.03,
        enters: bool = True,
        port: int = 0,
    ) -> None:
        """`program`: freqtrade's own. `enters`: it enters by itself; otherwise only when told."""
        self.folder = folder
        self.pair = pair
        self.port = port or free_port()
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        self._may_enter = folder / "user_data" / "may_enter"
        (folder / "user_data").mkdir(parents=True)
        (folder / "strategies").mkdir()
        (folder / "strategies" / "often.py").write_text(STRATEGY)
        quote = pair.partition("/")[2]
        config = _config(quote, url=url, key=key, secret=secret, pair=pair, port=self.port)
        config |= {"stake_amount": stake, "hold_s": hold_s, "stoploss": stoploss}
        (folder / "config.json").write_text(json.dumps(config))
        if enters:
            self.let_enter(True)

    def __enter__(self) -> FreqtradeBot:
        with (self.folder / "freqtrade.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self._program), "trade", "-v", "--strategy", "Often"),
                    *("--userdir", str(self.folder / "user_data"), "-c", str(self.folder / "config.json")),
                    *("--strategy-path", str(self.folder / "strategies")),
                    *("--db-url", f"sqlite:///{self.folder}/trades.sqlite"),
                ],
                cwd=self.folder,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "240"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.wait_until(self._answers, "freqtrade's REST server", START_PATIENCE_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def target(self) -> str:
        """It as --target, without the key."""
        return f"freqtrade+http://{USER}@127.0.0.1:{self.port}"

    def let_enter(self, may: bool) -> None:
        """Whether it enters by itself."""
        if may:
            self._may_enter.touch()
        else:
            self._may_enter.unlink(missing_ok=True)

    def get(self, path: str) -> Any:
        """A question to its REST server."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """A command to its REST server."""
        return self._ask("POST", path, body or {})

    def log(self) -> str:
        """All that it said."""
        return (self.folder / "freqtrade.log").read_text(errors="replace")

    def wait_until(self, condition: Any, what: str, within_s: float = 30.0) -> Any:
        """The first true value of a condition."""
        end_s = time.monotonic() + within_s
        while not (value := condition()):
            if not self.running:
                raise RuntimeError(f"freqtrade has ended: {self.log()[-400:]}")
            if time.monotonic() > end_s:
                raise TimeoutError(f"waited {within_s:g} s for {what}")
            time.sleep(0.2)
        return value

    def _answers(self) -> bool:
        try:
            return self.get("show_config")["state"] == "running"
        except (OSError, ValueError, KeyError):
            return False

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        for _ in range(2):
            if not self._token:
                basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                self._token = self._send("POST", "token/login", {}, f"Basic {basic}")["access_token"]
            try:
                return self._send(method, path, body, f"Bearer {self._token}")
            except urllib.error.HTTPError as error:
                if error.code != 401:
                    raise
                self._token = ""
        raise PermissionError("freqtrade refuses its own token")

    def _send(self, method: str, path: str, body: dict[str, Any] | None, authorization: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": authorization, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


def _config(quote: str, *, url: str, key: str, secret: str, pair: str, port: int) -> dict[str, Any]:
    pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    return {
        "max_open_trades": 1,
        "stake_currency": quote,
        "tradable_balance_ratio": 0.9,
        "dry_run": False,
        "cancel_open_orders_on_exit": True,
        "trading_mode": "spot",
        "timeframe": "1m",
        "unfilledtimeout": {"entry": 4, "exit": 4, "exit_timeout_count": 0, "unit": "seconds"},
        "entry_pricing": {**pricing, "check_depth_of_market": {"enabled": False, "bids_to_ask_delta": 1}},
        "exit_pricing": pricing,
        "exchange": {
            "name": "binance",
            "key": key,
            "secret": secret,
            "ccxt_config": {
                "enableRateLimit": False,
                "urls": ccxt_urls(url),
                "options": {"fetchMarkets": {"types": ["spot"]}},
            },
            "ccxt_async_config": {"enableRateLimit": False},
            "pair_whitelist": [pair],
            "pair_blacklist": [],
        },
        "pairlists": [{"method": "StaticPairList"}],
        "api_server": {
            "enabled": True,
            "listen_ip_address": "127.0.0.1",
            "listen_port": port,
            "verbosity": "error",
            "jwt_secret_key": "a-key-for-tokens-on-loopback-alone",
            "ws_token": "another-for-its-stream",
            "CORS_origins": [],
            "username": USER,
            "password": PASSWORD,
        },
        "bot_name": "often",
        "initial_state": "running",
        "force_entry_enable": True,
        "internals": {"process_throttle_secs": 1},
    }


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
