"""A mail server for the tests: aiosmtpd that does as it is told, and tells what it got.

usage: smtpd.py MODE CERTIFICATE KEY [OUT PORT]  serve; a JSON line for the port, and for each mail
       smtpd.py parse                            the same JSON of a mail on standard input

MODE: accept, reject, greylist, full, starttls, implicit, auth, hang, hangdata, droptls
"""

import asyncio
import email
import email.policy
import email.utils
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

out = sys.stdout


def say(**what):
    out.write(json.dumps(what) + "\n")
    out.flush()


def told(content):
    """What Python's own reader of mails makes of one."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    defects = [str(d) for part in mail.walk() for d in part.defects]
    defects += [f"{k}: {d}" for k, v in mail.items() for d in getattr(v, "defects", [])]
    return {
        "headers": mail.keys(),
        "subject": mail["subject"],
        "from": mail["from"],
        "to": mail["to"],
        "date": email.utils.parsedate_to_datetime(mail["date"]).isoformat(),
        "id": mail["message-id"],
        "auto": mail["auto-submitted"],
        "mime": mail["mime-version"],
        "types": [part.get_content_type() for part in parts],
        "charsets": [part.get_content_charset() for part in parts],
        "texts": [part.get_content() for part in parts],
        "defects": defects,
        "longest": max(len(line) for line in content.splitlines()),
    }


class Handler:
    def __init__(self, mode):
        self.mode = mode
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode == "reject" or address.startswith("nobody@"):
            return "550 5.1.1 nobody here"
        if self.mode == "greylist" and address not in self.seen:
            self.seen.add(address)
            say(greylisted=address)
            return "451 4.7.1 greylisted, come back"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.mode == "hangdata":
            say(hangs=True)
            await asyncio.sleep(100000)
        if self.mode == "full":
            return "452 4.3.1 no room"
        say(
            rcpt=envelope.rcpt_tos,
            mail_from=envelope.mail_from,
            tls=session.ssl is not None or self.mode == "implicit",
            user=getattr(session.auth_data, "login", b"").decode(),
            **told(envelope.content),
        )
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"fail2ban" and data.password == b"open sesame"
    return AuthResult(success=good, handled=False, auth_data=data)


async def drop_tls(reader, writer):
    writer.write(b"220 mx ESMTP\r\n")
    while line := await reader.readline():
        if line.upper().startswith(b"EHLO"):
            writer.write(b"250-mx\r\n250 STARTTLS\r\n")
        elif line.upper().startswith(b"STARTTLS"):
            writer.write(b"220 go on\r\n")
            await writer.drain()
            break
    writer.close()


async def hang(reader, writer):
    say(hangs=True)
    await asyncio.sleep(100000)


async def main(mode, certificate, key, port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    if mode in ("hang", "droptls"):
        answer = hang if mode == "hang" else drop_tls
        server = await asyncio.start_server(answer, "127.0.0.1", port)
    else:
        offered = mode in ("starttls", "auth")
        handler = Handler(mode)

        def factory():
            return SMTP(
                handler,
                hostname="mx",
                enable_SMTPUTF8=False,
                tls_context=context if offered else None,
                require_starttls=offered,
                auth_required=mode == "auth",
                authenticator=authenticate,
                loop=loop,
            )

        secure = context if mode == "implicit" else None
        server = await loop.create_server(factory, "127.0.0.1", port, ssl=secure)
    say(port=server.sockets[0].getsockname()[1])
    await asyncio.sleep(100000)


if sys.argv[1] == "parse":
    say(**told(sys.stdin.buffer.read()))
else:
    if len(sys.argv) > 4:
        out = open(sys.argv[4], "w")
    port = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    asyncio.run(main(*sys.argv[1:4], port))
