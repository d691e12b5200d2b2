"""QuickFIX as initiator, every message checked against its own dictionary of FIX 4.4.

Changed are host, port and login.
"""
# ruff: noqa: N802 (the names of callbacks are the library's)

import contextlib
import queue
import socket
import sys
import threading
import time
from pathlib import Path

import quickfix as fix
from steps import Steps, settings, wait_until

desk, steps = settings(), Steps("QuickFIX")
symbol = desk.symbol
DICTIONARY = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
WITHIN_S = 15
SESSION = """
[DEFAULT]
ConnectionType=initiator
HeartBtInt=5
ReconnectInterval=1
FileStorePath={folder}
FileLogPath={folder}
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=Y
DataDictionary={dictionary}
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
TimestampPrecision=6
[SESSION]
BeginString=FIX.4.4
SenderCompID={sender}
TargetCompID=STORMDESK
"""
KEPT = []
"""All initiators: their threads live as long as the process."""
GROUPS = {146: (146, 55), 267: (267, 269)}


class Relay:
    """A line to the desk that can be cut, and mended."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._ends = []
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Ends what is connected, and what comes."""
        self._is_cut = True
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self):
        """Lets clients through again."""
        self._is_cut = False

    def _accept(self):
        while True:
            near, _ = self._listening.accept()
            if self._is_cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", desk.fix_port))
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


class Application(fix.Application):
    """Keeps what comes; logs on with a key."""

    def __init__(self, key, secret):
        super().__init__()
        self.key, self.secret, self.session = key, secret, None
        self.messages = queue.Queue()
        self.kept, self.admin, self.links = [], [], []

    def onCreate(self, session):
        """The session, once."""
        self.session = session

    def onLogon(self, session):
        """A link is up."""
        self.links.append("up")

    def onLogout(self, session):
        """A link is down."""
        self.links.append("down")

    def toAdmin(self, message, session):
        """Adds the login; notes what the library asks for by itself."""
        kind = message.getHeader().getField(35)
        if kind == "A":
            message.setField(553, self.key)
            message.setField(554, self.secret)
        self.admin.append(("out", pairs(message)))

    def fromAdmin(self, message, session):
        """Rejects, logouts, resets."""
        self.admin.append(("in", pairs(message)))

    def toApp(self, message, session):
        """Nothing to add."""

    def fromApp(self, message, session):
        """An application message that the dictionary let pass."""
        found = pairs(message)
        self.kept.append(found)
        self.messages.put(found)


def pairs(message):
    """Tag -> value; of repeated tags the first."""
    parts = (part.partition("=") for part in message.toString().split("\x01") if part)
    return {int(tag): value for tag, _, value in reversed(list(parts))}


class Initiator:
    """One session, its socket and its files."""

    def __init__(self, sender, key=desk.key, secret=desk.secret, port=desk.fix_port):
        folder = Path(desk.folder) / sender
        folder.mkdir()
        path = folder / "settings.cfg"
        path.write_text(SESSION.format(folder=folder, dictionary=DICTIONARY, port=port, sender=sender))
        self.application = Application(key, secret)
        self._settings = fix.SessionSettings(str(path))
        self._store = fix.FileStoreFactory(self._settings)
        self._log = fix.FileLogFactory(self._settings)
        self.socket = fix.SocketInitiator(self.application, self._store, self._settings, self._log)
        self._number = 0
        self.socket.start()
        KEPT.append(self)

    def send(self, kind, *groups, **fields):
        """A message: fields as _11="a", entries of groups as (count tag, {tag: value})."""
        message = fix.Message()
        message.getHeader().setField(fix.BeginString("FIX.4.4"))
        message.getHeader().setField(fix.MsgType(kind))
        for name, value in fields.items():
            message.setField(int(name.lstrip("_")), str(value))
        for count, members in groups:
            entry = fix.Group(*GROUPS[count])
            for tag, value in members.items():
                entry.setField(tag, value)
            message.addGroup(entry)
        if kind in "DFGq":
            message.setField(fix.TransactTime())
        fix.Session.sendToTarget(message, self.application.session)

    def place(self, side, lots, **fields):
        """An order; its ClOrdID."""
        self._number += 1
        name = f"order-{self._number}"
        self.send("D", _11=name, _55=symbol, _54=side, _38=lots, **fields)
        return name

    def next(self, **wanted):
        """The next message with these fields; those before it are passed over."""
        fields = {int(name.lstrip("_")): value for name, value in wanted.items()}
        end_s = time.monotonic() + WITHIN_S
        while time.monotonic() < end_s:
            try:
                found = self.application.messages.get(timeout=0.2)
            except queue.Empty:
                continue
            if all(found.get(tag) == value for tag, value in fields.items()):
                return found
        raise TimeoutError(f"{wanted} did not come: {self.application.kept[-4:]}")


