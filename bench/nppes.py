"""Files of the shape of the NPPES data file, version 2, with made-up people: 330 columns, quoting, widths, blanks.

About 3.5 % of the rows are withdrawn numbers, 20 % organisations, the rest persons; a fifth are several kinds of
provider, and numbers come in no order. A row has about 1,200 bytes, zipped about 110, as the real file has.

`python -m bench.nppes ROWS FILE` writes one. The people of the demo come first, so that what `flask seed` makes meets
each verdict.
"""

from __future__ import annotations

import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from portal.npi.facts import FACTS

PLACES = ("Mailing", "Practice Location")
PLACE = (
    "City Name",
    "State Name",
    "Postal Code",
    "Country Code (If outside U.S.)",
    "Telephone Number",
    "Fax Number",
)
NAME = ("Last Name", "First Name", "Middle Name", "Name Prefix Text", "Name Suffix Text", "Credential Text")
OFFICIAL = "Authorized Official"
KIND = ("Healthcare Provider Taxonomy Code", "Provider License Number", "Provider License Number State Code")
OTHER = ("Identifier", "Identifier Type Code", "Identifier State", "Identifier Issuer")
COLUMNS = (
    *("NPI", "Entity Type Code", "Replacement NPI", "Employer Identification Number (EIN)"),
    *("Provider Organization Name (Legal Business Name)", "Provider Last Name (Legal Name)"),
    *(f"Provider {part}" for part in NAME[1:]),
    *("Provider Other Organization Name", "Provider Other Organization Name Type Code"),
    *(f"Provider Other {part}" for part in (*NAME, "Last Name Type Code")),
    *(
        name
        for place in PLACES
        for name in (
            f"Provider First Line Business {place} Address",
            f"Provider Second Line Business {place} Address",
            *(f"Provider Business {place} Address {part}" for part in PLACE),
        )
    ),
    *("Provider Enumeration Date", "Last Update Date", "NPI Deactivation Reason Code"),
    *("NPI Deactivation Date", "NPI Reactivation Date", "Provider Sex Code"),
    *(f"{OFFICIAL} {part}" for part in (*NAME[:3], "Title or Position", "Telephone Number")),
    *(f"{part}_{n}" for n in range(1, 16) for part in (*KIND, "Healthcare Provider Primary Taxonomy Switch")),
    *(f"Other Provider {part}_{n}" for n in range(1, 51) for part in OTHER),
    *("Is Sole Proprietor", "Is Organization Subpart", "Parent Organization LBN", "Parent Organization TIN"),
    *(f"{OFFICIAL} {part}" for part in NAME[3:]),
    *(f"Healthcare Provider Taxonomy Group_{n}" for n in range(1, 16)),
    "Certification Date",
)
AT = {name: n for n, name in enumerate(COLUMNS)}
LAST = (
    "SMITH",
    "JOHNSON",
    "GARCIA",
    "NGUYEN",
    "O'BRIEN",
    "MARTINEZ-LOPEZ",
    "LEE",
    "PATEL",
    "KIM",
    "WILLIAMS",
    "HAN",
)
FIRST = ["JENNIFER", "MICHAEL", "MARIA", "DAVID", "JOSE", "LINH", "PRIYA", "JOHN", "MARY", "ANNE"]
CODES = (
    *("207Q00000X", "363LF0000X", "363A00000X", "1041C0700X", "163W00000X", "225100000X"),
    *("106S00000X", "122300000X", "208D00000X", "101YM0800X"),
)
STATES = ["CA", "TX", "NY", "FL", "PA", "IL", "OH", "MI", "NC", "GA"]
CITIES = ("SAN RAMON", "HOUSTON", "NEW YORK", "MIAMI BEACH")
WITHDRAWN, ORGANISATION, PERSON = 0.035, 0.24, 1.0  # up to which part of all
INSIDE = "npidata_pfile_20050523-20261108.csv"
STEP, SPAN = 556_230_591, 899_999_999  # in no order, and each number of the span comes once


def npi(row: int) -> str:
    """The number of that row; nobody checks its last digit here."""
    return str(1_000_000_000 + (row * STEP + 7) % SPAN)


def write(path: Path, rows: int, *, only: float | None = None) -> Path:
    """A zip as CMS publishes it, the same for the same number of rows; all ORGANISATION or PERSON, if need be.

    The people of the demo are not counted.
    """
    chance = random.Random(1)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(INSIDE, "w", force_zip64=True) as file,
    ):
        for block in _blocks(rows, chance, only):
            file.write(block.encode())
    return path


