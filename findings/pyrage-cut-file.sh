#!/usr/bin/env bash
# pyrage 1.4.0: a backup that was cut short raises OSError, not DecryptError, and leaves its beginning as a file
#
# Guess:    decrypt_file() on a file whose end is missing raises pyrage.DecryptError and leaves no output.
# Happened: for the same bytes, decrypt() in memory raises DecryptError, but decrypt_file() and decrypt_io() raise OSError with the
#           same words; by then the first 128 KiB (two chunks of 64) stand in clear under the final name. encrypt_file
#           writes over an existing output without a word.
#           Output seen: file: ('OSError', 'decryption error') 131072 bytes left / memory: ('DecryptError', 'decryption error')
# Matters:  a restore that catches DecryptError lets the other through, and one that tests "is the file there" loads a
#           database without its end. Decrypt into a temporary name, catch both, rename only after success.
# Source:   this run; the age format (age-encryption.org/v1), "payload": chunks of 64 KiB, the last one marked.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv v && v/bin/pip -q install pyrage==1.4.0
cat > try.py <<'PY'
from pathlib import Path
import pyrage
identity = pyrage.x25519.Identity.generate()
plain = bytes(range(250)) * 800  # 200,000 bytes
whole = pyrage.encrypt(plain, [identity.to_public()])
assert pyrage.decrypt(whole, [identity]) == plain
Path("cut.age").write_bytes(whole[:150_000])
def kind(act):
    try:
        act()
    except Exception as error:
        return type(error).__name__, str(error)
    raise SystemExit("no error")
cut = kind(lambda: pyrage.decrypt_file("cut.age", "out", [identity]))
print("file:", cut, Path("out").stat().st_size, "bytes left")
assert cut[0] == "OSError" and Path("out").read_bytes() == plain[:131072]
memory = kind(lambda: pyrage.decrypt(whole[:150_000], [identity]))
wrong = kind(lambda: pyrage.decrypt(whole, [pyrage.x25519.Identity.generate()]))
print("memory:", memory, "\nwrong key:", wrong)
assert memory == ("DecryptError", cut[1]) and wrong[0] == "DecryptError"
with open("cut.age", "rb") as source, open("out2", "wb") as sink:
    stream = kind(lambda: pyrage.decrypt_io(source, sink, [identity]))
print("stream:", stream)
assert stream == cut
Path("there").write_bytes(b"kept?")
Path("plain").write_bytes(plain)
pyrage.encrypt_file("plain", "there", [identity.to_public()])
assert Path("there").read_bytes() != b"kept?"
PY
v/bin/python try.py
