"""A name server for what no honest one says: it answers for whom dnsmasq sends on to it.

198.51.100.N  1 a name of 250 characters; 2 control characters; 3 a shell's; 4 no answer, ever;
              5 SERVFAIL; 6 six names, the third leads back; 7 bytes that are no message;
              8 a name that begins with an option's dash
*.slow.example no answer, ever;  *.broken.example SERVFAIL;  n6.many.example 198.51.100.6
*.crowd.example 200 addresses

Every question is a line of /run/asked.
"""
import socket
import struct

def name(labels):
    return b"".join(bytes([len(l)]) + l for l in labels) + b"\0"

def record(kind, ttl, data):
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data

def ptr(*labels):
    return record(12, 60, name(labels))

MANY = [ptr(b"n%d" % n, b"many", b"example") for n in (1, 2, 6, 3, 4, 5)]
NAMES = {
    1: [ptr(*[b"x" * 62] * 3, b"y" * 50, b"example")],
    2: [ptr(b"a\r\nBcc: b@example.com\x1b[2J\0", b"example")],
    3: [ptr(b"$(touch /run/pwned)`touch /run/pwned`;'\"", b"example")],
    6: MANY,
    8: [ptr(b"-oProxyCommand", b"example")],
}

def answer(data):
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].lower())
        at += 1 + data[at]
    question, kind = data[12 : at + 5], struct.unpack(">H", data[at + 1 : at + 3])[0]
    text = b".".join(labels)
    open("/run/asked", "ab").write(text + b"\n")
    code, records = 3, []
    if text.endswith(b".in-addr.arpa"):
        host = int(labels[0])
        if host == 4:
            return None
        if host == 7:
            return b"\xff" * 40
        code, records = (2, []) if host == 5 else (0, NAMES.get(host, []))
    elif text.endswith(b"slow.example"):
        return None
    elif text.endswith(b"broken.example"):
        code = 2
    elif text == b"n6.many.example":
        code, records = 0, [record(1, 60, bytes([198, 51, 100, 6]))] if kind == 1 else []
    elif text.endswith(b"crowd.example"):
        code = 0
        records = [record(1, 60, bytes([203, 0, 113, n])) for n in range(200)] if kind == 1 else []
    head = data[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
    return head + question + b"".join(records)

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 5354))
open("/run/dns-ready", "w").write("ready\n")
while True:
    data, client = server.recvfrom(4096)
    said = answer(data)
    if said is not None:
        server.sendto(said, client)
