#!/usr/bin/env bash
# granian 2.8.7 (WSGI): one byte beyond ASCII in a request header, and the application sees that header as ""
#
# Guess:    the bytes come decoded as Latin-1, as PEP 3333 has it and wsgiref does, so that a framework can decode again.
# Happened: the environ has HTTP_COOKIE and HTTP_USER_AGENT as empty strings: the whole value is gone, not the one letter.
#           A response header goes the other way as UTF-8, not Latin-1 (é leaves as c3 a9).
#           Output seen:  granian: HTTP_COOKIE='' HTTP_USER_AGENT='' HTTP_ACCEPT='*/*'; é left as b'caf\xc3\xa9'
#                         wsgiref: HTTP_COOKIE='form=abc; city=Bogot\xc3\xa1' (Latin-1 of the bytes)
# Matters:  browsers send back, byte for byte, whatever cookie another service set for the parent domain. One such cookie
#           in UTF-8 (a city's or a person's name) and that visitor has no cookie of ours either: each form is "stale" for
#           ever and staff cannot stay signed in, with nothing in the log. Look for it before blaming the form tokens.
# Source:   this run; granian issue 335 (closed: will not be changed); RFC 9110, 5.5 (obs-text); PEP 3333, "Unicode Issues".
set -euo pipefail
work=$(mktemp -d); server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install granian==2.8.7
cat > app.py <<'PY'
import json
def app(environ, start_response):
    body = json.dumps({k: environ.get(k) for k in ("HTTP_COOKIE", "HTTP_USER_AGENT", "HTTP_ACCEPT")}).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Back", "caf\xe9")])
    return [body]
PY
cat > ask.py <<'PY'
import json, re, socket, sys, threading, time
from wsgiref.simple_server import WSGIRequestHandler, make_server
from app import app
REQUEST = ("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\n"
           "Cookie: form=abc; city=Bogotá\r\nUser-Agent: Café/1\r\n\r\n").encode()
def ask(port):
    for _ in range(100):
        try:
            s = socket.create_connection(("127.0.0.1", port), 5); break
        except OSError:
            time.sleep(.1)
    s.sendall(REQUEST)
    answer = b""
    while data := s.recv(65536):
        answer += data
    head, body = answer.split(b"\r\n\r\n", 1)
    return json.loads(body), re.search(rb"(?i)x-back: ([^\r]*)", head)[1]
class Quiet(WSGIRequestHandler):
    def log_message(self, *a): pass
reference = make_server("127.0.0.1", 0, app, handler_class=Quiet)
threading.Thread(target=reference.handle_request, daemon=True).start()
plain, plain_back = ask(reference.server_port)
seen, back = ask(int(sys.argv[1]))
print("wsgiref:", plain, plain_back)
print("granian:", seen, back)
assert plain["HTTP_COOKIE"].encode("latin-1").decode() == "form=abc; city=Bogotá" and plain_back == b"caf\xe9"
assert seen == {"HTTP_COOKIE": "", "HTTP_USER_AGENT": "", "HTTP_ACCEPT": "*/*"} and back == b"caf\xc3\xa9"
PY
port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
v/bin/granian --interface wsgi --no-ws --host 127.0.0.1 --port "$port" --log-level error app:app & server=$!
v/bin/python ask.py "$port"