relay = Relay()
main = Initiator("QUICKFIX", port=relay.port)
wait_until(lambda: main.application.links, "a logon")
LIMIT, GTC = {"_40": "2"}, {"_59": "1"}
BID, OFFER, TRADE = (267, {269: "0"}), (267, {269: "1"}), (267, {269: "2"})
OURS = (146, {55: symbol})


def market_steps():
    with steps("markets") as say:
        main.send("x", _320="list", _559="4")
        listed = main.next(_35="y", _320="list")
        assert (listed[55], listed[15]) == (symbol, desk.quote)
        say(listed[55])
    with steps("book"):
        main.send("V", BID, OFFER, OURS, _262="book", _263="0", _264="0", _265="0")
        book = main.next(_35="W", _262="book")
        assert int(book[268]) >= 2
    with steps("ticker"):
        main.send("V", BID, OFFER, OURS, _262="top", _263="0", _264="1", _265="0")
        assert main.next(_35="W", _262="top")[268] == "2"
    steps.absent("candles", "FIX has none")
    with steps("trades"):
        main.send("V", TRADE, OURS, _262="last", _263="0", _264="1", _265="0")
        assert float(main.next(_35="W", _262="last")[270]) > 0
    with steps("stream") as say:
        main.send("V", BID, OFFER, OURS, _262="depth", _263="1", _264="0", _265="1")
        main.send("V", TRADE, OURS, _262="prints", _263="1", _264="1", _265="1")
        main.next(_35="W", _262="prints")

        def increments(name):
            return [one for one in main.application.kept if one.get(35) == "X" and one.get(262) == name]

        wait_until(lambda: len(increments("depth")) >= 5 and len(increments("prints")) >= 3, "increments", 30)
        say(f"depth {len(increments('depth'))}, trades {len(increments('prints'))}", "no candles in FIX")
        main.send("V", BID, OFFER, OURS, _262="depth", _263="2", _264="0")
        main.send("V", TRADE, OURS, _262="prints", _263="2", _264="1")


def touch():
    """Best bid and ask, by a snapshot."""
    main.send("V", BID, OURS, _262="bid", _263="0", _264="1", _265="0")
    bid = float(main.next(_35="W", _262="bid")[270])
    main.send("V", OFFER, OURS, _262="ask", _263="0", _264="1", _265="0")
    return bid, float(main.next(_35="W", _262="ask")[270])


