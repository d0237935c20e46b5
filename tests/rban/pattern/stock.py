# Prints what the installed fail2ban makes of its own filters and samples, one JSON array a line:
# name, options, multiline, [prefregex], [failregex], [ignoreregex] (each as written and as fail2ban
# expands it), date patterns, sample lines, and those lines with the date cut out.
import glob
import json
import logging
import os
import re
import sys

sys.path.insert(0, '/usr/lib/python3/dist-packages')
from fail2ban.client.filterreader import FilterReader
from fail2ban.server.filter import Filter
from fail2ban.server.failregex import Regex

logging.disable(logging.CRITICAL)


BASE = '/etc/fail2ban'
LOGS = '/usr/lib/python3/dist-packages/fail2ban/tests/files/logs'


def read(name, opts):
    flt = Filter(None)
    flt.active = True
    reader = FilterReader(name, 'jail', dict(opts), basedir=BASE)
    reader.read()
    reader.getOptions({})
    raw = {'prefregex': [], 'addfailregex': [], 'addignoreregex': []}
    for opt in reader.convert():
        for value in opt[3] if opt[0] == 'multi-set' else [opt[3]]:
            if opt[2] in raw:
                raw[opt[2]].append(value)
            elif opt[2] == 'maxlines':
                flt.setMaxLines(value)
            elif opt[2] == 'datepattern':
                flt.setDatePattern(value)
    multi = flt.getMaxLines() > 1
    raw = {key: [(value, Regex(value, multiline=multi).getRegex()) for value in values]
           for key, values in raw.items()}
    return flt, multi, raw


def lines(name, default):
    # The options and the lines of a sample file and those it adds.
    files, common, current = [name], {}, [default]
    for file in files:
        for line in open(os.path.join(LOGS, file), encoding='utf-8', errors='replace', newline='\n'):
            line = line.rstrip('\r\n')
            found = re.match('^#+ ?(failJSON|(?:file|filter)Options|addFILE):(.+)$', line)
            if found and found[1] != 'failJSON':
                value = json.loads(found[2])
                if found[1] == 'fileOptions': common = value
                elif found[1] == 'addFILE': files.append(value)
                else:
                    current = []
                    for opts in value if isinstance(value, list) else [value]:
                        opts = dict(common, **opts)
                        current.append({k: v for k, v in opts.items() if not k.startswith('test.')})
            elif not found and line.strip() and not line.startswith('#'):
                for opts in current:
                    yield opts, line
for path in sorted(glob.glob(BASE + '/filter.d/*.conf')):
    name = os.path.basename(path)[:-5]
    if name.endswith('common') or not os.path.exists(os.path.join(LOGS, name)):
        continue
    sets = {}
    for opts, line in lines(name, {}):
        sets.setdefault(json.dumps(opts, sort_keys=True), []).append(line)
    for opts in ({}, {'logtype': 'journal'}, {'mode': 'aggressive'}):
        sets.setdefault(json.dumps(opts, sort_keys=True), sum(sets.values(), [])[:100])
    for key, texts in sets.items():
        opts = json.loads(key)
        flt, multi, raw = read(name, opts)
        cut = []
        for line in texts:
            found, template = flt.dateDetector.matchTime(line) if opts.get('logtype') != 'journal' else (None, None)
            if found:
                line = line[:found.start(1)] + line[found.end(1):]
            cut.append(line + '\n')
        dates = [t.template.regex for t in flt.dateDetector.templates]
        print(json.dumps([name, opts, multi, raw['prefregex'], raw['addfailregex'], raw['addignoreregex'], dates, texts, cut]))
