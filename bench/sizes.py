"""A portal of any size, by SQL, in a migrated SQLite file: `python -m bench.sizes FOLDER [ROWS]`.

With 1,000,000 rows: as many requests (5.8 rows of the trail each), subscribers, sign-ups of 30 days and mails that
were sent. Shares as in a pharmacy: 500 requests are open whatever the size, 5 in 100 are spam, 3 answered, 1 a
duplicate, the rest closed; three of five are consultations, of 20,000 prescribers, seen to by 8 people.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from portal.intake.reference import ALPHABET
from portal.intake.terms import words_of
from portal.npi.verdicts import Verdict
from portal.tokens import digest
from tests.live import Live

ROWS = 1_000_000
PRESCRIBERS, OWNERS, OPEN_ROWS = 20_000, 8, 500
DAYS = 700  # over which all of it came in: nothing has to be forgotten yet
GIVEN = "Ana Ben Carla David Elena Frank Grace Hugo Ines Jack Karin Luis Mary Nadia Omar Paula Rosa Sam Tess Yusuf"
FAMILY = (
    "Ruiz Núñez O'Brien Smith Jones Garcia Miller Davis Lopez Wilson Moore Clark Lewis Young King Hill Baker"
)
PLACES = "Family Medicine,Pain Clinic,Health Center,Internal Medicine,Women's Health,Neurology,Rheumatology"
QUESTION = "How slowly should the dose be raised in an adult who sleeps badly on 3 mg, and until when? "
# Words of a text besides: so many in each, of so many different ones.
BESIDE = {"term": (20, 2_000), "drug": (3, 100_000)}

# What is said of row `i` of `:rows`; each is deterministic, so that two sizes differ in nothing else.
MOMENT = "strftime('%Y-%m-%d %H:%M:%S.000000', {}, 'unixepoch')"
EVERY = f":now - (:rows - i) * {DAYS * 86400} / :rows"  # when row `i` came in, in seconds
LATELY = "(:now - (:rows - i) * 2592000 / :rows)"  # the same, all within 30 days
IS_OPEN = f"(i > :rows - {4 * OPEN_ROWS} AND i % 4 = 0)"

REQUEST = f"""
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows),
  a AS (SELECT i, i * 7919 % {PRESCRIBERS} AS who, i * 31 % 10 < 6 AS asks, {IS_OPEN} AS open,
    CASE WHEN {IS_OPEN} THEN :now - (:rows - i) * 150 ELSE {EVERY} END AS secs,
    CASE WHEN {IS_OPEN} THEN CASE WHEN i % 8 = 0 THEN 'new' WHEN i % 16 = 4 THEN 'waiting' ELSE 'in_progress' END
      WHEN i * 37 % 100 < 5 THEN 'spam' WHEN i * 37 % 100 < 8 THEN 'answered'
      WHEN i * 37 % 100 = 8 THEN 'duplicate' ELSE 'closed' END AS status FROM n)
INSERT INTO request (id, reference, form_token, receipt_hash, kind, status, version, received_at, answer_by,
  changed_at, answered_at, closed_at, owner_id, claimed_at, name, credential, npi, practice, state, email, phone,
  on_behalf, delegate_name, delegate_email, topics, question, contact_method, contact_window, leave_message,
  patient_data, items, delivery, address, note, signals, possible_duplicate_of, verdict, duplicate_of, waiting_since,
  snoozed_until, call_at)
