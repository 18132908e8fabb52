#!/usr/bin/env bash
# Apache 2.4.71 (Debian 12): RedirectMatch 404 on one address does nothing beside ProxyPass /
#
# Guess:    `RedirectMatch 404 "^/metrics$"` closes that address, whatever ProxyPass passes on: it is the more special rule.
# Happened: the request goes to the service behind and is answered. ProxyPass is looked at first, and wins; only after
#           `ProxyPass /metrics !` does the RedirectMatch answer 404.
#           Output seen: redirect alone: 200 passed on / with an exception: 404 not passed on
# Matters:  an address meant to be closed at the proxy (figures, health) stands open to everybody, and the file reads as if it did not.
#           docs/examples/apache.conf has the exception, and tests/ops/test_proxies.py asks through it.
# Source:   this run, with nocanon and without; httpd.apache.org/docs/2.4/mod/mod_proxy.html#proxypass (exceptions by "!")
set -euo pipefail
work=$(mktemp -d); trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT; cd "$work"
chmod 755 "$work"
for package in apache2-bin libapr1 libaprutil1; do apt-get download -qq "$package" 2>/dev/null; done
for file in *.deb; do dpkg -x "$file" root; done
export LD_LIBRARY_PATH=$work/root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo x86_64-linux-gnu)
root/usr/sbin/apache2 -v | head -1
cat > behind.py <<'PY'
import http.server, sys
class Passed(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "6"); self.end_headers(); self.wfile.write(b"passed")
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Passed)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 behind.py > port & while [ ! -s port ]; do sleep 0.1; done
ask() {  # ask LINES: what Apache answers for /metrics with these lines in its configuration
    free=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    { echo "ServerRoot $work"; echo "ServerName a.example"; echo "PidFile $work/pid"; echo "ErrorLog $work/log"; echo "Listen 127.0.0.1:$free"
      for name in mpm_event authz_core alias proxy proxy_http; do echo "LoadModule ${name}_module $work/root/usr/lib/apache2/modules/mod_$name.so"; done
      [ "$(id -u)" != 0 ] || printf 'User www-data\nGroup www-data\n'
      echo "$1"; echo "RedirectMatch 404 \"^/metrics\$\""; echo "ProxyPass / http://127.0.0.1:$(cat port)/ nocanon"; } > conf
    root/usr/sbin/apache2 -X -f "$work/conf" & apache=$!
    for _ in $(seq 50); do curl -s -o /dev/null "http://127.0.0.1:$free/" && break; sleep 0.1; done
    answer=$(curl -s -o body -w '%{http_code}' "http://127.0.0.1:$free/metrics")
    kill "$apache"; wait "$apache" 2>/dev/null || true
    grep -q passed body && echo "$answer passed on" || echo "$answer not passed on"
}
alone=$(ask ""); excepted=$(ask "ProxyPass /metrics !")
echo "redirect alone: $alone / with an exception: $excepted"
[ "$alone" = "200 passed on" ] && [ "$excepted" = "404 not passed on" ]
