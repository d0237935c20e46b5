"""Runs one life of every action through the installed fail2ban, recording instead of executing.

Reads a JSON object {action: [[option, value], ...]} on stdin, writes {action: [command, ...]},
each command a text or the list [script, value, ...] that would go to `sh -c`.
"""

import json
import logging
import sys

sys.path.insert(0, "/usr/lib/python3/dist-packages")

from fail2ban.server import ipdns
from fail2ban.server.action import CommandAction
from fail2ban.server.jail import Jail
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import BanTicket

logging.disable(logging.CRITICAL)
NOW = 1795366767.0
MyTime.setTime(NOW)
ipdns.IPAddr.getHost = lambda self: "host.example.com"
ipdns.DNSUtils.getHostname = staticmethod(lambda fqdn=True: "box.example.com" if fqdn else "box")
ipdns.DNSUtils.IPv6IsAllowed = staticmethod(lambda: True)

recorded = []


def record(command, timeout=60, **_):
    if command:
        recorded.append(command)
    return True


CommandAction.executeCmd = staticmethod(record)


def ticket(address, user, lines, restored=False):
    # The database has whole seconds only.
    time = int(NOW) if restored else NOW
    made = BanTicket(address, time, lines, {"user": user, "failures": 3, "fport": "4711"})
    made.setBanTime(600)
    made.setBanCount(2)
    made.restored = restored
    return made


def life(options):
    jail = Jail("lab", backend="polling")
    action = CommandAction(jail, "act")
    for name, value in options:
        setattr(action, name, value)
    info = jail.actions._getActionInfo
    four = ticket("192.0.2.1", "root", ["one line", "a `second` \"line\""])
    # The server keeps restored bans from actions that do not want them; here there is no server.
    restored = not getattr(action, "norestored", False)
    six = ticket("2001:db8::1", "a`b$i;\"' c", ["only line"], restored)
    action.start()
    for one in (four, six):
        action.ban(info(one))
    if action._prolongable:
        action.prolong(info(four))
    action.unban(info(four))
    if action.actionflush:
        action.flush()
    else:
        action.unban(info(six))
    action.stop()


result = {}
for name, options in json.load(sys.stdin).items():
    recorded = []
    life(options)
    result[name] = recorded
json.dump(result, sys.stdout)
