"""The people, questions and answers of the demo world: lists of data, all made up (example domains).

The NPI numbers get the right check digit and belong to nobody we know.
"""

from __future__ import annotations

from portal.npi import number
from portal.people.rights import Role

STAFF = (
    ("grace@pharmacy.example", "Grace Lindqvist", Role.MANAGER),
    ("ada@pharmacy.example", "Ada Okafor, PharmD", Role.PHARMACIST),
    ("dee@pharmacy.example", "Dee Ramos", Role.DESK),
)
# Who asks: name, credential, practice, state, address, NPI without its check digit.
PRESCRIBERS = (
    ("Ana Ruiz", "NP", "Diablo Family Practice", "CA", "ana.ruiz@diablofamily.example", "123456789"),
    ("Lee Park", "MD", "Bay Rheumatology Group", "CA", "lee.park@bayrheum.example", "199399999"),
    ("Samira Haddad", "DO", "Iron Horse Pain Clinic", "CA", "s.haddad@ironhorse.example", "145678912"),
    ("Tom O’Neill", "PA", "Alcosta Internal Medicine", "CA", "toneill@alcosta.example", "178912345"),
    ("Mei-Ling Zhao", "MD", "Crow Canyon Neurology", "CA", "mzhao@crowcanyon.example", "132435465"),
    ("Björn Åkesson", "MD", "Sierra Gastroenterology", "NV", "bakesson@sierragi.example", "165432198"),
    ("Priya Natarajan", "MD", "Dougherty Valley Clinic", "CA", "priya.n@dvclinic.example", "110022334"),
    ("Walter Osei", "DDS", "Bollinger Dental", "CA", "wosei@bollinger.example", "187654321"),
    ("Noor Rahman", "NP", "Twin Creeks Pediatrics", "CA", "nrahman@twincreeks.example", "119283746"),
    ("Diego Castellanos", "MD", "Norris Canyon Medical", "CA", "dcast@norriscanyon.example", "156473829"),
    ("Hana Kim", "DNP", "Windemere Women’s Health", "CA", "hkim@windemere.example", "138271605"),
)
ANA, LEE, SAMIRA, TOM, MEI, BJORN, PRIYA, WALTER, NOOR, DIEGO, HANA = PRESCRIBERS
ADVERTISER = ("Rank Partners", "", "", "", "offers@rank.example", "176543219")


def _person(last: str, first: str, credential: str, taxonomy: str, phone: str, gone: str = "") -> list[str]:
    """What the registry's index keeps of somebody, behind the number (`npi.facts.FACTS`)."""
    return ["1", "", gone, *[""] * 3, last, first, *[""] * 3, credential, "CA", phone, taxonomy, "", "Y"]


# What a made-up registry has of them, so that every verdict is seen. Who is not here is not found.
REGISTRY_NAME = "made-up registry of the demo"
REGISTERED: dict[tuple[str, ...], list[str]] = {
    ANA: _person("RUIZ", "ANA", "N.P.", "363LF0000X", "9255550142"),
    LEE: _person("PARK", "LEE", "M.D.", "207RR0500X", "9255550143"),
    SAMIRA: _person("HADDAD", "SAMIRA", "M.D.", "208VP0000X", "9255550144"),
    TOM: _person("ONEILL", "THOMAS", "PA-C", "363AM0700X", "9255550145"),
    MEI: _person("ZHAO", "MEI-LING", "MD", "2084N0400X", "9255550146"),
    BJORN: _person("AKESSON", "BJORN", "M.D.", "207RG0100X", "9255550148"),
    PRIYA: ["2", *[""] * 4, "DOUGHERTY VALLEY CLINIC"],
    WALTER: _person("OSEI", "WALTER", "D.D.S.", "1223G0001X", "9255550149"),
    NOOR: _person("RAHMAN", "NOOR", "NP", "363LP0200X", "9255550150", "01/12/2026"),
    DIEGO: _person("CASTELLAN", "MARIO", "M.D.", "207Q00000X", "9255550151"),
    HANA: _person("KIM", "HANA", "RN", "163W00000X", "9255550152"),
}


