"""A stand-in for freqtrade's REST server: the shapes of 2026.9 (API version 2.5), cut to what is read.

Answers were copied from a live bot; tests change single values in `said`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, PASSWORD = "desk", "only-for-loopback"

BALANCE = {
    "currencies": [
        {"currency": "BTC", "free": 1.0166, "balance": 1.0166, "used": 0.0, "bot_owned": 0.0166},
        {"currency": "USDT", "free": 59003.85958351, "balance": 59003.85958351, "used": 0.0},
    ],
    "total": 119998.33468351,
    "stake": "USDT",
    "starting_capital": 59399.839623474894,
    "starting_capital_ratio": -5.5892406702895414e-8,
}
PROFIT = {
    "profit_closed_coin": 1.25,
    "profit_all_coin": -0.33306619,
    "trade_count": 4,
    "closed_trade_count": 3,
    "winning_trades": 2,
    "losing_trades": 1,
    "winrate": 0.6667,
    "profit_factor": None,
}
STATUS = [
    {
        "trade_id": 4,
        "pair": "BTC/USDT",
        "is_open": True,
        "is_short": False,
        "amount": 0.0166,
        "open_rate": 59998.7,
        "profit_abs": -0.33306619,
    }
]
TRADES = {
    "trades": [
        {"trade_id": 3, "pair": "BTC/USDT", "exit_reason": "roi", "profit_abs": 0.75},
        {"trade_id": 2, "pair": "BTC/USDT", "exit_reason": "stop_loss", "profit_abs": -2.5},
    ],
    "trades_count": 2,
    "offset": 0,
    "total_trades": 3,
}
CONFIG = {"version": "2026.9", "bot_name": "often", "strategy": "Often", "state": "running", "dry_run": False}


class FreqtradeServer:
    """What it answers, what it was asked, and which tokens count."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {
            "balance": dict(BALANCE),
            "profit": dict(PROFIT),
            "status": [dict(trade) for trade in STATUS],
            "trades": dict(TRADES),
            "show_config": dict(CONFIG),
        }
        self.asked: list[str] = []
        self.access = 0
        """Number of the access token that counts."""
        self.refresh_counts = True
        self.url = ""

    def expire(self, *, refresh_too: bool = False) -> None:
        """The access token is worth nothing any more."""
        self.access += 1
        self.refresh_counts = not refresh_too

    def answer(self, method: str, path: str, authorization: str) -> tuple[int, Any]:
        """One request: (status, body)."""
        word = path.removeprefix("/api/v1/").partition("?")[0]
        self.asked.append(word)
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if method == "POST" and word == "token/login":
            if authorization != basic:
                return 401, {"detail": "Incorrect username or password"}
            self.refresh_counts = True
            return 200, {"access_token": f"access-{self.access}", "refresh_token": "refresh"}
        if method == "POST" and word == "token/refresh":
            if authorization != "Bearer refresh" or not self.refresh_counts:
                return 401, {"detail": "Could not validate credentials"}
            return 200, {"access_token": f"access-{self.access}"}
        if authorization != f"Bearer access-{self.access}":
            return 401, {"detail": "Could not validate credentials"}
        return (200, self.said[word]) if word in self.said else (404, {"detail": "Not Found"})


@contextlib.contextmanager
def freqtrade_server() -> Iterator[FreqtradeServer]:
    """It listens on loopback."""
    stand_in = FreqtradeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            status, said = stand_in.answer(self.command, self.path, self.headers.get("Authorization", ""))
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