SELECT i, code(i), 'form-' || i, printf('%064x', i), CASE WHEN asks THEN 'consultation' ELSE 'resource' END, status,
  4, {MOMENT.format("secs")}, {MOMENT.format("secs + 172800")}, {MOMENT.format("secs + 90000")},
  CASE WHEN status IN ('answered', 'closed') THEN {MOMENT.format("secs + 90000")} END,
  CASE WHEN status = 'closed' THEN {MOMENT.format("secs + 90000")} END,
  CASE WHEN status NOT IN ('new', 'spam') THEN i * 13 % {OWNERS} + 1 END,
  CASE WHEN status NOT IN ('new', 'spam') THEN {MOMENT.format("secs + 4000")} END,
  p.name, 'MD', p.npi, p.practice, 'CA', p.email, p.phone, 0, '', '', '["dosing"]',
  CASE WHEN asks THEN :question ELSE '' END, CASE WHEN i % 10 = 0 THEN 'phone' ELSE 'email' END, '', 0, '[]', '[]',
  CASE WHEN asks THEN '' ELSE 'email' END, '', '', '[]', NULL, CASE WHEN i % 20 = 0 THEN :bad ELSE :good END,
  CASE WHEN status = 'duplicate' THEN i - 1 END, NULL,
  CASE WHEN open AND i % 40 = 0 THEN '2027-06-01 00:00:00.000000' END,
  CASE WHEN (open AND i % 20 = 0) OR (status = 'answered' AND i > :rows - 5000)
    THEN {MOMENT.format("secs + 95000")} END
