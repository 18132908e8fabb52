"""Every page of the portal in every state that people meet: one list, for the tests and for the pictures.

A scene brings a browser to one page in one state. `tests/journeys/test_scenes.py` looks at each at two widths, in
light and in dark; it fails for an address that shows a page and has no scene. `pictures` is the name under which
`make screenshots` keeps it in `screenshots/`; "dark" and "print" ask for those too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage

from PIL import Image, ImageDraw
from sqlalchemy import delete, select

from portal import addresses, clock
from portal.db import db, transaction
from portal.demo import DIEGO
from portal.desk import perform
from portal.desk.acts import ANSWER, CLAIM, Act
from portal.desk.contact import CALL_ANSWERED
from portal.desk.joining import DUPLICATE
from portal.editions import archive
from portal.editions import pictures as edition_pictures
from portal.editions import service as editions
from portal.editions.models import Edition
from portal.intake.models import Message, Request, Status
from portal.jobs import JobRow
from portal.mail import lanes
from portal.mail.models import Delivery, State
from portal.newsletter import letters, subscriptions
from portal.newsletter.models import Language, Means
from portal.newsletter.models import State as SubscriberState
from portal.people import accounts, invitations, passkeys
from portal.people.models import User
from portal.seals.models import AuditCheck
from tests.stage import PASSWORD, Stage, leave_by

QUESTION = (
    "An adult in my practice takes tramadol as needed and wants to start at 1.5 mg. How long an opioid-free interval "
    "do you advise, and would you start lower?"
)
PATIENT = "My patient Jane Roe, born 3/14/1961, takes levothyroxine. Would you start at 0.5 mg?"
ANA = {"name": "Ana Ruiz", "email": "ana.ruiz@clinic.example", "npi": "123-456-7893"}
READER = "rosa@mail.example"
EDITION_TEXT = """## Opening hours

