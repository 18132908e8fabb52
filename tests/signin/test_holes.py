"""Six holes that sign-in libraries leave open by default, each shown to be closed; where posts race, with threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import db, transaction
from portal.mail.models import Delivery
from portal.people import accounts, credentials, notices
from portal.people.models import RecoveryCode, User
from portal.signin import codes as totp_codes
from portal.signin.forms import WRONG_CODE, WRONG_RECOVERY_CODE
from tests import totp
from tests.conftest import Clock
from tests.pages import Visitor
from tests.signin.conftest import PASSWORD, Person, give_password, is_signed_in, sign_in

AT_ONCE = 8
MakePerson = Callable[..., Person]
NewVisitor = Callable[[], Visitor]


def together(act: Callable[[int], Any], times: int = AT_ONCE) -> list[Any]:
    """Do it in as many threads, all let go at once."""
    gate, results = threading.Barrier(times), [None] * times

    def run(number: int) -> None:
        gate.wait()
        results[number] = act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def half_signed_in(person: Person, new_visitor: NewVisitor, times: int = AT_ONCE) -> list[Visitor]:
    """As many browsers that gave the password."""
    found = []
    for _ in range(times):
        visitor = new_visitor()
        visitor.client.application.extensions["throttle"].clear()
        assert give_password(visitor, person).title == "Enter your code"
        found.append(visitor)
    return found


@pytest.fixture
def codes(app: Flask) -> Callable[[Person], list[str]]:
    """Make recovery codes for somebody."""

    def make(person: Person) -> list[str]:
        with app.app_context(), transaction():
            return credentials.make_recovery_codes(accounts.get(person.id), at=now())

    return make


def race(place: str, visitors: list[Visitor], code: str) -> list[int]:
    """Post one code from all browsers at once; the statuses, sorted."""
    forms = []
    for visitor in visitors:
        page = visitor.open(place)
        forms.append((page.address, {**page.data("Continue")[1], "code": [code]}))
    return sorted(
        together(lambda n: visitors[n].post(forms[n][0], data=forms[n][1]).status_code, len(visitors))
    )


def test_hole_1_one_code_of_the_app_lets_in_one_of_eight(
    make_person: MakePerson, new_visitor: NewVisitor
) -> None:
    person = make_person()
    visitors = half_signed_in(person, new_visitor)

    statuses = race("/staff/tf-validate", visitors, person.code())

    assert statuses == [303] + [422] * 7
    assert sum(is_signed_in(visitor) for visitor in visitors) == 1


def test_hole_1_burning_a_step_succeeds_once_in_eight_threads(app: Flask, make_person: MakePerson) -> None:
    person = make_person()

    def burn(_number: int) -> bool:
        with app.app_context(), transaction():
            return credentials.burn(accounts.get(person.id), 58_000_000)

    assert sorted(together(burn)) == [False] * 7 + [True]


def test_hole_1_a_code_works_once_and_none_before_it_again(
    make_person: MakePerson, new_visitor: NewVisitor, clock: Clock
) -> None:
    person = make_person()
    earlier = person.code()
    used = person.next_code()
    give_password(new_visitor(), person).fill("Code", used).press("Continue", status=303, wait=0)

    page = give_password(new_visitor(), person)
    for code in (used, earlier, f"{used[:3]} {used[3:]}"):
        page = page.fill("Code", code).press("Continue", status=422, wait=0)
        assert page.errors == {"code": WRONG_CODE}
    page.fill("Code", person.next_code()).press("Continue", status=303, wait=0)


@pytest.mark.parametrize(
    ("steps", "status"), [(-3, 422), (-2, 422), (-1, 303), (0, 303), (1, 303), (2, 422), (4, 422)]
)
def test_hole_2_a_code_is_good_one_step_before_and_after(
    steps: int, status: int, make_person: MakePerson, visitor: Visitor, clock: Clock
) -> None:
    person = make_person()
    page = give_password(visitor, person)
    code = totp.code(person.key, clock().timestamp() + steps * totp.STEP)

    page.fill("Code", code).press("Continue", status=status, wait=0)


def test_hole_3_recovery_codes_are_kept_as_hashes(
    app: Flask, make_person: MakePerson, codes: Callable[[Person], list[str]]
) -> None:
    made = codes(make_person())

    with app.app_context():
        rows = db.session.scalars(select(RecoveryCode)).all()
        text = " ".join(f"{row.digest} {row.user_id}" for row in rows)
        assert len(rows) == len(made) == 10
        file = app.config["INSTANCE_DIR"] / "portal.db"
        stored = file.read_bytes() if file.exists() else b""
    for code in made:
        assert code not in text
        assert code.encode() not in stored
        assert code.replace("-", "").encode() not in stored


def test_hole_3_one_recovery_code_lets_in_one_of_eight(
    app: Flask, make_person: MakePerson, new_visitor: NewVisitor, codes: Callable[[Person], list[str]]
) -> None:
    person = make_person()
    made = codes(person)
    visitors = half_signed_in(person, new_visitor)

    statuses = race("/staff/mf-recovery", visitors, made[0])

    assert statuses == [303] + [422] * 7
    assert sum(is_signed_in(visitor) for visitor in visitors) == 1
    with app.app_context():
        assert credentials.recovery_codes_left(accounts.get(person.id)) == 9


def test_hole_3_spending_succeeds_once_in_eight_threads(
    app: Flask, make_person: MakePerson, codes: Callable[[Person], list[str]]
) -> None:
    person = make_person()
    code = codes(person)[3]

    def spend(_number: int) -> bool:
        with app.app_context(), transaction():
            return credentials.spend_recovery_code(accounts.get(person.id), code, at=now())

    assert sorted(together(spend)) == [False] * 7 + [True]


def test_hole_3_a_recovery_code_is_taken_as_people_type_it_and_told_by_mail(
    make_person: MakePerson,
    visitor: Visitor,
    codes: Callable[[Person], list[str]],
    outbox: Callable[[], list[Any]],
) -> None:
    person = make_person()
    code = codes(person)[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    page = give_password(visitor, person).follow("Use a recovery code")

    page = page.fill("Recovery code", "no such code").press("Continue", status=422)
    assert page.errors == {"code": WRONG_RECOVERY_CODE}
    page.fill("Recovery code", code).press("Continue", status=303)

    assert is_signed_in(visitor)
    [mail] = outbox()
    assert mail["To"] == person.email
    assert notices.RECOVERY_CODE_USED in " ".join(mail.get_body(("plain",)).get_content().split())


def test_hole_3_codes_of_somebody_else_open_nothing(
    make_person: MakePerson, visitor: Visitor, codes: Callable[[Person], list[str]]
) -> None:
    hers, his = make_person(), make_person()
    code = codes(hers)[0]

    page = give_password(visitor, his).follow("Use a recovery code")

    page.fill("Recovery code", code).press("Continue", status=422)


def test_hole_4_there_is_no_reset_to_ask(visitor: Visitor, staff_app: Flask) -> None:
    assert not [rule for rule in staff_app.url_map.iter_rules() if "reset" in rule.rule]
    visitor.open("/staff/login").sees("Ask a manager for a new link")


def test_hole_5_a_notice_of_the_library_is_promised_with_its_cause(
    app: Flask, make_person: MakePerson, visitor: Visitor, outbox: Callable[[], list[Any]]
) -> None:
    person = make_person()
    sign_in(visitor, person)
    page = visitor.open("/staff/change").fill("Your password now", PASSWORD)

    page.fill("New password", "otters nap under the pier").press("Change password", status=303)

    with app.app_context():
        row = db.session.scalars(select(Delivery)).one()
        assert (row.body.message, row.cause) == ("people/notice", f"user:{person.id}")
    [mail] = outbox()
    assert notices.PASSWORD_CHANGED in " ".join(mail.get_body(("plain",)).get_content().split())


def test_hole_5_a_mail_that_would_be_lost_raises(app: Flask, make_person: MakePerson) -> None:
    person = make_person()
    with app.app_context():
        user = accounts.get(person.id)
        with pytest.raises(RuntimeError, match="outside `with transaction"):
            notices.notify(user, notices.PASSWORD_CHANGED, at=now())
        db.session.rollback()


def test_hole_6_the_public_face_does_not_have_it(app: Flask, staff_app: Flask) -> None:
    assert "csrf" in staff_app.extensions
    assert "csrf" not in app.extensions
    assert not [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("signin.")]


def test_secrets_stay_readable_when_the_key_changes(
    make_person: MakePerson,
    visitor: Visitor,
    staff_app: Flask,
    user: Callable[[int], User],
    change_settings: Callable[..., None],
) -> None:
    """A new SECRET_KEY with the old one as fallback: the code is taken, and the secret is sealed anew."""
    person = make_person()
    before = user(person.id).totp_secret
    new, old = "another-key-entirely-0123456789", staff_app.extensions["settings"].SECRET_KEY
    change_settings(SECRET_KEY=new, SECRET_KEY_FALLBACKS=(old,))

    sign_in(visitor, person)

    after = user(person.id).totp_secret
    assert after != before
    change_settings(SECRET_KEY=new, SECRET_KEY_FALLBACKS=())
    with staff_app.app_context():
        assert totp_codes.key(after) == person.key


def test_a_secret_that_cannot_be_unsealed_is_a_wrong_code_and_no_fault_page(
    make_person: MakePerson, visitor: Visitor, change: Callable[..., None]
) -> None:
    person = make_person()
    sealed = '{"enckey":{"c":14,"k":"MFRGG","s":"MFRGG","t":"gone","v":1},"type":"totp","v":1}'
    change(person.id, totp_secret=sealed)

    give_password(visitor, person).fill("Code", "123456").press("Continue", status=422)
