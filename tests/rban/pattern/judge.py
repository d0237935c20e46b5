# Reads `[pattern, multiline, [text, ...]]` as JSON, a line each, and answers each with the
# place of what is wrong with the pattern (or `false`), `null` where `re` takes too long (or crashes), or for each text `null` or the spans
# of its groups (-1: took no part).
import json, re, signal, sys, warnings
warnings.simplefilter('ignore')
class Slow(Exception): pass
def slow(*_): raise Slow
signal.signal(signal.SIGALRM, slow)
for line in sys.stdin:
    pattern, multiline, texts = json.loads(line)
    try:
        signal.setitimer(signal.ITIMER_REAL, 2)
        compiled = re.compile(pattern, re.M if multiline else 0)
        answer = []
        for text in texts:
            found = compiled.search(text)
            answer.append(found and [found.span(i) for i in range(compiled.groups + 1)])
    except Slow:
        answer = None
    except re.error as e:
        answer = False if e.pos is None else e.pos
    except (OverflowError, RecursionError, ValueError):
        answer = False
    except SystemError:
        answer = None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    print(json.dumps(answer), flush=True)
