"""Whois servers of a world of its own, told apart by their addresses: 127.0.1.1 is IANA.

Every question is a line of /run/whois-asked: the server's address and what it was asked.
"""
import socket
import threading
import time

ROOT = {
    "192.0.2.": "whois.good.example.com",
    "198.51.100.": "whois.loop.example.com",
    "2001:db8:1:": "whois.binary.example.com",
    "2001:db8:2:": "whois.endless.example.com",
    "2001:db8:3:": "whois.slow.example.com",
    "2001:db8:4:": "whois.silent.example.com",
    "2001:db8:5:": "whois.gone.example.com",
    "2001:db8:6:": "whois.nowhere.example.com",
    "2001:db8::": "whois.good.example.com",
}

def root(asked, client):
    to = next((to for start, to in ROOT.items() if asked.startswith(start)), None)
    client.sendall(b"% IANA WHOIS server\r\n\r\n" + (b"refer:        %s\r\n" % to.encode() if to else b""))

def good(asked, client):
    network = b"inet6num: 2001:db8::/48" if ":" in asked else b"inetnum: 192.0.2.0 - 192.0.2.255"
    client.sendall(network + b"\r\nnetname: GOOD-NET\r\ndescr: M\xfcller\r\nabuse: abuse@example.com\r\n")

def loop(_, client):
    client.sendall(b"netname: LOOP-NET\nReferralServer: whois://whois.good2.example.com\n")

def loop2(_, client):
    client.sendall(b"netname: LOOP-NET-2\nReferralServer: whois://whois.loop.example.com\n")

def binary(_, client):
    client.sendall(bytes(range(256)) + b"\nSubject: injected\n\x1b]0;title\x07\n.\n")

def endless(_, client):
    while True:
        client.sendall(b"remarks: and so on\n" * 100)

def slow(_, client):
    for byte in b"netname: SLOW-NET\n" * 100:
        client.sendall(bytes([byte]))
        time.sleep(0.5)

def silent(_, client):
    client.recv(1)

SERVERS = {1: root, 2: good, 3: loop, 4: loop2, 5: binary, 6: endless, 7: slow, 8: silent}

def serve(client):
    server = client.getsockname()[0]
    asked = client.makefile("rb").readline().decode().strip()
    with open("/run/whois-asked", "a") as log:
        log.write(f"{server} {asked}\n")
    try:
        SERVERS[int(server.rsplit(".", 1)[1])](asked, client)
    except OSError:
        pass
    client.close()

for last in SERVERS:
    listener = socket.create_server((f"127.0.1.{last}", 43))
    def accept(listener=listener):
        while True:
            threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
    threading.Thread(target=accept).start()
open("/run/whois-ready", "w").write("ready\n")
