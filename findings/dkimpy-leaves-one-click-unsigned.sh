#!/usr/bin/env bash
# dkimpy 1.1.8: by default the signature covers List-Unsubscribe, but not List-Unsubscribe-Post
#
# Guess:    `dkim.sign()` without include_headers signs all that stands in the mail, or at least the whole List- family.
# Happened: it signs a fixed list of names; List-Id and List-Unsubscribe are in it, List-Unsubscribe-Post (2017) is not. The
#           signature verifies, so nothing looks wrong. nodemailer 10.6.1 and opendkim-testmsg 2.11 do sign it.
#           Output seen: from to subject date message-id list-id list-unsubscribe mime-version content-type from
# Matters:  RFC 8058, 4 asks that a valid DKIM signature covers both header fields; a receiver that holds to it shows no one-click
#           button for such mail. Whoever signs ahead of the relay must name the headers, and look at h= of a real mail.
# Source:   this run; RFC 8058, sections 3.1 and 4.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install dkimpy==1.1.8 cryptography==50.0.2
cat > try.py <<'PY'
import base64, re
import dkim
from cryptography.hazmat.primitives import serialization as S
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(65537, 2048)
pem = key.private_bytes(S.Encoding.PEM, S.PrivateFormat.TraditionalOpenSSL, S.NoEncryption())
public = key.public_key().public_bytes(S.Encoding.DER, S.PublicFormat.SubjectPublicKeyInfo)
record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
mail = b"\r\n".join([
    b"From: News <news@pharmacy.example>", b"To: reader@example.org", b"Subject: News",
    b"Date: Mon, 02 Nov 2026 10:00:00 +0000", b"Message-ID: <1@pharmacy.example>", b"List-Id: <news.pharmacy.example>",
    b"List-Unsubscribe: <https://pharmacy.example/leave/abc>", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8", b"", b"Hello", b""])
def covered(**more):
    signature = dkim.sign(mail, b"s", b"pharmacy.example", pem, **more)
    assert dkim.verify(signature + mail, dnsfunc=lambda *a, **k: record)
    return re.search(r"\bh=([^;]*)", signature.decode())[1].replace(":", " ").lower().split()
plain = covered()
print("by default:", *plain)
assert "list-unsubscribe" in plain and "list-unsubscribe-post" not in plain
named = covered(include_headers=[*(name.encode() for name in plain), b"list-unsubscribe-post"])
print("named:", *named)
assert "list-unsubscribe-post" in named
PY
v/bin/python try.py