def order_steps():
    bid, ask = touch()
    low, high = f"{bid * 0.98:.2f}", f"{ask * 1.02:.2f}"
    with steps("limit"):
        order = main.place("1", 4, _44=low, **LIMIT, **GTC)
        accepted = main.next(_35="8", _150="0", _11=order)
        assert (float(accepted[151]), float(accepted[14])) == (4, 0)
        immediate = main.place("1", 1, _44=low, _59="3", **LIMIT)
        assert main.next(_35="8", _11=immediate, _150="4")[39] == "4"
    with steps("edit"):
        main.send("G", _11="edited", _41=order, _55=symbol, _54="1", _38="6", _44=low, **LIMIT, **GTC)
        main.next(_35="8", _150="E", _41=order)
        assert float(main.next(_35="8", _150="5", _11="edited", _41=order)[151]) == 6
    with steps("cancel"):
        main.send("F", _11="gone", _41="edited", _55=symbol, _54="1")
        main.next(_35="8", _150="6", _41="edited")
        main.next(_35="8", _150="4", _39="4", _41="edited")
    with steps("market") as say:
        taker = main.place("1", 3, _40="1")
        main.next(_35="8", _150="0", _11=taker)
        filled = main.next(_35="8", _150="F", _39="2", _11=taker)
        assert float(filled[14]) == 3
        say(f"at {filled[6]}")
    with steps("post-only"):
        posted = main.place("2", 1, _44=high, _18="6", **LIMIT, **GTC)
        main.next(_35="8", _150="0", _11=posted)
        crossing = main.place("1", 1, _44=high, _18="6", **LIMIT, **GTC)
        assert main.next(_35="8", _150="8", _11=crossing)[39] == "8"
    with steps("stop"):
        stop = main.place("2", 1, _40="3", _99=low)
        main.next(_35="8", _150="0", _11=stop)
        limited = main.place("2", 1, _40="4", _99=low, _44=low, **GTC)
        main.next(_35="8", _150="0", _11=limited)
    with steps("open orders"):
        for name in (posted, stop, limited):
            main.send("H", _11=name, _55=symbol, _54="2")
            assert main.next(_35="8", _150="I", _11=name)[39] == "0"
    with steps("cancel all"):
        main.send("q", _11="all", _530="7")
        assert main.next(_35="r", _531="7")[533] == "3"
    steps.absent("oco", "the standard dialect of FIX 4.4 has no order lists; that of the exchange has")
    with steps("user events") as say:
        wait_until(lambda: sum(one.get(150) == "4" for one in main.application.kept) >= 4, "the cancels")
        told = [one for one in main.application.kept if one.get(35) == "8" and one[150] not in "I"]
        of_taker = [one[150] for one in told if one.get(11) == taker]
        assert (of_taker[0], set(of_taker[1:])) == ("0", {"F"})
        for name in (posted, stop, limited):
            assert [one[150] for one in told if name in (one.get(11), one.get(41))] == ["0", "4"]
        assert len({one[17] for one in told}) == len(told)
        say(f"{len(told)} execution reports")
    with steps("user events: told again after a lost link") as say:
        waiting = main.place("1", 2, _44=low, **LIMIT, **GTC)
        main.next(_35="8", _150="0", _11=waiting)
        other = Initiator("SECOND")  # the same account over another session
        wait_until(lambda: other.application.links, "a second session")
        relay.cut()
        wait_until(lambda: main.application.links[-1] == "down", "a lost link")
        other.send("q", _11="from-afar", _530="7")
        other.next(_35="r")
        relay.mend()
        wait_until(lambda: main.application.links[-1] == "up", "a logon again")
        again = main.next(_35="8", _150="4", _37=order_id_of(waiting))
        assert again[43] == "Y"
        say(f"message {again[34]}, with PossDupFlag")
    steps.absent("my trades", "FIX tells fills as they happen; there is no question for them here")
    steps.absent("balances", "the venue's FIX has none, as the exchange's has none")


def order_id_of(name):
    """OrderID of an own order."""
    return next(one[37] for one in main.application.kept if one.get(11) == name)


def error_steps():
    bid, _ask = touch()
    low = f"{bid * 0.98:.2f}"
    with steps("errors: insufficient funds"):
        order = main.place("2", 9000, _44=f"{bid:.2f}", **LIMIT, **GTC)
        refused = main.next(_35="8", _39="8", _11=order)
        assert "insufficient balance" in refused[58]
    with steps("errors: unknown order"):
        main.send("F", _11="nothing", _41="nobody", _55=symbol, _54="1")
        assert main.next(_35="9", _11="nothing")[102] == "1"
    with steps("errors: bad symbol"):
        main.send("D", _11="elsewhere", _55="NOSUCH", _54="1", _38="1", _44=low, **LIMIT, **GTC)
        assert main.next(_35="8", _39="8", _11="elsewhere")[103] == "1"
    with steps("errors: bad filter"):
        order = main.place("1", 1, _44="90.001", **LIMIT, **GTC)
        assert main.next(_35="8", _39="8", _11=order)[58].startswith("Filter failure: PRICE_FILTER")
    with steps("errors: duplicate id"):
        main.send("D", _11="order-1", _55=symbol, _54="1", _38="1", _44=low, **LIMIT, **GTC)
        assert main.next(_35="8", _39="8", _11="order-1")[103] == "6"
    with steps("errors: bad key"):
        stranger = Initiator("STRANGER", secret="wrong")
        told = wait_until(
            lambda: [one for way, one in stranger.application.admin if way == "in" and one[35] in "35"],
            "a refusal",
        )
        assert "up" not in stranger.application.links
        assert desk.secret not in str(told)
    with steps("errors: nothing else was rejected"):
        rejected = [one for way, one in main.application.admin if one[35] == "3"]
        assert rejected == []


market_steps()
order_steps()
error_steps()
steps.finish()  # without socket.stop(), which is not safe while other initiators of the process run
