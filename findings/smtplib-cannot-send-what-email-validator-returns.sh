#!/usr/bin/env bash
# email-validator 2.4.0 + smtplib (run on Python 3.11): a validated address that cannot be sent, and a connection it spoils
#
# Guess:    with allow_smtputf8=False, what validate_email() returns as `normalized` is ASCII, and can be handed to smtplib;
#           if not, sendmail() raises an SMTPException and leaves the connection as it was.
# Happened: the option looks at the part before the @ alone. `normalized` turns even an ASCII xn-- domain into Unicode; only
#           `ascii_email` can be sent. sendmail() then raises UnicodeEncodeError, a ValueError, which `except (SMTPException,
#           OSError)` misses, and it does so after MAIL without a RSET: the next, blameless mail on the connection is
#           refused for good.
#           Output seen: ana@xn--bcher-kva.example -> ana@bücher.example; UnicodeEncodeError; next mail: 503 Error: nested MAIL command
# Matters:  one such address at the head of a mail queue stops all mail behind it (or has the next mail given up as
#           5yz). Keep ascii_email, and let the transport treat UnicodeError as this mail's own fault and drop the connection.
# Source:   this run; email-validator's README tells ascii_email from normalized; RFC 5321, 4.1.4 on nested MAIL.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install email-validator==2.4.0 aiosmtpd==1.4.6
cat > try.py <<'PY'
import smtplib, socket
from aiosmtpd.controller import Controller
from email_validator import validate_email
class Handler:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"
with socket.socket() as free:
    free.bind(("127.0.0.1", 0)); port = free.getsockname()[1]
relay = Controller(Handler(), hostname="127.0.0.1", port=port)
relay.start()
try:
    found = validate_email("ana@xn--bcher-kva.example", check_deliverability=False, allow_smtputf8=False)
    print("normalized:", found.normalized, "ascii_email:", found.ascii_email)
    assert (found.normalized, found.ascii_email) == ("ana@bücher.example", "ana@xn--bcher-kva.example")
    mail = b"Subject: x\r\n\r\nx\r\n"
    client = smtplib.SMTP("127.0.0.1", port, timeout=5)
    try:
        client.sendmail("n@pharmacy.example", [found.normalized], mail)
    except Exception as error:
        print("first mail:", type(error).__name__, error)
        assert isinstance(error, UnicodeEncodeError) and not isinstance(error, (smtplib.SMTPException, OSError))
    else:
        raise SystemExit("it was sent")
    try:
        client.sendmail("n@pharmacy.example", ["b@example.org"], mail)
    except smtplib.SMTPSenderRefused as error:
        print("next mail:", error.smtp_code, error.smtp_error.decode())
        assert error.smtp_code == 503
    else:
        raise SystemExit("the connection was put right")
    assert client.sendmail("n@pharmacy.example", [found.ascii_email], mail) == {}
finally:
    relay.stop()
PY
v/bin/python try.py
