"""Lives of jails, told to one server after the other: each is set up, goes through its steps and is
stopped, and what its actions called on the way is cut out of the record.

Reads {"socket", "folder", "dump": [program...], "lives": {jail: [step...]}, "counts": {jail: [n...]}}
as JSON on stdin; a step is a list of words, see `step`. Writes {jail: [[line, ...] of each step]}.
`counts` says how many lines are waited for at each step, where the server goes on while it works.
"""

import ast
import contextlib
import json
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, "/usr/lib/python3/dist-packages")

from fail2ban.client.csocket import CSocket

told = json.load(sys.stdin)
folder = told["folder"]
PATIENCE = 20
# How many marks have been waited for.
heard = [0]


def lines(name):
    try:
        with open(f"{folder}/{name}", errors="surrogateescape") as file:
            return file.read().split("\x1e\n")[:-1]
    except FileNotFoundError:
        return []


def until(what, found):
    deadline = time.monotonic() + PATIENCE
    while not found():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.005)


def rows(jail):
    with contextlib.closing(sqlite3.connect(f"{folder}/db")) as database:
        return database.execute("SELECT ip FROM bips WHERE jail = ?", (jail,)).fetchall()


def send(*words):
    link = CSocket(told["socket"])
    code, answer = link.send(list(words))
    link.close()
    if code:
        raise RuntimeError(f"{words}: {answer!r}")
    return answer


def streams():
    text = subprocess.run(told["dump"], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        command = ast.literal_eval(line)
        if command[0] in ("add", "start"):
            found.setdefault(command[1], []).append(command)
        elif command[0] in ("set", "multi-set") and command[1] in told["lives"]:
            found[command[1]].append(command)
    return found


def step(jail, words, stream):
    kind, *words = words
    if kind == "start":
        for command in stream:
            send(*command)
    elif kind == "reload":
        send("reload", jail, [], stream)
    elif kind == "write":
        name, text = words
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)
    elif kind == "log":
        with open(f"{folder}/{jail}.log", "a", errors="surrogateescape") as file:
            file.write(words[0] + "\n")
    elif kind == "rows":
        # fail2ban writes bans down behind its own back.
        until("rows", lambda: len(rows(jail)) >= int(words[0]))
    elif kind == "mark":
        mark = f"{jail} {words[0]}"
        until(mark, lambda: mark in lines("marks")[heard[0] :])
        heard[0] += lines("marks")[heard[0] :].index(mark) + 1
    else:
        send(*[jail if word == "JAIL" else word for word in [kind, *words]])


def answers():
    try:
        return send("ping") is not None
    except OSError:
        return False


until("an answer", answers)
result = {}
streams = streams()
for jail, steps in told["lives"].items():
    open(f"{folder}/record", "w").close()
    open(f"{folder}/marks", "w").close()
    heard[0] = 0
    counts = told.get("counts", {}).get(jail, [])
    result[jail] = []
    seen = 0
    for number, words in enumerate(steps):
        try:
            step(jail, words, streams.get(jail, []))
        except Exception as error:
            result[jail].append([f"! {words}: {error}"])
            break
        if counts:
            wanted = sum(counts[: number + 1])
            try:
                until("the record", lambda: len(lines("record")) >= wanted)
            except TimeoutError:
                pass
        new = lines("record")[seen:]
        seen += len(new)
        result[jail].append(new)
    try:
        send("stop", jail)
    except Exception:
        pass
json.dump(result, sys.stdout)
