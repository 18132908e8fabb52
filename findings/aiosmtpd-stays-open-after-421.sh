#!/usr/bin/env bash
# aiosmtpd 1.4.6: a handler's 421 is sent like any other reply, and the session goes on
#
# Guess:    421 means "closing transmission channel", so the test server hangs up after it, as real ones do.
# Happened: after "421 4.3.2 ..." to RCPT the connection stays open, NOOP gets 250, and the next RCPT and DATA deliver.
#           smtplib hangs up by itself on 421 to MAIL, RCPT and DATA (sock is None), and gives a 421 to RCPT as
#           SMTPRecipientsRefused, the exception of a refused mailbox, not as SMTPServerDisconnected.
#           Output seen: 421, NOOP 250, RCPT 250, DATA 250; SMTPRecipientsRefused {'a@example.org': (421, ...)} sock None
# Matters:  a test whose relay answers 421 says nothing of a connection that breaks; for that the handler must close
#           `server.transport` itself. And "the relay is going down" at RCPT must be told from "this mailbox, not now" by
#           its code: else each mail in the queue pays one try for the relay's restart.
# Source:   this run; RFC 5321, 3.8 and 4.2.2.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install aiosmtpd==1.4.6
cat > try.py <<'PY'
import smtplib
from aiosmtpd.controller import Controller
class Handler:
    taken = 0
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "a@example.org":
            return "421 4.3.2 closing down"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        self.taken += 1
        return "250 OK"
handler = Handler()
relay = Controller(handler, hostname="127.0.0.1", port=0)
import socket
with socket.socket() as free:
    free.bind(("127.0.0.1", 0)); relay.port = free.getsockname()[1]
relay.start()
try:
    raw = smtplib.SMTP("127.0.0.1", relay.port, timeout=5)
    raw.ehlo()
    raw.mail("n@pharmacy.example")
    codes = [raw.docmd("RCPT TO:<a@example.org>")[0], raw.noop()[0], raw.docmd("RCPT TO:<b@example.org>")[0],
             raw.data(b"Subject: x\r\n\r\nx\r\n")[0]]
    raw.quit()
    print("one connection:", codes, "taken:", handler.taken)
    assert codes == [421, 250, 250, 250] and handler.taken == 1
    client = smtplib.SMTP("127.0.0.1", relay.port, timeout=5)
    try:
        client.sendmail("n@pharmacy.example", ["a@example.org"], b"Subject: x\r\n\r\nx\r\n")
    except smtplib.SMTPException as error:
        print("smtplib:", type(error).__name__, error, "sock", client.sock)
        assert type(error) is smtplib.SMTPRecipientsRefused and client.sock is None
        assert error.recipients["a@example.org"][0] == 421
    else:
        raise SystemExit("not refused")
finally:
    relay.stop()
PY
v/bin/python try.py
