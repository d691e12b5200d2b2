"""A QuickFIX initiator as a process of its own (an environment with quickfix-tls runs it, not ours).

Arguments: port, API key, secret, dictionary, folder. Each event is one JSON line on stdout; commands come as
lines on stdin: a message type and its fields, `D 11=a 55=ACMEUSD`, or `quit`. QuickFIX checks every message
against the dictionary, keeps its sequence numbers in files, reconnects and asks for resends by itself.
"""

import json
import sys

import quickfix as fix

SETTINGS = """
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
SenderCompID=QUICKFIX
TargetCompID=STORMDESK
"""
GROUPS = {
    146: lambda: fix.Group(146, 55),
    267: lambda: fix.Group(267, 269),
}


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Initiator(fix.Application):
    def __init__(self, key, secret):
        super().__init__()
        self.key, self.secret, self.session = key, secret, None

    def onCreate(self, session):
        self.session = session

    def onLogon(self, session):
        tell("logon")

    def onLogout(self, session):
        tell("logout")

    def toAdmin(self, message, session):
        kind = fix.MsgType()
        message.getHeader().getField(kind)
        if kind.getValue() == "A":
            message.setField(553, self.key)
            message.setField(554, self.secret)
        if kind.getValue() in ("2", "3"):
            tell("said", text=message.toString().replace("\x01", "|"))

    def fromAdmin(self, message, session):
        kind = fix.MsgType()
        message.getHeader().getField(kind)
        if kind.getValue() in ("3", "5", "4"):
            tell("admin", text=message.toString().replace("\x01", "|"))

    def toApp(self, message, session):
        pass

    def fromApp(self, message, session):
        tell("app", text=message.toString().replace("\x01", "|"))


def send(initiator, line):
    kind, *fields = line.split()
    message = fix.Message()
    message.getHeader().setField(fix.BeginString("FIX.4.4"))
    message.getHeader().setField(fix.MsgType(kind))
    group = None
    for field in fields:
        tag, _, value = field.partition("=")
        if int(tag) in GROUPS:
            group = GROUPS[int(tag)]
        elif group is not None:
            entry = group()
            entry.setField(int(tag), value)
            message.addGroup(entry)
        else:
            message.setField(int(tag), value)
    if kind != "V":
        stamp = fix.TransactTime()
        message.setField(stamp)
    fix.Session.sendToTarget(message, initiator.session)


def main():
    port, key, secret, dictionary, folder = sys.argv[1:6]
    path = f"{folder}/settings.cfg"
    with open(path, "w") as file:
        file.write(SETTINGS.format(folder=folder, dictionary=dictionary, port=port))
    initiator = Initiator(key, secret)
    settings = fix.SessionSettings(path)
    socket = fix.SocketInitiator(
        initiator, fix.FileStoreFactory(settings), settings, fix.FileLogFactory(settings)
    )
    socket.start()
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        if line.strip():
            send(initiator, line)
    socket.stop()
    tell("end")


main()
