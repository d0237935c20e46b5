# Prints how Python's `re` sees single characters, as JSON: for each category the characters in it,
# and for each character that case makes a difference to, those it matches when case is ignored.
import json
import re
import sys
import unicodedata

everything = [chr(code) for code in range(sys.maxunicode + 1) if not 0xd800 <= code < 0xe000]
assigned = ''.join(c for c in everything if unicodedata.category(c) != 'Cn')
cased = ''.join(c for c in assigned if c.lower() != c or c.upper() != c)
answer = {pattern: ''.join(re.findall(pattern, assigned)) for pattern in (r'\w', r'\d', r'\s')}
answer['assigned'] = assigned
answer['cased'] = cased
answer['fold'] = [''.join(re.findall('(?i)' + c, cased)) for c in cased]
answer['fold_class'] = [''.join(re.findall('(?i)[' + c + '_]', cased)) for c in cased]
print(json.dumps(answer))
