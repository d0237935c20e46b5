# Reads `[folder, ...]` as JSON, each a configuration tree, and prints for each what fail2ban makes of
# it: {"jails": {name: stream}, "all": stream}, where a stream is the text that `-d` prints, or
# {"error": why} where there is none. `jails` has every jail read alone.
import json, logging, resource, signal, sys
sys.path.insert(0, '/usr/lib/python3/dist-packages')
from fail2ban.client.configurator import Configurator
logging.disable(logging.CRITICAL)
# What explodes shall not take the machine with it; it is answered with {"error": null}.
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
class Slow(BaseException): pass
def slow(*_): raise Slow
signal.signal(signal.SIGVTALRM, slow)

def stream(folder, jail, given):
    configurator = Configurator()
    configurator.setBaseDir(folder)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 10)
        configurator.readAll()
        configurator.getOptions(jail, dict(given), ignoreWrong=True)
        configurator.convertToProtocol(allow_no_files=True)
        return ''.join('%s\n' % c for c in configurator.getConfigStream())
    except (Slow, MemoryError):
        return {'error': None}
    except Exception as e:
        return {'error': '%s: %s' % (type(e).__name__, e)}
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

def names(folder):
    configurator = Configurator()
    configurator.setBaseDir(folder)
    try:
        configurator.readAll()
        jails = configurator._Configurator__jails
        return [n for n in jails.sections() if n != 'INCLUDES']
    except Exception:
        return []

given = {'logtarget': '/var/log/f2b.log'}
answer = [{'jails': {n: stream(f, n, given) for n in names(f)}, 'all': stream(f, None, given)}
          for f in json.load(sys.stdin)]
print(json.dumps(answer))