def _blocks(rows: int, chance: random.Random, only: float | None) -> Iterator[str]:
    people = {} if only else _people()
    block = [_line(list(COLUMNS)), *map(_line, people.values())]
    for row in filter(lambda row: npi(row) not in people, range(rows)):
        cells = [""] * len(COLUMNS)
        cells[0] = npi(row)
        share = only or chance.random()
        if share < WITHDRAWN:
            cells[AT["NPI Deactivation Date"]] = _day(chance)
        else:
            _provider(cells, chance, is_organisation=share <= ORGANISATION)
        block.append(_line(cells))
        if len(block) == 2000:
            yield "".join(block)
            block.clear()
    yield "".join(block)


def _people() -> dict[str, list[str]]:
    from portal import demo  # which loads the database's models: not for whoever wants numbers only

    facts = {demo.npi(who): dict(zip(FACTS[1:], said, strict=False)) for who, said in demo.REGISTERED.items()}
    return {number: [number, *(said.get(name, "") for name in COLUMNS[1:])] for number, said in facts.items()}


def _line(cells: list[str]) -> str:
    return '"' + '","'.join(cells) + '"\n'


def _day(chance: random.Random) -> str:
    return f"{chance.randint(1, 12):02}/{chance.randint(1, 28):02}/{chance.randint(2006, 2026)}"


def _phone(chance: random.Random) -> str:
    return str(chance.randint(2_000_000_000, 9_999_999_999))


def _provider(cells: list[str], chance: random.Random, *, is_organisation: bool) -> None:
    def put(name: str, value: str) -> None:
        cells[AT[name]] = value

    put("Provider Enumeration Date", _day(chance))
    put("Last Update Date", _day(chance))
    for place in PLACES:
        where = f"Provider Business {place} Address "
        street = f"{chance.randint(1, 9999)} {chance.choice(LAST)} ST, SUITE {chance.randint(1, 900)}"
        put(f"Provider First Line Business {place} Address", street)
        put(f"{where}City Name", chance.choice(CITIES))
        put(f"{where}State Name", chance.choice(STATES))
        put(f"{where}Postal Code", str(chance.randint(100_000_000, 999_999_999)))
        put(f"{where}Country Code (If outside U.S.)", "US")
        put(f"{where}Telephone Number", _phone(chance))
        put(f"{where}Fax Number", _phone(chance) if chance.random() < 0.5 else "")
    if is_organisation:
        put("Entity Type Code", "2")
        put("Employer Identification Number (EIN)", "<UNAVAIL>")
        what = chance.choice(("MEDICAL GROUP, INC", "HOME HEALTH LLC", "DENTAL PC", "PHARMACY #1"))
        put("Provider Organization Name (Legal Business Name)", f"{chance.choice(LAST)} {what}")
        put(f"{OFFICIAL} Last Name", chance.choice(LAST))
        put(f"{OFFICIAL} First Name", chance.choice(FIRST))
        put(f"{OFFICIAL} Title or Position", "OWNER")
        put("Is Organization Subpart", "N")
    else:
        put("Entity Type Code", "1")
        put("Provider Last Name (Legal Name)", chance.choice(LAST) + chance.choice(("", "ER", "SON", "MAN")))
        put("Provider First Name", chance.choice(FIRST))
        put("Provider Middle Name", chance.choice("ABCDEFGH") if chance.random() < 0.6 else "")
        put("Provider Credential Text", chance.choice(("M.D.", "MD", "N.P.", "PA-C", "LCSW", "RN", "")))
        put("Provider Other Last Name", chance.choice(LAST) if chance.random() < 0.07 else "")
        put("Provider Sex Code", chance.choice("MF"))
        put("Is Sole Proprietor", chance.choice("NNYX"))
    for n in range(1, 2 if chance.random() < 0.78 else chance.randint(3, 5)):
        put(f"Healthcare Provider Taxonomy Code_{n}", chance.choice(CODES))
        put(f"Healthcare Provider Primary Taxonomy Switch_{n}", "Y" if n == 1 else "N")
        if chance.random() < 0.7:
            put(f"Provider License Number_{n}", str(chance.randint(1000, 999_999)))
            put(f"Provider License Number State Code_{n}", chance.choice(STATES))
    for n in range(1, chance.randint(1, 5) if chance.random() < 0.15 else 1):
        put(f"Other Provider Identifier_{n}", str(chance.randint(1_000_000, 999_999_999)))
        put(f"Other Provider Identifier Type Code_{n}", "05")
    put("Certification Date", _day(chance) if chance.random() < 0.5 else "")


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1].replace("_", "")))
