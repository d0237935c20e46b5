# The reference program's verdicts on cases that sessions.rs makes: a question as JSON on stdin, the
# answers as JSON on stdout. A case is a filter's settings and steps [now, line]; its answer is null
# where the reference program takes no such filter, else the failures of each line.
import json
import logging
import sys

from fail2ban.server import failregex
from fail2ban.server.filter import Filter
from fail2ban.server.ipdns import DNSUtils, IPAddr
from fail2ban.server.mytime import MyTime

logging.getLogger("fail2ban").setLevel(100)

# 1.1, whom we follow, has a single colon where 1.0.2 has two.
for table in failregex.R_HOST, failregex.RH4TAG:
    for key, value in list(enumerate(table) if isinstance(table, list) else table.items()):
        table[key] = value.replace("|::){1,7}", "|:){1,7}")

# The addresses of names, without asking anybody.
NAMES = {"host.example.com": ["192.0.2.77", "2001:db8::77"]}
DNSUtils.dnsToIp = staticmethod(lambda name: {IPAddr(ip) for ip in NAMES.get(name, ())})


def build(case):
    judge = Filter(None)
    judge.setUseDns(case["usedns"])
    judge.checkFindTime = case["check_findtime"]
    judge.inOperation = case["in_operation"]
    judge.setMaxLines(case["maxlines"])
    if case["prefregex"] is not None:
        judge.prefRegex = case["prefregex"]
    for regex in case["failregex"]:
        judge.addFailRegex(regex)
    for regex in case["ignoreregex"]:
        judge.addIgnoreRegex(regex)
    return judge


def plain(value):
    if isinstance(value, set):
        return sorted(str(member) for member in value)
    if isinstance(value, tuple):
        # A part that took no part is written as its name.
        return ["None" if member is None else member for member in value]
    if isinstance(value, (str, int, float, list)):
        return value
    return str(value)


def shown(judge, failure):
    regex, ident, time, data = failure
    # As what takes the failures from it does.
    if time is None or judge.checkFindTime and time > MyTime.time():
        time = MyTime.time()
    kept = {
        name: plain(value)
        for name, value in data.items()
        if value is not None and name not in ("matches", "nofail-matches", "mlfpending")
    }
    # An ID's address is one, or not told (here; there it is any text where names stay names).
    address = data.get("ip")
    if isinstance(address, IPAddr) and not (address.isIPv4 or address.isIPv6):
        del kept["ip"]
    lines = [list(line) for line in data.get("matches", [])]
    return [regex, str(ident), time, kept, lines]


def judged(judge, now, line):
    MyTime.setTime(now)
    try:
        return [shown(judge, failure) for failure in judge.processLine(line)]
    except Exception as error:
        # In operation this is logged, and the line counts as no failure.
        return ["raised", repr(error)]


answers = []
for case in json.load(sys.stdin):
    try:
        judge = build(case)
    except Exception:
        answers.append(None)
        continue
    answers.append([judged(judge, now, line) for now, line in case["steps"]])
json.dump(answers, sys.stdout)