FROM a JOIN prescriber p ON p.id = who
"""
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
STEPS = {
    "user": NUMBERS.replace(":rows", str(OWNERS)) + """
        INSERT INTO "user" (id, email, name, roles, active, session_key, created_at)
        SELECT i, 'staff' || i || '@pharmacy.example', 'Staff ' || i,
          CASE WHEN i = :rows THEN 'desk' ELSE 'manager' END, 1, printf('%064x', i), :at FROM n""".replace(
        ":rows", str(OWNERS)
    ),
    "desk_habit": """
        INSERT INTO desk_habit (user_id, away_until, has_keys) SELECT id, '2027-06-01', 0 FROM "user" WHERE id > 7""",
    "request": REQUEST,
    "request_term": f"""
        INSERT INTO request_term (term, request_id)
        SELECT term, id FROM (
          SELECT t.term, r.id FROM request r JOIN prescriber_term t ON t.id = r.id * 7919 % {PRESCRIBERS}
          UNION ALL SELECT lower(substr(reference, 5, 4)), id FROM request
          UNION ALL SELECT lower(substr(reference, 10, 4)), id FROM request
          UNION ALL SELECT lower(replace(reference, '-', '')), id FROM request
          UNION ALL SELECT 'ldn', id FROM request)
        WHERE true GROUP BY term, id ORDER BY term, id""",
    "request_word": """
        INSERT INTO request_word (request_id, term, kind)
        SELECT r.id, CASE WHEN w.many = 0 THEN w.term ELSE w.term || ((r.id * 31 + w.n * 997) % w.many) END, r.kind
        FROM request r JOIN asked_word w ON r.kind = 'consultation'
          OR (w.term = 'slowly' AND r.answered_at IS NOT NULL AND r.owner_id IS NOT NULL)
        ORDER BY r.id""",
    "audit_entry": f"""
        INSERT INTO audit_entry (at, actor_id, actor_name, action, subject, detail)
        SELECT r.received_at, CASE WHEN k.action <> 'received' THEN r.id * 13 % {OWNERS} + 1 END,
          CASE WHEN k.action <> 'received' THEN 'Staff ' || (r.id * 13 % {OWNERS} + 1) ELSE 'the portal' END,
          'request.' || k.action, 'request:' || r.reference, ''
        FROM request r JOIN (SELECT 'received' AS action, 0 AS least UNION ALL SELECT 'opened', 0
          UNION ALL SELECT 'opened', 0 UNION ALL SELECT 'opened', 1 UNION ALL SELECT 'claimed', 0
          UNION ALL SELECT 'closed', 0) k ON k.least = 0 OR r.id % 5 > 0 ORDER BY r.id""",
    "request_message": """
        INSERT INTO request_message (request_id, kind, author_id, author_name, written_at, text, form_token)
        SELECT id, 'answer', owner_id, 'Staff ' || owner_id, answered_at, 'Slowly.', 'm' || id FROM request
        WHERE answered_at IS NOT NULL AND owner_id IS NOT NULL""",
    "npi_check": """
        INSERT INTO npi_check (request_id, at, npi, typed, verdict, reasons, close, as_of, provider, source)
        SELECT id, received_at, npi, '{}', verdict, '[]', '', '2026-11-01', '{}', 'the file' FROM request""",
    "subscriber": NUMBERS + f"""
        INSERT INTO subscriber (id, address, address_key, language, state, handle, leave_digest, preferences_digest,
          created_at, confirmed_at, paused_until, left_at)
        SELECT i, 'Reader' || i || '@clinic.example', 'reader' || i || '@clinic.example',
          CASE WHEN i % 5 = 0 THEN 'es' ELSE 'en' END,
          CASE WHEN i % 50 = 0 THEN 'paused' WHEN i % 10 = 1 THEN 'unsubscribed' WHEN i % 100 = 2 THEN 'bounced'
            ELSE 'active' END, printf('%040x', i), printf('l%063x', i), printf('p%063x', i),
          {MOMENT.format(EVERY)}, {MOMENT.format(EVERY)}, CASE WHEN i % 50 = 0 THEN '2027-06-01 00:00:00.000000' END,
          CASE WHEN i % 10 = 1 THEN {MOMENT.format(EVERY)} END FROM n""",
    "subscription": NUMBERS + f"""
        INSERT INTO subscription (subscriber_id, topic, state, changed_at)
        SELECT i, 'news', 'chosen', {MOMENT.format(EVERY)} FROM n""",
    "consent_event": NUMBERS + f"""
        INSERT INTO consent_event (subject, kind, at, text_id, text_version, text_sha256, language, topics, source,
          page, means, network)
        SELECT digest(printf('%040x', i)), 'requested', {MOMENT.format(EVERY)}, 'newsletter', 1, '', 'en', 'news',
          'form', '/newsletter', 'page', '10.0.0.0/24' FROM n""",
    "signup": NUMBERS + f"""
        INSERT INTO signup (id, form_token, address, address_key, language, topics, source, page, text_id,
          text_version, text_sha256, network, signals, message_id, at, due_at, answered_at, answer, reminded_at)
        SELECT i, 'f' || i, 'Reader' || i || '@clinic.example', 'reader' || i || '@clinic.example', 'en', 'news',
          'form', '/newsletter', 'newsletter', 1, '', '10.' || (i / 65536 % 256) || '.' || (i / 256 % 256) || '.0/24',
          '', '<s' || i || '@pharmacy.example>', {MOMENT.format(LATELY)}, {MOMENT.format(LATELY)},
          {MOMENT.format(LATELY)}, 'confirm', CASE WHEN {LATELY} < :now - 172800 THEN :at END FROM n""",
    "newsletter_token": NUMBERS + f"""
        INSERT INTO newsletter_token (token_hash, purpose, signup_id, created_at, expires_at, used_at)
        SELECT printf('%064x', i), 'confirm', i, {MOMENT.format(LATELY)}, {MOMENT.format(LATELY + " + 604800")},
          {MOMENT.format(LATELY)} FROM n""",
    "mail_body": NUMBERS + f"""
        INSERT INTO mail_body (id, message, language, facts, content, created_at, faults, forgotten_at)
        SELECT i, CASE WHEN i % 2 THEN 'intake/received' ELSE 'newsletter/confirm' END, 'en', NULL,
          CASE WHEN i > :rows * {DAYS - 30} / {DAYS} THEN zeroblob(5000) END, {MOMENT.format(EVERY)}, 0,
          CASE WHEN i <= :rows * {DAYS - 30} / {DAYS} THEN :at END FROM n""",
    "mail_delivery": NUMBERS + f"""
        INSERT INTO mail_delivery (id, body_id, message_id, recipient, recipient_key, envelope_sender, headers, cause,
          lane, state, created_at, due_at, attempts, over_at, last_error, digest)
        SELECT i, i, '<' || i || '@pharmacy.example>', lower(to_whom), lower(to_whom), '', '{{}}',
          CASE WHEN i % 2 THEN 'request:' || code(i) ELSE 'signup:' || i END, 'now',
          CASE WHEN i > :rows - 20 THEN 'queued' WHEN i % 5000 = 1 THEN 'dead' ELSE 'sent' END,
          {MOMENT.format(EVERY)},
          CASE WHEN i > :rows - 20 THEN '2027-06-01 00:00:00.000000' ELSE {MOMENT.format(EVERY)} END, 1,
          CASE WHEN i <= :rows - 20 THEN {MOMENT.format(EVERY)} END, '', randomblob(32)
        FROM (SELECT i, CASE WHEN i % 2 THEN (SELECT email FROM prescriber WHERE id = i * 7919 % {PRESCRIBERS})
          ELSE 'Reader' || i || '@clinic.example' END AS to_whom FROM n)""",
}  # fmt: skip


def fill(file: Path, rows: int = ROWS, *, at: datetime | None = None) -> None:
    """Fill a migrated, empty database; its indexes are made anew at the end, which is many times as quick."""
    now = at or datetime.now(UTC)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
            database.execute(f"PRAGMA {pragma}")
        prepare(database)
        indexes = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            database.execute(f'DROP INDEX "{name}"')
        told = {
            "rows": rows,
            "now": int(now.timestamp()),
            "at": f"{now:%Y-%m-%d %H:%M:%S}.000000",
            "question": QUESTION * 3,
            "good": Verdict.MATCH.value,
            "bad": Verdict.NOT_FOUND.value,
        }
        database.execute("BEGIN")
        for sql in STEPS.values():
            names = set(re.findall(r":([a-z]+)", sql))
            database.execute(sql, {name: value for name, value in told.items() if name in names})
        for _, sql in indexes:
            database.execute(sql)
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode=WAL")


def code(number: int) -> str:
    """The reference of a row: spread over the alphabet, and another for each."""
    rest, signs = number * 48_271 % (1 << 31), ""
    for _ in range(8):
        rest, sign = divmod(rest, len(ALPHABET))
        signs += ALPHABET[sign]
    return f"LDN-{signs[:4]}-{signs[4:]}"


def prepare(database: sqlite3.Connection) -> None:
    """Give the steps what they take from: functions, and the prescribers of whom the requests are."""
    database.create_function("code", 1, code, deterministic=True)
    database.create_function("digest", 1, digest, deterministic=True)
    _prescribers(database)


def _prescribers(database: sqlite3.Connection) -> None:
    given, family, places = GIVEN.split(), FAMILY.split(), PLACES.split(",")
    people, words = [], []
    for number in range(PRESCRIBERS):
        # A family name of their own for most, so that a search finds some and not a thousand.
        last = family[number // 20 % len(family)] + ("" if number % 4 else f"-{number}")
        name = f"{given[number % len(given)]} {last}"
        person = (
            number,
            name,
            f"1{number:09}",
            f"{family[number % len(family)]} {places[number % len(places)]}",
            f"{given[number % len(given)].lower()}.{number}@clinic{number % 900}.example",
            f"541 555 {number % 10_000:04}",
        )
        people.append(person)
        found = dict.fromkeys(word for text in (*person[1:], "MD") for word in words_of(str(text)))
        words += [(number, word) for word in found]
    database.execute(
        "CREATE TEMP TABLE prescriber (id INTEGER PRIMARY KEY, name, npi, practice, email, phone)"
    )
    database.execute("CREATE TEMP TABLE prescriber_term (id, term, PRIMARY KEY (id, term)) WITHOUT ROWID")
    database.executemany("INSERT INTO prescriber VALUES (?, ?, ?, ?, ?, ?)", people)
    database.executemany("INSERT INTO prescriber_term VALUES (?, ?)", words)
    asked = [(0, word, 0) for word in words_of(QUESTION)]
    asked += [(n, word, many) for word, (each, many) in BESIDE.items() for n in range(each)]
    database.execute("CREATE TEMP TABLE asked_word (n, term, many)")
    database.executemany("INSERT INTO asked_word VALUES (?, ?, ?)", asked)


def make(folder: Path, rows: int = ROWS) -> Path:
    """A portal's folder with a database of that size; what is there already is taken as it is."""
    ready = folder / "filled"
    if not ready.exists():
        live = Live(folder).migrate()
        live.log.close()
        fill(folder / "portal.db", rows)
        ready.touch()
    return folder / "portal.db"


if __name__ == "__main__":
    try:
        print(make(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else ROWS))
    except (subprocess.SubprocessError, IndexError) as why:
        sys.exit(f"python -m bench.sizes FOLDER [ROWS]: {why}")