From December we are open until **8 pm** on Thursdays. See [our opening hours](https://pharmacy.example/hours).

* Monday to Friday: 9 am to 6 pm
* Thursday: 9 am to 8 pm

## Before the holidays

1. Order early: the last day before the holidays is December 21.
2. Ask for a bottle for your travel bag.

> We are closed on December 25.

    A line that stands as it was typed, however long that makes it: San-Ramon-Valley-Boulevard-by-the-iron-horse-trail
"""
EDITION_TEXT_ES = """## Horario

Desde diciembre abrimos los jueves hasta las **8 p. m.** Vea [nuestro horario](https://pharmacy.example/hours).

* De lunes a viernes: de 9 a. m. a 6 p. m.
* Jueves: de 9 a. m. a 8 p. m.
"""
NOBODY = "no-such-token-but-long-enough-to-be-one-0000"


@dataclass(frozen=True)
class Scene:
    """One page in one state."""

    name: str
    endpoint: str
    act: Callable[[Stage], object]
    status: int = 200
    lang: str = "en"
    pictures: tuple[str, ...] = ()

    @property
    def is_staff(self) -> bool:
        """Whether it belongs to the staff face, whose controls may be smaller."""
        return self.name.startswith("staff")


SCENES: list[Scene] = []


def scene(
    name: str, endpoint: str, *, status: int = 200, lang: str = "en", pictures: str = ""
) -> Callable[[Callable[[Stage], object]], Callable[[Stage], object]]:
    """Put what follows on the list."""

    def add(act: Callable[[Stage], object]) -> Callable[[Stage], object]:
        SCENES.append(Scene(name, endpoint, act, status, lang, tuple(pictures.split())))
        return act

    return add


def plain(name: str, endpoint: str, path: str, *, lang: str = "en", pictures: str = "") -> None:
    """A page that one only has to open."""
    scene(name, endpoint, lang=lang, pictures=pictures)(lambda stage: stage.as_professional().open(path))


def texts(stage_paths: dict[str, str]) -> None:
    """Pages that are nothing but a text."""
    for path, pictures in stage_paths.items():
        lang = "es" if path.startswith("/es/") else "en"
        plain(f"text {path}", "resource.article", path, lang=lang, pictures=pictures)


# ---- Reading

plain("home", "site.home", "/", pictures="home dark print")
scene("gate", "resource.article", pictures="gate")(lambda stage: stage.open("/prescribers"))
texts(
    {
        "/prescribers": "resource dark print",
        "/prescribers/evidence": "evidence dark print",
        "/prescribers/dosing": "dosing dark print",
        "/prescribers/safety": "safety dark print",
        "/prescribers/compounding": "compounding dark print",
        "/prescribers/faq": "questions dark print",
        "/prescribers/references": "",
        "/patients": "patients dark print",
        "/patients/faq": "",
        "/es/pacientes": "patients-es dark print",
        "/es/pacientes/preguntas": "",
        "/links": "links dark print",
        "/privacy": "",
        "/accessibility": "",
        "/legal": "",
        "/es/privacidad": "",
        "/es/accesibilidad": "",
        "/es/aviso-legal": "",
        "/how-we-work": "how dark",
        "/es/como-trabajamos": "",
    }
)
plain(
    "evidence of one condition",
    "resource.article",
    "/prescribers/evidence?condition=fibromyalgia",
    pictures="condition dark print",
)
plain("evidence of no condition", "resource.article", "/prescribers/evidence?condition=none")
plain("summary", "resource.summary", "/prescribers/summary", pictures="summary dark print")
plain("dose plan", "resource.dose_plan", "/prescribers/dose-plan", pictures="dose-plan dark")


@scene("dose plan with a fault", "resource.dose_plan", status=422)
def _(stage: Stage) -> None:
    stage.as_professional().open("/prescribers/dose-plan").fill(start="tomorrow").press("Make the plan")


@scene("dose plan made", "resource.dose_plan", pictures="plan dark print")
def _(stage: Stage) -> None:
    stage.as_professional().open("/prescribers/dose-plan")
    stage.tick("schedule=weekly-to-4-5", "language=en").press("Make the plan")


@scene("dose plan made in Spanish", "resource.dose_plan", lang="es", pictures="plan-es print")
def _(stage: Stage) -> None:
    stage.as_professional().open("/prescribers/dose-plan")
    stage.tick("schedule=slow-to-3", "language=es").press("Make the plan")


plain("search", "resource.find", "/search?q=opioids", pictures="search")
plain("search that finds nothing", "resource.find", "/search?q=unicorn")
plain("search in Spanish", "resource.search_in_spanish", "/es/buscar?q=cirugia", lang="es")
plain(
    "search for prescribers",
    "resource.find_for_professionals",
    "/prescribers/search?q=days+before+surgery",
    pictures="finds dark",
)
plain("evidence by size", "resource.article", "/prescribers/evidence?sort=n", pictures="by-size")
plain("prescription", "resource.prescription", "/prescribers/prescription", pictures="prescription dark")


@scene("prescription with a fault", "resource.prescription", status=422)
def _(stage: Stage) -> None:
    stage.as_professional().open("/prescribers/prescription").tick("schedule=own")
    stage.fill(dose_1="1.5", days_1="14", dose_2="1").press("Write the prescription")


@scene("prescription written", "resource.prescription", pictures="rx dark print")
def _(stage: Stage) -> None:
    stage.as_professional().open("/prescribers/prescription")
    stage.tick("schedule=weekly-to-4-5", "product=liquid-1").press("Write the prescription")


scene("not found", "errors", status=404)(lambda stage: stage.open("/no-such-page"))
scene("not found in Spanish", "errors", status=404, lang="es")(lambda stage: stage.open("/es/nada"))
scene("not found under staff", "errors", status=404)(lambda stage: stage.as_staff("Ada").open("/staff/none"))


# ---- Asking

plain("consultation", "intake.consultation", "/requests/consultation", pictures="consultation dark")
plain("materials", "intake.resources", "/requests/resources", pictures="materials")


def consultation(stage: Stage, question: str = QUESTION) -> Stage:
    """Fill the form in, and go on to the answers."""
    stage.open("/requests/consultation").tick("topics=interactions", "contact_method=email")
    return stage.fill(question=question, practice="Diablo Family Practice", **ANA).press("Continue")


@scene("consultation with faults", "intake.consultation", status=422, pictures="consultation-errors")
def _(stage: Stage) -> None:
    stage.open("/requests/consultation").fill(npi="1234567890", email="ana.ruiz@clinic").press("Continue")


@scene("consultation whose token was lost", "intake.consultation", status=400)
def _(stage: Stage) -> None:
    stage.open("/requests/consultation").fill(question=QUESTION, **ANA)
    stage.context.clear_cookies()
    stage.press("Continue")


@scene("consultation that may name a patient", "intake.consultation", status=422, pictures="patient-data")
def _(stage: Stage) -> None:
    consultation(stage, PATIENT)


@scene("check your answers", "intake.consultation", pictures="check")
def _(stage: Stage) -> None:
    consultation(stage)


@scene("consultation sent before, with other words", "intake.consultation", status=409)
def _(stage: Stage) -> None:
    consultation(stage)
    other = stage.page.content().replace("would you start lower?", "may it be sooner?")
    stage.press("Send my question")
    token = re.search(r'name="form_token"[^>]*value="([^"]+)"', other)
    assert token
    stage.open("/requests/consultation")
    stage.page.locator("input[name=form_token]").first.evaluate("(e, value) => e.value = value", token[1])
    stage.tick("topics=dosing", "contact_method=email").fill(question="May it be sooner?", **ANA)
    stage.press("Continue")


@scene("consultation too often", "intake.consultation", status=429)
def _(stage: Stage) -> None:
    stage.open("/requests/consultation").tick("topics=interactions", "contact_method=email")
    stage.fill(question=QUESTION, **ANA).press("Continue")
    use_up(stage, "request")
    stage.press("Send my question")


@scene("consultation while nothing can be saved", "intake.consultation", status=503)
def _(stage: Stage) -> None:
    consultation(stage)
    stage.house.lock()
    stage.press("Send my question")


@scene("receipt of a consultation", "intake.receipt", pictures="receipt dark print")
def _(stage: Stage) -> None:
    consultation(stage).press("Send my question")


@scene("receipt that was answered", "intake.receipt")
def _(stage: Stage) -> None:
    consultation(stage).press("Send my question")
    receipt = stage.page.url
    with stage.house.app.app_context():
        reference = db.session.scalars(select(Request.reference).order_by(Request.id.desc())).first()
    ada = Stage(stage.house, stage.browser).as_staff("Ada")
    ada.open(f"/staff/requests/{reference}").press("Claim")
    ada.fill(**{"answer-text": "At least 7 to 10 days. The label says so."}).press("Send answer and close")
    ada.close()
    stage.open(receipt)


@scene("materials with faults", "intake.resources", status=422)
def _(stage: Stage) -> None:
    stage.open("/requests/resources").press("Continue")


@scene("materials checked", "intake.resources")
def _(stage: Stage) -> None:
    stage.open("/requests/resources").tick("items=prescriber-guide", "delivery=email").fill(**ANA)
    stage.press("Continue")


@scene("receipt of materials", "intake.receipt")
def _(stage: Stage) -> None:
    stage.open("/requests/resources").tick("items=prescriber-guide", "delivery=email").fill(**ANA)
    stage.press("Continue").press("Send my request")


ANSWERED = {"text": "At least 7 to 10 days. The label says so."}


def ask(stage: Stage) -> tuple[str, str]:
    """A question, sent: its reference, and the address of its page."""
    consultation(stage).press("Send my question")
    with stage.house.app.app_context():
        reference = db.session.scalars(select(Request.reference).order_by(Request.id.desc())).first()
    assert reference
    return reference, stage.page.url


def do(stage: Stage, act: Act, reference: str, **given: object) -> None:
    """What Ada does with a request, and five minutes more."""
    with stage.house.app.app_context(), transaction():
        asked = perform.get(reference)
        ada = db.session.scalars(select(User).where(User.name.startswith("Ada"))).one()
        token = f"scene-{act.word}"
        perform.perform(
            act, asked, by=ada, at=stage.house.at, **{"form_token": token, "version": asked.version} | given
        )
    stage.wait(minutes=5)


def unlocked(stage: Stage) -> Stage:
    """A question that was claimed, answered and added to, opened with the code from the mail."""
    reference, receipt = ask(stage)
    do(stage, CLAIM, reference)
    do(stage, ANSWER, reference, **ANSWERED)
    return enter(stage, receipt)


def enter(stage: Stage, receipt: str) -> Stage:
    """With the code from the mail, to what was said."""
    stage.open(f"{receipt}/code").press("Send me a code")
    code = re.search(r"\d{4} \d{4}", str(stage.house.mails()[-1]["Subject"]))
    assert code
    return stage.fill(code=code[0]).press("Show my request")


@scene("receipt, a code asked for", "asker.code", pictures="code dark")
def _(stage: Stage) -> None:
    consultation(stage).press("Send my question")
    stage.open(f"{stage.page.url}/code")


@scene("receipt, no code entered, words kept", "asker.do", status=403)
def _(stage: Stage) -> None:
    unlocked(stage)
    stage.fill(text="And in pregnancy?")
    stage.context.clear_cookies(name="reading")
    stage.press("Ask again")


@scene("receipt, the code with a fault", "asker.enter", status=422)
def _(stage: Stage) -> None:
    consultation(stage).press("Send my question")
    stage.open(f"{stage.page.url}/code").press("Send me a code").fill(code="0000 0000").press(
        "Show my request"
    )


@scene("receipt, read with the code", "asker.read", pictures="read dark print")
def _(stage: Stage) -> None:
    unlocked(stage)


@scene("receipt, asked again", "asker.read")
def _(stage: Stage) -> None:
    unlocked(stage).fill(text="And in pregnancy?").press("Ask again")


def closed_long_ago(stage: Stage) -> Stage:
    """A question, opened with its code, that was joined to one of theirs which was closed more than 90 days ago."""
    old, _ = ask(stage)
    reference, receipt = ask(stage)
    do(stage, DUPLICATE, reference, target=old)
    then = stage.house.at - timedelta(days=120)
    with stage.house.app.app_context(), transaction():
        asked = perform.get(old)
        asked.received_at = asked.changed_at = then
        asked.status, asked.answered_at, asked.closed_at = Status.CLOSED, then, then + timedelta(days=7)
    return enter(stage, receipt)


def asked_anew(stage: Stage) -> Stage:
    """What was asked again after that: a new request, opened with a code of its own."""
    closed_long_ago(stage).fill(text="And in pregnancy?").press("Ask again")
    return enter(stage, stage.page.url)


scene("receipt, closed more than 90 days ago", "asker.read")(closed_long_ago)
scene("receipt, asked again after 90 days", "asker.read")(asked_anew)


def joined_to_anothers(stage: Stage, *acts: tuple[Act, dict[str, object]]) -> tuple[str, str]:
    """A question that was joined to a colleague's, with which something was done: that one's reference, and the
    address of this one's page."""
    with stage.house.app.app_context():
        query = select(Request.reference).filter_by(
            kind="consultation", status=Status.NEW, name="Noor Rahman"
        )
        other = db.session.scalars(query).one()
    reference, receipt = ask(stage)
    do(stage, DUPLICATE, reference, target=other)
    do(stage, CLAIM, other)
    for act, given in acts:
        do(stage, act, other, **given)
    return other, receipt


BY_PHONE = (
    CALL_ANSWERED,
    {"reason": "reached", "number": "(925) 555-0142", "text": "Told her: 7 to 10 days."},
)


@scene("receipt, a colleague's was answered by phone", "intake.receipt")
def _(stage: Stage) -> None:
    stage.open(joined_to_anothers(stage, BY_PHONE)[1])


@scene("receipt, read where a colleague's was answered by phone", "asker.read")
def _(stage: Stage) -> None:
    enter(stage, joined_to_anothers(stage, BY_PHONE)[1])


@scene("receipt, added to, may name a patient", "asker.do", status=422)
def _(stage: Stage) -> None:
    unlocked(stage).fill(text=PATIENT).press("Ask again")


scene("receipt of nobody", "intake.receipt", status=404)(lambda stage: stage.open(f"/r/{NOBODY}"))


# ---- Newsletter

plain("sign-up", "newsletter.signup", "/newsletter", pictures="newsletter dark")
plain("sign-up in Spanish", "newsletter.signup", "/es/boletin", lang="es", pictures="newsletter-es")
plain("check your mail", "newsletter.check_email", "/newsletter/check-email")
plain("check your mail in Spanish", "newsletter.check_email", "/newsletter/check-email?lang=es", lang="es")
plain("confirmed", "newsletter.confirmed", "/newsletter/confirmed")
plain("blocked", "newsletter.blocked", "/newsletter/blocked")
plain("left", "newsletter.left", "/newsletter/left")
plain("erased", "newsletter.erased", "/newsletter/erased")
plain("editions, none yet", "archive.editions", "/newsletter/editions")
plain("editions in Spanish, none yet", "archive.editions", "/es/boletin/ediciones", lang="es")
plain("confirm link of nobody", "newsletter.confirm", f"/newsletter/confirm/{NOBODY}")
plain("stop without a link", "newsletter.leave", "/newsletter/unsubscribe")
plain("stop without a link, asked", "newsletter.leave_asked", "/newsletter/leave-asked")


@scene("preferences of nobody", "newsletter.preferences", status=404)
def _(stage: Stage) -> None:
    stage.open(f"/newsletter/preferences/{NOBODY}")


@scene("sign-up with faults", "newsletter.signup", status=422)
def _(stage: Stage) -> None:
    stage.open("/newsletter").fill(email="rosa").press("Sign up")


@scene("sign-up with faults in Spanish", "newsletter.signup", status=422, lang="es")
def _(stage: Stage) -> None:
    stage.open("/es/boletin").press("Inscribirme")


@scene("sign-up once more", "newsletter.signup", status=422, pictures="newsletter-once-more")
def _(stage: Stage) -> None:
    stage.open("/newsletter").fill(email="rosa@gmial.com", office_code="x").press("Sign up")


@scene("sign-up once more in Spanish", "newsletter.signup", status=422, lang="es")
def _(stage: Stage) -> None:
    stage.open("/es/boletin").fill(email="rosa@gmail.con").press("Inscribirme")


@scene("unsubscribe link that lost a part", "newsletter.unsubscribe", status=404)
def _(stage: Stage) -> None:
    stage.open("/newsletter/unsubscribe/AbCdEf")


@scene("sign-up from another site", "newsletter_embed.embed")
def _(stage: Stage) -> None:
    stage.open("about:blank").page.set_content(
        f'<form method="post" action="{stage.house.base}/newsletter/embed"><input name="email" value="{READER}">'
        "<button>Go</button></form>"
    )
    with stage.page.expect_navigation():
        stage.page.get_by_role("button").click()


@scene("sign-up too often", "newsletter.signup", status=429)
def _(stage: Stage) -> None:
    stage.open("/newsletter").fill(email=READER)
    use_up(stage, "signup")
    stage.press("Sign up")


@scene("confirm", "newsletter.confirm", pictures="newsletter-confirm")
def _(stage: Stage) -> None:
    stage.open("/newsletter").fill(email=READER).press("Sign up")
    stage.open(link_in(stage.house.mails()[-1], "/newsletter/confirm/"))


@scene("confirm in Spanish", "newsletter.confirm", lang="es")
def _(stage: Stage) -> None:
    stage.open("/es/boletin").fill(email=READER).press("Inscribirme")
    stage.open(link_in(stage.house.mails()[-1], "/newsletter/confirm/"))


def reader(
    stage: Stage, state: SubscriberState = SubscriberState.ACTIVE, lang: str = "en"
) -> tuple[str, str]:
    """Somebody on the list, or who was: where they choose, and where they leave."""
    at = stage.house.at
    with stage.house.app.app_context(), transaction():
        found = subscriptions.enrol(READER, Language(lang), at=at, state=SubscriberState.ACTIVE)
        found.confirmed_at = at
        subscriptions.set_topics(found, ["news"], network="198.51.100.0/24", at=at)
        if state == SubscriberState.PAUSED:
            subscriptions.pause(found, 30, network="198.51.100.0/24", at=at)
        elif state == SubscriberState.UNSUBSCRIBED:
            subscriptions.leave(found, means=Means.PAGE, network="198.51.100.0/24", at=at)
        return letters.preferences_path(found), letters.leave_path(found)


def preferences(stage: Stage, state: SubscriberState = SubscriberState.ACTIVE, lang: str = "en") -> Stage:
    """The page of somebody's choices."""
    return stage.open(reader(stage, state, lang)[0])


scene("preferences", "newsletter.preferences", pictures="preferences")(preferences)
scene("preferences in Spanish", "newsletter.preferences", lang="es")(
    lambda stage: preferences(stage, lang="es")
)
scene("preferences while paused", "newsletter.preferences")(
    lambda stage: preferences(stage, state=SubscriberState.PAUSED)
)
scene("preferences saved", "newsletter.preferences")(
    lambda stage: preferences(stage).press("Save my choices")
)
scene("preferences after leaving", "newsletter.preferences")(
    lambda stage: preferences(stage, state=SubscriberState.UNSUBSCRIBED)
)
scene("record", "newsletter.record")(lambda stage: preferences(stage).follow("See your record"))
scene("unsubscribe", "newsletter.unsubscribe")(lambda stage: stage.open(reader(stage)[1]))


@scene("erase", "newsletter.erase")
def _(stage: Stage) -> None:
    preferences(stage).press("Delete everything you hold about me")
    stage.open(link_in(stage.house.mails()[-1], "/newsletter/erase/"))


# ---- Staff: signing in

scene("staff sign-in", "signin.login", pictures="sign-in")(lambda stage: stage.open("/staff/login"))
scene("staff sign-in, signed out", "signin.login")(lambda stage: stage.open("/staff/login?done=signed-out"))


@scene("staff sign-in refused", "signin.login", status=422)
def _(stage: Stage) -> None:
    stage.open("/staff/login").fill(email="ada@pharmacy.example", password="wrong").press("Sign in")


def give_password(stage: Stage, name: str = "ada") -> Stage:
    """The first step of signing in."""
    stage.open("/staff/login").fill(email=f"{name}@pharmacy.example", password=PASSWORD)
    return stage.press("Sign in")


scene("staff code", "signin.code")(give_password)
scene("staff passkey asked for", "signin.passkey")(
    lambda stage: stage.open("/staff/login").press("Sign in with a passkey")
)
scene("staff passkey named", "signin.new_passkey")(
    lambda stage: stage.as_staff("Ada").open("/staff/account/passkey")
)
scene("staff passkey without a name", "signin.new_passkey", status=422)(
    lambda stage: stage.as_staff("Ada").open("/staff/account/passkey").press("Continue")
)
scene("staff passkey made", "signin.add_passkey")(
    lambda stage: stage.as_staff("Ada").open("/staff/account/passkey").fill(name="My phone").press("Continue")
)


@scene("staff code refused", "signin.code", status=422)
def _(stage: Stage) -> None:
    give_password(stage).fill(code="123123").press("Continue")


@scene("staff recovery code", "signin.recovery")
def _(stage: Stage) -> None:
    give_password(stage).open("/staff/mf-recovery")


def invited(stage: Stage) -> str:
    """The link of somebody who is to join."""
    with stage.house.staff.app_context(), transaction():
        token = invitations.invite(
            email="lou@pharmacy.example", roles=("desk",), name="Lou Chen", by=None, at=clock.now()
        )
    return f"/staff/invite/{token}"


scene("staff invitation", "signin.invite")(lambda stage: stage.open(invited(stage)))
scene("staff invitation refused", "signin.invite", status=422)(
    lambda stage: stage.open(invited(stage)).fill(password="password").press("Set password")
)


@scene("staff invitation too old", "signin.invite", status=410)
def _(stage: Stage) -> None:
    path = invited(stage)
    stage.wait(days=30).open(path)


def joined(stage: Stage) -> Stage:
    """Past the password for the first time."""
    stage.open(invited(stage)).fill(password=PASSWORD).press("Set password")
    return give_password(stage, "lou")


scene("staff must set up an app", "signin.setup")(joined)
scene("staff authenticator", "signin.authenticator")(lambda stage: joined(stage).press("Continue"))
scene("staff recovery codes", "signin.recovery_codes")(
    lambda stage: stage.as_staff("Ada").open("/staff/mf-recovery-codes")
)
scene("staff recovery codes made", "signin.recovery_codes")(
    lambda stage: stage.as_staff("Ada").open("/staff/mf-recovery-codes").press("Make recovery codes")
)
scene("staff password again", "signin.verify")(
    lambda stage: stage.as_staff("Ada", password_at=0).open("/staff/verify")
)
scene("staff new password", "signin.change_password")(
    lambda stage: stage.as_staff("Ada").open("/staff/change")
)
scene("staff account", "account.account")(lambda stage: stage.as_staff("Ada").open("/staff/account"))
scene("staff account, password changed", "account.account")(
    lambda stage: stage.as_staff("Ada").open("/staff/account?done=password")
)


@scene("staff account, with passkeys", "account.account")
def _(stage: Stage) -> None:
    with stage.house.staff.app_context(), transaction():
        ada = accounts.get_by_email("ada@pharmacy.example")
        for name in ("Work laptop", "Key on my ring"):
            passkeys.add(
                ada,
                name=name,
                credential_id=name.replace(" ", ""),
                public_key=b"",
                sign_count=0,
                at=clock.now(),
            )
    stage.as_staff("Ada").open("/staff/account?done=passkey-added")


@scene("staff session over", "case.do", status=401)
def _(stage: Stage) -> None:
    open_request(stage, "Ada", status=Status.IN_PROGRESS).fill(**{"note-text": "They prefer to be called."})
    stage.wait(hours=13).press("Save note")


# ---- Staff: the queue


def queue(stage: Stage, name: str = "Ada", query: str = "") -> Stage:
    """The list of requests."""
    return stage.as_staff(name).open(f"/staff/requests{query}")


scene("staff queue", "queue.requests", pictures="queue dark")(queue)
scene("staff queue of the desk", "queue.requests")(lambda stage: queue(stage, "Dee"))
scene("staff queue, nothing found", "queue.requests")(lambda stage: queue(stage, query="?q=nobody"))
scene("staff queue, one found", "queue.requests")(
    lambda stage: queue(stage, query="?q=Natarajan&status=all&sort=-received_at")
)
scene("staff queue, found by what was written", "queue.requests")(lambda stage: queue(stage, query="?q=dose"))
scene("staff queue, not understood", "queue.requests")(
    lambda stage: queue(stage, query="?status=lost&kind=resource")
)


@scene("staff queue, nothing yet", "queue.requests")
def _(stage: Stage) -> None:
    stage.as_staff("Ada")
    with stage.house.app.app_context(), transaction():
        db.session.execute(delete(Message))
        db.session.execute(delete(Request))
    stage.open("/staff/requests")


@scene("staff queue, all done", "queue.requests")
def _(stage: Stage) -> None:
    stage.as_staff("Ada")
    with stage.house.app.app_context(), transaction():
        for asked in db.session.scalars(select(Request).where(Request.status.in_(("new", "in_progress")))):
            asked.status = Status.ANSWERED
            asked.answered_at = asked.received_at
            asked.owner_id = asked.owner_id or 2
    stage.open("/staff/requests")


# ---- Staff: one request


def open_request(stage: Stage, staff: str, **having: object) -> Stage:
    """The first request that is so."""
    stage.as_staff(staff)
    query = select(Request.reference).filter_by(**having).order_by(Request.answer_by)
    with stage.house.app.app_context():
        reference = db.session.scalars(query).first()
    assert reference, having
    return stage.open(f"/staff/requests/{reference}")


CONSULTATION = {"kind": "consultation"}
scene("staff request, new", "case.show")(
    lambda stage: open_request(stage, "Ada", **CONSULTATION, status=Status.NEW)
)
scene("staff request, mine", "case.show", pictures="request dark")(
    lambda stage: open_request(stage, "Ada", **CONSULTATION, status=Status.IN_PROGRESS)
)
scene("staff request of somebody else", "case.show")(
    lambda stage: open_request(stage, "Grace", **CONSULTATION, status=Status.IN_PROGRESS)
)
scene("staff request that the desk may not read", "case.show")(
    lambda stage: open_request(stage, "Dee", **CONSULTATION, status=Status.NEW)
)
scene("staff request for materials", "case.show")(
    lambda stage: open_request(stage, "Dee", kind="resource", status=Status.IN_PROGRESS)
)
scene("staff request, asked again", "case.show")(
    lambda stage: open_request(stage, "Ada", name=DIEGO[0], status=Status.IN_PROGRESS)
)
scene("staff request, answered", "case.show")(
    lambda stage: open_request(stage, "Ada", **CONSULTATION, status=Status.ANSWERED)
)
scene("staff request, closed", "case.show")(
    lambda stage: open_request(stage, "Ada", **CONSULTATION, status=Status.CLOSED)
)
scene("staff request, spam", "case.show")(lambda stage: open_request(stage, "Ada", status=Status.SPAM))


@scene("staff request, asked again after 90 days", "case.show")
def _(stage: Stage) -> None:
    asked_anew(stage)
    open_request(stage, "Ada", question="And in pregnancy?")


@scene("staff request that was asked again after 90 days", "case.show")
def _(stage: Stage) -> None:
    asked_anew(stage)
    open_request(stage, "Ada", status=Status.CLOSED, name=ANA["name"], email=ANA["email"], question=QUESTION)


@scene("staff request, to be sent again to one of two", "case.show")
def _(stage: Stage) -> None:
    other, _ = joined_to_anothers(stage, (ANSWER, ANSWERED))
    open_request(stage, "Ada", reference=other)
    stage.page.locator("summary", has_text="Send the answer again").click()


@scene("staff request, answered by phone to one of two", "case.show")
def _(stage: Stage) -> None:
    open_request(stage, "Ada", reference=joined_to_anothers(stage, BY_PHONE)[0])


@scene("staff request, joined to one answered by phone", "case.show")
def _(stage: Stage) -> None:
    joined_to_anothers(stage, BY_PHONE)
    open_request(stage, "Ada", status=Status.DUPLICATE, name=ANA["name"], question=QUESTION)


scene("staff request that may repeat another", "case.show")(
    lambda stage: open_request(stage, "Ada", name="Mei-Ling Zhao", status=Status.NEW)
)


def redacting(stage: Stage, words: str) -> Stage:
    """The form that takes words out, sent; it is open where patient data is suspected."""
    open_request(stage, "Grace", name="Björn Åkesson", status=Status.NEW)
    if not stage.page.get_by_label("Words to take out").is_visible():
        stage.page.locator("summary", has_text="Take patient data out").click()
    stage.fill(**{"redact-words": words}).tick("redact-reason=patients_name")
    return stage.press("Show what would go")


scene("staff request whose words are not there", "case.do", status=422, pictures="redact")(
    lambda stage: redacting(stage, "Somebody Else")
)
scene("staff request, what would be taken out", "case.do", pictures="redact-check dark")(
    lambda stage: redacting(stage, "Björn Åkesson")
)
scene("staff request, words taken out", "case.show", pictures="redacted")(
    lambda stage: redacting(stage, "Björn Åkesson").press("Take them out for good")
)
scene("staff request that may name a patient", "case.show")(
    lambda stage: open_request(stage, "Ada", name="Björn Åkesson", status=Status.NEW)
)


@scene("staff answer that is empty", "case.do", status=422)
def _(stage: Stage) -> None:
    open_request(stage, "Ada", **CONSULTATION, status=Status.IN_PROGRESS).press("Send answer to", exact=False)


@scene("staff note that is empty", "case.do", status=422)
def _(stage: Stage) -> None:
    open_request(stage, "Ada", **CONSULTATION, status=Status.IN_PROGRESS).press("Save note")


@scene("staff call back that says nothing", "case.do", status=422)
def _(stage: Stage) -> None:
    open_request(stage, "Ada", **CONSULTATION, status=Status.IN_PROGRESS)
    stage.page.get_by_text("Call back (925)").click()
    stage.press("Record the call")


@scene("staff license that says nothing", "case.do", status=422)
def _(stage: Stage) -> None:
    open_request(stage, "Ada", name="Noor Rahman", status=Status.NEW)
    stage.page.get_by_text("Look up the license").click()
    stage.press("Record what you found")


@scene("staff answer after somebody else was first", "case.do", status=409, pictures="conflict")
def _(stage: Stage) -> None:
    open_request(stage, "Ada", **CONSULTATION, status=Status.IN_PROGRESS)
    stage.fill(**{"answer-text": "At least 7 to 10 days. The label says so."})
    with stage.house.app.app_context(), transaction():
        asked = db.session.scalars(select(Request).filter_by(reference=stage.page.url[-13:])).one()
        asked.version += 1
    stage.press("Send answer to", exact=False)


scene("staff request, waiting", "case.show")(lambda stage: open_request(stage, "Ada", status=Status.WAITING))
scene("staff request answered by phone", "case.show")(
    lambda stage: open_request(stage, "Ada", name="Hana Kim", status=Status.ANSWERED, contact_method="phone")
)


@scene("staff call that is empty", "case.do", status=422)
def _(stage: Stage) -> None:
    open_request(stage, "Ada", **CONSULTATION, status=Status.IN_PROGRESS)
    stage.page.get_by_text("Log a call", exact=True).click()
    stage.press("Log the call")


@scene("staff label", "case.label", pictures="print")
def _(stage: Stage) -> None:
    open_request(stage, "Dee", kind="resource", delivery="post", status=Status.NEW)
    stage.follow("Label and list for the envelope")


@scene("staff prescriber", "prescribers.card", pictures="prescriber")
def _(stage: Stage) -> None:
    open_request(stage, "Ada", name="Hana Kim").follow("Card of this prescriber")


@scene("staff prescriber who wants no contact", "prescribers.card")
def _(stage: Stage) -> None:
    open_request(stage, "Ada", name="Tom O’Neill").follow("Card of this prescriber")
    stage.page.get_by_text("Do not contact", exact=True).click()
    stage.fill(**{"no_contact-text": "Asked on the phone to hear nothing but answers."})
    stage.press("Mark: do not contact")


scene("staff keys", "keys.keys")(lambda stage: stage.as_staff("Ada").open("/staff/requests/keys"))


@scene("staff request on paper", "case.show", pictures="request-on-paper print")
def _(stage: Stage) -> None:
    open_request(stage, "Ada", name="Walter Osei", status=Status.IN_PROGRESS)


@scene("staff queue, several at once", "bulk.act", pictures="bulk")
def _(stage: Stage) -> None:
    queue(stage)
    for box in stage.page.locator("input[name=chosen]").all()[:3]:
        box.check(force=True)
    stage.page.get_by_text("With those that are ticked", exact=False).click()
    stage.page.get_by_label("Why it is spam").select_option("robot")
    stage.press("Mark them as spam")


@scene("staff queue, several at once, nothing ticked", "bulk.act", status=422)
def _(stage: Stage) -> None:
    queue(stage)
    stage.page.get_by_text("With those that are ticked", exact=False).click()
    stage.press("Snooze them")


@scene("staff out of office", "away.people")
def _(stage: Stage) -> None:
    stage.as_staff("Ada").open("/staff/requests/away")
    stage.fill(until="2026-11-27").press("Save")


scene("staff out of office, no day", "away.leave", status=422)(
    lambda stage: stage.as_staff("Dee").open("/staff/requests/away").press("Save")
)


@scene("staff request that is snoozed", "case.show")
def _(stage: Stage) -> None:
    open_request(stage, "Ada", **CONSULTATION, status=Status.IN_PROGRESS)
    stage.page.get_by_text("Snooze", exact=True).first.click()
    stage.fill(**{"snooze-until": "2026-11-27"}).press("Snooze")


@scene("staff queue, a view of one's own", "queue.requests")
def _(stage: Stage) -> None:
    queue(stage, query="?kind=resource&status=answered")
    stage.page.get_by_text("Save these filters as a view").click()
    stage.fill(**{"saved-name": "Answered materials"}).press("Save the view")


scene("staff queue, view without a name", "saved.save", status=422)(
    lambda stage: unfold(queue(stage, query="?kind=resource")).press("Save the view")
)


def unfold(stage: Stage) -> Stage:
    """Show the box for a view's name."""
    stage.page.get_by_text("Save these filters as a view").click()
    return stage


scene("staff queue, mine to hand over", "queue.requests")(lambda stage: queue(stage, query="?owner=me"))
scene("staff queue, mail refused", "queue.requests")(lambda stage: queue(stage, query="?status=refused"))
scene("staff request of nobody", "case.show", status=403)(
    lambda stage: stage.as_staff("Ada").open("/staff/requests/LDN-BCDF-GHJK")
)


# ---- Staff: people, mail, audit

scene("staff people", "people.people", pictures="people")(
    lambda stage: stage.as_staff("Grace").open("/staff/people")
)
scene("staff person", "people.person")(lambda stage: stage.as_staff("Grace").open("/staff/people/2"))
scene("staff person, oneself", "people.person")(lambda stage: stage.as_staff("Grace").open("/staff/people/1"))
scene("staff person who never came", "people.person")(
    lambda stage: stage.as_staff("Grace").open("/staff/people/3")
)
scene("staff person disabled", "people.disable")(
    lambda stage: stage.as_staff("Grace").open("/staff/people/3").press("Disable this account")
)
scene("staff invite", "people.invite")(lambda stage: stage.as_staff("Grace").open("/staff/people/invite"))
scene("staff invite with faults", "people.invite", status=422)(
    lambda stage: (
        stage.as_staff("Grace").open("/staff/people/invite").fill(email="lou").press("Send the link")
    )
)
scene("staff forbidden", "people.people", status=403)(
    lambda stage: stage.as_staff("Dee").open("/staff/people")
)
scene("staff replies", "replies.all_replies")(lambda stage: stage.as_staff("Ada").open("/staff/replies"))
scene("staff reply to write", "replies.new")(lambda stage: stage.as_staff("Ada").open("/staff/replies/new"))


@scene("staff reply that nothing fills", "replies.new", status=422)
def _(stage: Stage) -> None:
    stage.as_staff("Ada").open("/staff/replies/new").fill(title="Hours", text="Hello {{nobody}}")
    stage.press("Save the reply")


@scene("staff reply to change", "replies.reply")
def _(stage: Stage) -> None:
    stage.as_staff("Ada").open("/staff/replies/new").fill(
        title="Which forms", text="Hello {{name}}, see {{phone}}."
    )
    stage.tick("is_clinical=y").press("Save the reply").follow("Which forms")


scene("staff settings", "settings.edit", pictures="settings dark")(
    lambda stage: stage.as_staff("Grace").open("/staff/settings")
)


@scene("staff settings with a fault", "settings.edit", status=422)
def _(stage: Stage) -> None:
    stage.as_staff("Grace").open("/staff/settings").fill(hours="nine to five").press("Save the settings")


@scene("staff settings, their versions", "settings.versions", pictures="setting-versions")
def _(stage: Stage) -> None:
    for hours in ("Mon-Fri 09:00-18:00; Sat 10:00-13:00", "Mon-Fri 08:30-18:00"):
        stage.as_staff("Grace").open("/staff/settings").fill(hours=hours).press("Save the settings")
    stage.follow("All versions")


scene("staff texts", "texts.all_texts", pictures="texts dark")(
    lambda stage: stage.as_staff("Ada").open("/staff/texts")
)
scene("staff text to sign", "texts.text", pictures="text-to-sign")(
    lambda stage: stage.as_staff("Ada").open("/staff/texts/legal")
)


def object_to_one(stage: Stage, path: str) -> Stage:
    """The page of a text's first statement that is to be read."""
    leave_by(stage.as_staff("Ada").open(path).page.locator("main td a[href*='/staff/texts/']").first)
    return stage


scene("staff text to sign, class A", "texts.text", pictures="class-a dark")(
    lambda stage: stage.as_staff("Ada").open("/staff/texts/prescribers-safety?risk=A")
)
scene("staff Spanish text to sign", "texts.text", pictures="text-to-sign-spanish dark")(
    lambda stage: stage.as_staff("Ada").open("/staff/texts/es-pacientes")
)
scene("staff Spanish statement", "texts.statement")(
    lambda stage: object_to_one(stage, "/staff/texts/es-pacientes")
)
scene("staff statement", "texts.statement")(lambda stage: object_to_one(stage, "/staff/texts/legal"))


@scene("staff statement that asks for nothing", "texts.statement", status=422)
def _(stage: Stage) -> None:
    object_to_one(stage, "/staff/texts/legal").tick("verdict=change").press("Keep this")


@scene("staff text half signed", "texts.text", status=422)
def _(stage: Stage) -> None:
    object_to_one(stage, "/staff/texts/links").tick("verdict=change")
    stage.fill(note="Say when it was last looked at.").press("Keep this").press("Agree")
    stage.press("Agree to all", exact=False)


@scene("staff reply, its earlier texts", "replies.versions")
def _(stage: Stage) -> None:
    stage.as_staff("Ada").open("/staff/replies/new").fill(title="Hours", text="Nine to six, {{name}}.")
    stage.press("Save the reply").follow("Hours").fill(text="Nine to five, {{name}}.").press("Save the reply")
    stage.follow("Hours").follow("Earlier texts (2 in all)")


scene("staff editions", "editions.editions")(lambda stage: stage.as_staff("Grace").open("/staff/editions"))


def write_edition(stage: Stage) -> Stage:
    """A draft with something left to do."""
    opened = stage.as_staff("Grace").open("/staff/editions/new").tick("topics=news")
    text = "## Hours\n\nWe are open later on Thursdays: [our hours](https://pharmacy.example/hours)."
    return opened.fill(
        slug=f"edition-{stage.house.at:%H%M%S}", subject_en="Later on Thursdays", source_en=text
    ).press("Save the draft")


scene("staff edition to write", "editions.new")(
    lambda stage: stage.as_staff("Grace").open("/staff/editions/new")
)
scene("staff edition without an address", "editions.new", status=422)(
    lambda stage: stage.as_staff("Grace").open("/staff/editions/new").press("Save the draft")
)


def photograph() -> bytes:
    """A picture as a file: sky over a hill."""
    made = Image.new("RGB", (1400, 700), "#b9d4ea")
    ImageDraw.Draw(made).ellipse((-300, 380, 1700, 1400), fill="#5d7f4e")
    file = io.BytesIO()
    made.save(file, "PNG")
    return file.getvalue()


@scene("staff pictures of editions", "editions.all_pictures")
def _(stage: Stage) -> None:
    with stage.house.app.app_context(), transaction():
        by = db.session.scalars(select(User).where(User.name.startswith("Grace"))).one()
        edition_pictures.keep(edition_pictures.anew(photograph()), by=by, at=stage.house.at)
    stage.as_staff("Grace").open("/staff/editions").follow("Pictures")


scene("staff picture of editions, none given", "editions.all_pictures", status=422)(
    lambda stage: stage.as_staff("Grace").open("/staff/editions/pictures").press("Keep the picture")
)


def sent_edition(stage: Stage) -> None:
    """One that two readers got."""
    at = stage.house.at
    reader(stage)
    values: dict[str, object] = {
        "slug": "november-2026", "topics": ["news"], "only_english": False, "is_public": True,
        "paid": "no", "paid_by": "",
        "subject_en": "Later on Thursdays", "preview_en": "New opening hours from December",
        "source_en": EDITION_TEXT, "subject_es": "Los jueves, más tarde",
        "preview_es": "Nuevo horario desde diciembre", "source_es": EDITION_TEXT_ES,
    }  # fmt: skip
    with stage.house.app.app_context(), transaction():
        by = db.session.scalars(select(User).where(User.name.startswith("Grace"))).one()
        shown = edition_pictures.keep(edition_pictures.anew(photograph()), by=by, at=at)
        path = addresses.EDITION_PICTURE.of(slug=shown.slug)
        values["source_en"] = f"{EDITION_TEXT}\n![The hill behind our pharmacy]({path})\n"
        values["source_es"] = f"{EDITION_TEXT_ES}\n![El cerro detrás de nuestra farmacia]({path})\n"
        made = editions.write(None, values, version=0, by=by, at=at)
        editions.send_test(made, to=by.email, by=by, at=at)
        editions.schedule(made, due_at=None, version=made.version, by=by, at=at)
    with stage.house.app.app_context():
        made = db.session.scalars(select(Edition).where(Edition.slug == "november-2026")).one()
        written = editions.written(made, at)
    with stage.house.app.app_context(), transaction():
        by = db.session.scalars(select(User).where(User.name.startswith("Grace"))).one()
        made = db.session.scalars(select(Edition).where(Edition.slug == "november-2026")).one()
        editions.begin(made, written, version=made.version, at=at)
        archive.add_note(
            made, "We close at 8 pm, not at 9.", "Cerramos a las 8 p. m., no a las 9.", by=by, at=at
        )


@scene("editions", "archive.editions", pictures="editions dark")
def _(stage: Stage) -> None:
    sent_edition(stage)
    stage.open("/newsletter/editions")


@scene("edition", "archive.edition", pictures="edition dark print")
def _(stage: Stage) -> None:
    sent_edition(stage)
    stage.open("/newsletter/editions/november-2026")


@scene("edition in Spanish", "archive.edition", lang="es")
def _(stage: Stage) -> None:
    sent_edition(stage)
    stage.open("/es/boletin/ediciones/november-2026")


@scene("edition taken back", "archive.edition", status=410)
def _(stage: Stage) -> None:
    sent_edition(stage)
    with stage.house.app.app_context(), transaction():
        db.session.scalars(select(Edition)).one().withdrawn_at = stage.house.at
    stage.open("/newsletter/editions/november-2026")


@scene("staff edition while it is sent", "editions.show")
def _(stage: Stage) -> None:
    sent_edition(stage)
    stage.as_staff("Grace").open("/staff/editions").follow("november-2026")


@scene("staff edition cancelled in the middle", "editions.show")
def _(stage: Stage) -> None:
    sent_edition(stage)
    stage.as_staff("Grace").open("/staff/editions").follow("november-2026").press("Send no more of it")


@scene("staff edition given up", "editions.show")
def _(stage: Stage) -> None:
    write_edition(stage).press("Cancel this edition")


@scene("staff edition to correct", "editions.note")
def _(stage: Stage) -> None:
    sent_edition(stage)
    stage.as_staff("Grace").open("/staff/editions").follow("november-2026").follow("Add a correction")


@scene("staff subscribers", "subscribers.subscribers", pictures="subscribers")
def _(stage: Stage) -> None:
    reader(stage)
    stage.as_staff("Grace").open("/staff/subscribers")


scene("staff subscribers, nobody found", "subscribers.subscribers")(
    lambda stage: stage.as_staff("Grace").open("/staff/subscribers?q=nobody@mail.example")
)


@scene("staff subscribers, not confirmed", "subscribers.subscribers")
def _(stage: Stage) -> None:
    stage.open("/newsletter").fill(email=READER).press("Sign up")
    stage.house.mails()
    stage.as_staff("Grace").open(f"/staff/subscribers?q={READER}")


@scene("staff subscriber", "subscribers.show", pictures="subscriber")
def _(stage: Stage) -> None:
    sent_edition(stage)
    stage.house.mails()
    stage.as_staff("Grace").open(f"/staff/subscribers?q={READER}").follow(READER)


@scene("staff subscriber whose mail came back", "subscribers.show")
def _(stage: Stage) -> None:
    reader(stage)
    with stage.house.app.app_context(), transaction():
        found = subscriptions.find(READER)
        assert found is not None
        found.state = SubscriberState.BOUNCED
    stage.as_staff("Grace").open(f"/staff/subscribers?q={READER}").follow(READER)


@scene("staff subscriber to erase", "subscriber_files.erase")
def _(stage: Stage) -> None:
    reader(stage)
    stage.as_staff("Grace").open(f"/staff/subscribers?q={READER}").follow(READER).follow("Erase them")


scene("staff file of subscribers", "subscriber_files.take_in")(
    lambda stage: stage.as_staff("Grace").open("/staff/subscribers/import")
)
scene("staff file of subscribers, none given", "subscriber_files.take_in", status=422)(
    lambda stage: stage.as_staff("Grace").open("/staff/subscribers/import").press("Send the file")
)
scene("staff edition draft", "editions.show")(write_edition)
scene("staff edition to change", "editions.text")(
    lambda stage: write_edition(stage).follow("Change the text")
)
scene("staff mail", "mail.mail")(lambda stage: stage.as_staff("Grace").open("/staff/mail"))


@scene("staff mail given up", "mail.mail")
def _(stage: Stage) -> None:
    stage.as_staff("Grace")
    with stage.house.app.app_context(), transaction():
        *dead, waits = db.session.scalars(select(Delivery).order_by(Delivery.id).limit(3))
        for row in dead:
            row.state, row.attempts, row.last_error = State.DEAD, 1, "refused: 550 5.1.1 … no such user"
        dead[0].body.forgotten_at = None
        waits.state, waits.attempts, waits.due_at = State.QUEUED, 2, clock.now() + timedelta(minutes=5)
        waits.last_error = "refused for now: 554 5.7.1 … Relay access denied"
    stage.open("/staff/mail")


@scene("staff mail held after a restore", "mail.mail")
def _(stage: Stage) -> None:
    stage.as_staff("Grace")
    with stage.house.app.app_context(), transaction():
        for row in db.session.scalars(select(Delivery).order_by(Delivery.id).limit(3)):
            row.state, row.last_error, row.over_at = State.HELD, lanes.RESTORED, None
    stage.open("/staff/mail")


@scene("staff mail, replies without a request", "mail.mail")
def _(stage: Stage) -> None:
    there = stage.house.folder / "replies" / "cur"
    there.mkdir(parents=True, exist_ok=True)
    (there / "1:2,FS").write_bytes(b"From: somebody@clinic.example\n\nYes.")
    stage.as_staff("Grace").open("/staff/mail")


@scene("staff mail, work in trouble", "mail.mail")
def _(stage: Stage) -> None:
    stage.as_staff("Grace")
    with stage.house.app.app_context(), transaction():
        for name, failures, error in (
            ("newsletter.answer", 3, "IntegrityError at newsletter/service.py:210 _answer"),
            ("mail.now", 0, "the mail server cannot be reached: ConnectionRefusedError"),
            ("registry.import", 0, ""),
        ):
            row = JobRow(name=name, due_at=clock.now(), failures=failures, last_error=error)
            db.session.merge(row)
    stage.open("/staff/mail")


scene("staff notices", "notices.notices")(lambda stage: stage.as_staff("Dee").open("/staff/account/notices"))


@scene("staff notices with a fault", "notices.notices", status=422)
def _(stage: Stage) -> None:
    stage.as_staff("Dee").open("/staff/account/notices")
    stage.page.locator("#quiet_from").select_option("18")
    stage.press("Save")


scene("staff reports", "reports.reports")(lambda stage: stage.as_staff("Grace").open("/staff/reports"))
scene("staff reports, one's own", "reports.reports")(
    lambda stage: stage.as_staff("Dee").open("/staff/reports?weeks=4")
)
scene("staff reports, nothing", "reports.reports")(
    lambda stage: stage.as_staff("Grace").open("/staff/reports?until=2020-01-05")
)
scene("staff report of a week", "reports.week")(
    lambda stage: stage.as_staff("Grace").open("/staff/reports/week")
)
scene("staff reports, requests as CSV", "report_rows.export")(
    lambda stage: stage.as_staff("Grace").open("/staff/reports/rows?status=real&since=2026-11-01")
)
scene("staff reports, requests as CSV, with a fault", "report_rows.export", status=422)(
    lambda stage: (
        stage.as_staff("Grace")
        .open("/staff/reports/rows?status=real&since=2026-11-01")
        .tick("with_text=y")
        .press("Download")
    )
)
scene("staff audit", "audit.audit")(lambda stage: stage.as_staff("Grace").open("/staff/audit"))
scene("staff audit, next page", "audit.audit")(
    lambda stage: stage.as_staff("Grace").open("/staff/audit?after=40")
)


@scene("staff audit, broken, filtered to nothing", "audit.audit")
def _(stage: Stage) -> None:
    stage.as_staff("Grace")
    with stage.house.app.app_context(), transaction():
        db.session.add(AuditCheck(at=clock.now(), sealed=812, unsealed=3, fault="entry 97 was changed"))
    stage.open("/staff/audit?act=mail.revived&since=2026-11-01")


scene("staff components", "gallery.components", pictures="components dark forced")(
    lambda stage: stage.as_staff("Ada").open("/staff/components")
)
scene("staff components with faults", "gallery.components", status=422)(
    lambda stage: stage.as_staff("Ada").open("/staff/components").press("See its errors")
)


# Addresses that show no page of their own, and why.
NO_PAGE = {
    "news.since": "a number, for the list's script",
    "editions.far": "a part of the edition's page, for its script",
    "reports.as_csv": "a file",
    "asker.back": "redirects to what may be read",
    "resource.gate": "a post that redirects",
    "site.robots": "for robots",
    "site.sitemap": "for robots",
    "archive.feed": "for news readers",
    "resource.evidence_csv": "a file",
    "resource.evidence_json": "a file",
    "resource.guide_pdf": "a file",
    "resource.leaflet_pdf": "a file",
    "resource.picture": "a picture",
    "resource.cited": "a file",
    "newsletter_api.sign_up": "answers in JSON",
    "newsletter_api.preflight": "for browsers",
    "ops.healthz": "for machines",
    "ops.readyz": "for machines",
    "ops.figures": "for machines",
    "ops.security_txt": "a text file",
    "account.root": "redirects to the queue",
    "queue.home": "redirects to the queue",
    "bulk.back": "redirects to the queue",
    "saved.back": "redirects to the queue",
    "signin.picture": "a picture",
    "editions.preview": "a mail, in a sandbox",
    "archive.picture": "a picture",
    "case.back": "redirects to the request",
    "signin.logout": "redirects to the sign-in page",
}
# Buttons: done, they redirect to a page that has its scenes; refused, they show that same page with a notice.
BUTTONS = {
    "audit.export",
    "audit.verify",
    "queue.hand_over",
    "away.back",
    "saved.forget",
    "keys.switch",
    "case.insert",
    "prescribers.contact",
    "prescribers.no_contact",
    "prescribers.note",
    "replies.delete",
    "settings.put_back",
    "people.resend",
    "people.cancel",
    "case.draft",
    "mail.held",
    "mail.send_again",
    "account.end_other_sessions",
    "account.end_session",
    "signin.ask_passkey",
    "signin.remove_passkey",
    "edition_sending.act",
    "edition_sending.schedule",
    "editions.test",
    "editions.delete_picture",
    "people.change_roles",
    "subscriber_files.export",
    "subscribers.ask_again",
    "subscribers.ask_again_unconfirmed",
    "subscribers.stop",
    "subscribers.undo",
    "people.enable",
    "people.end_sessions",
    "people.send_link",
}


def link_in(mail: EmailMessage, part: str) -> str:
    """The first address in a mail's text that holds `part`."""
    body = mail.get_body(("plain",))
    assert body is not None
    found = re.search(rf"https?://\S*{re.escape(part)}\S*", body.get_content())
    assert found, body.get_content()
    return found[0].rstrip(".")


def use_up(stage: Stage, name: str) -> None:
    """As if this visitor's network had done that as often as it may."""
    counters = stage.house.app.extensions["throttle"]
    while True:
        try:
            counters.hit(name, "127.0.0.0/24")
        except Exception:
            return
