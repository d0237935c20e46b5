# Asked by reckoning.rs: fail2ban's own classes go through the stories it sends, and tell what came of them.
import json, sys, math, random, logging
from fail2ban.server.jail import Jail
from fail2ban.server.observer import ObserverThread
from fail2ban.server.ticket import FailTicket
from fail2ban.server.mytime import MyTime
import fail2ban.server.filterpoll

logging.disable(logging.CRITICAL)
random.random = lambda: 0.5


def increment(case):
    class Stub:
        database = True
        _banExtra = {}
    jail = Stub()
    jail._banExtra = {}
    try:
        for option, value in case["options"]:
            Jail.setBanTimeExtra(jail, option, value)
        ban = ObserverThread.BanTimeIncr(case["time"], case["count"])
        value = jail._banExtra["evformula"](ban)
        value = float(value)
        return value if math.isfinite(value) else None
    except Exception:
        return None


def told(jail):
    fails = {}
    manager = jail.filter.failManager
    for fid, ticket in manager._FailManager__failList.items():
        fails[str(fid)] = [ticket.getRetry(), ticket.getAttempt(), ticket.getMatches()]
    bans, keeper = {}, jail.actions.banManager
    for ticket in keeper:
        bans[str(ticket.getID())] = [
            int(ticket.getTime()), int(ticket.getBanTime(keeper.getBanTime())),
            ticket.getBanCount(), ticket.getAttempt(), ticket.getMatches()]
    return [fails, bans, manager.getFailTotal(), keeper.getBanTotal()]


def story(events):
    jail = Jail("door", backend="polling", db=None)
    actions, the_filter = jail.actions, jail.filter
    manager = the_filter.failManager
    actions.setBanTime(600)
    the_filter.setFindTime(600)
    the_filter.setMaxRetry(3)
    manager.maxMatches = 3
    results = []
    for now, what, *words in events:
        MyTime.setTime(now)
        actions._Actions__checkUnBan(100)
        manager.cleanup(now)
        answer = None
        if what == "fails":
            ticket = FailTicket(words[0], words[1], data={"matches": [words[2]], "failures": 0})
            if manager.addFailure(ticket) >= manager.getMaxRetry():
                the_filter.performBan(ticket.getID())
        elif what == "attempt":
            the_filter.addAttempt(words[0], *words[1:])
        elif what == "ban":
            answer = actions.addBannedIP(words)
        elif what == "unban":
            answer = actions.removeBannedIP(words, ifexists=True)
        elif what == "unbanall":
            answer = actions.removeBannedIP(None)
        elif what == "bantime":
            actions.setBanTime(words[0])
            # It looks for ends at the time the next one was due before, however late; we do not.
            actions.banManager._nextUnbanTime = 0
        elif what == "findtime":
            the_filter.setFindTime(words[0])
        elif what == "maxmatches":
            manager.maxMatches = words[0]
        elif what == "maxretry":
            the_filter.setMaxRetry(words[0])
            the_filter.performBan()
        actions._Actions__checkBan()
        actions._Actions__checkUnBan(100)
        manager.cleanup(now)
        results.append([answer] + told(jail))
    return results


question = json.load(sys.stdin)
json.dump({
    "increments": [increment(case) for case in question.get("increments", [])],
    "stories": [story(events) for events in question.get("stories", [])],
}, sys.stdout)
