#!/usr/bin/env bash
# flufl.bounce 6.0.0 on Python's email parser: a bounce in the internationalised form (RFC 6533) names nobody
#
# Guess:    message/global-delivery-status, which servers write once SMTPUTF8 was used, is parsed like
#           message/delivery-status: a list of blocks, the second with Final-Recipient. At worst a plain rfc822 address is found.
# Happened: Python splits only the one type into blocks. For the other the first block becomes a mail's header and all that
#           concerns the recipient becomes that mail's body, as text. flufl.bounce looks for the one type alone and finds
#           neither a failure nor a warning, even where the recipient is plain ASCII ("rfc822; ...").
#           Output seen: delivery-status: blocks 2, found ['ana@example.org'] / global-delivery-status: blocks 1, found []
# Matters:  such a report must not count as "no bounce": read the part's text by itself (walk to the innermost
#           payload and parse it as headers), under both type names, or keep the mail for a person to look at.
# Source:   this run; RFC 6533, sections 4 and 6; RFC 3464, 2.1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install flufl.bounce==6.0.0
cat > try.py <<'PY'
from email import message_from_bytes, policy
from flufl.bounce import all_failures
REPORT = """From: MAILER-DAEMON@relay.example
To: bounce+1@pharmacy.example
Subject: Not delivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

Your mail could not be delivered.
--b
Content-Type: message/{kind}

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; ana@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: message/{headers}

From: news@pharmacy.example
Subject: News

--b--
"""
def read(kind, headers):
    raw = REPORT.format(kind=kind, headers=headers).replace("\n", "\r\n").encode()
    for rules in (policy.compat32, policy.default):
        part = message_from_bytes(raw, policy=rules).get_payload()[1]
        blocks = part.get_payload()
        named = [block["Final-Recipient"] for block in blocks]
    temporary, permanent = all_failures(message_from_bytes(raw))
    print(f"{kind}: blocks {len(blocks)}, Final-Recipient {named}, found", sorted(a.decode() for a in temporary | permanent))
    return named, blocks[0].get_payload(), temporary | permanent
named, _, found = read("delivery-status", "rfc822")
assert named == [None, "rfc822; ana@example.org"] and found == {b"ana@example.org"}
named, rest, found = read("global-delivery-status", "global")
assert named == [None] and "Final-Recipient: rfc822; ana@example.org" in rest and not found
PY
v/bin/python try.py