def npi(who: tuple[str, ...]) -> str:
    """Somebody's number, with its check digit."""
    return next(who[-1] + last for last in "0123456789" if number.is_valid(who[-1] + last))


UNCHECKED = TOM  # whose earlier requests came before there was a registry

START = (["dosing"], "What starting dose do you usually see, and how fast do prescribers step it up?")
TRAMADOL = (
    ["interactions"],
    "An adult in my practice takes tramadol as needed. How long an opioid-free interval do you advise?",
)
LACTOSE = (
    ["formulation", "compounding"],
    "Can you make 0.5 mg capsules without lactose, and which filler would you use instead?",
)
SLEEP = (
    ["safety"],
    "Sleep is disturbed at 3 mg taken at bedtime. Is a morning dose reasonable, or a step down to 1.5 mg?",
)
TRIALS = (
    ["evidence"],
    "Which placebo-controlled trials are larger than 50 people? I would like the references.",
)
LIQUID = (
    ["dosing", "other"],
    "Is a liquid at 1 mg/mL practical for titration in 0.25 mg steps, and how long does it keep?",
)
SURGERY = (
    ["safety", "interactions"],
    "Elective knee surgery is planned with opioids afterwards. When should the dose be held?",
)
WORDING = (["compounding"], "What exactly should the prescription say so that you need not call back?")
# Invented, like everything here; the guard against patient data finds a birth date in it.
NAMED = (
    ["dosing", "interactions"],
    "Woman born 3/14/1961 on levothyroxine 75 mcg. Would you start at 0.5 mg, and recheck TSH when?",
)
ADVERTISING = (
    ["other"],
    "We bring pharmacies to page one. https://rank.example https://rank.example/offer www.rank.example",
)
QUESTIONS = (START, TRAMADOL, LACTOSE, SLEEP, TRIALS, LIQUID, SURGERY, WORDING)
# Which chapter answers a topic: the demo's answers send people there, and say nothing of their own about medicine.
CHAPTERS = {
    "dosing": "dosing",
    "interactions": "safety",
    "safety": "safety",
    "formulation": "compounding",
    "compounding": "compounding",
    "evidence": "evidence",
}
ANSWER = (
    "Thank you for your question.\n\nWhat is known, and what is not, is in our chapter on {chapter}, with its "
    "sources: {link}\n\nCall us if you want to talk about it."
)
SENT = "Thank you for asking. What you asked for is on its way to you."
NOTE = "Called the practice; they prefer an answer by email."

# Who was answered on which working day, the last first; whoever still waits for something alike comes late.
TRIED = {"reason": "left_message", "number": "925-555-0147", "text": ""}
SPOKE = {
    "reason": "reached",
    "number": "925-555-0147",
    "text": "We went through the forms without lactose. They will write it on the prescription.",
}
LATER = {
    "reason": "call_again",
    "number": "925-555-0147",
    "text": "They see patients until then. Ask for the nurse first.",
}
MORE = "One more thing: they also take levothyroxine in the morning. Does that change the wording?"
AGAIN = "Thank you. How long does the liquid keep once the bottle is open?"
BACK = {"text": "At what time of day do they take it, and since when?"}
ANSWERED = (LEE, TOM, PRIYA, BJORN, HANA, NOOR, DIEGO, SAMIRA, MEI, WALTER, ANA, TOM, LEE, BJORN)
CARD_NOTE = "Prefers the one-page summary to the guide."
REFUSED = "550 5.1.1 There is no mailbox here by that name"
REPLIES = (  # title, text, whether a pharmacist answers for it
    (
        "Materials are on their way",
        "The materials you asked for are on their way. What can be printed at once is here too:"
        "\n\n{{guide}}\n{{leaflet}}",
        False,
    ),
    (
        "Please call us",
        "To answer this well we need to know more than belongs in an email. "
        "Please call us at {{phone}} and name {{reference}}.",
        False,
    ),
    (
        "Where the guide says it",
        "Thank you for your question about {{topics}}.\n\nWhat is known, and what is not, is in our guide, "
        "with its sources: {{guide}}\n\nOn one page: {{summary}}",
        True,
    ),
)
