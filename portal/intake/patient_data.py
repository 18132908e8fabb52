"""The guard against patient data: what in a free text looks as if it says who the patient is.

It finds kinds, never copies: what it saw is not returned, so it can't end up in a log. It is a reminder to
an honest writer, not a filter, and is tuned to keep silent on doses, titrations, lab values and papers.
Every pattern is bounded, so that time grows in proportion to the text.
"""

import re
from collections.abc import Callable
from enum import StrEnum

from portal.places import STATES


class Sign(StrEnum):
    """A kind of patient data, in the order in which they are named to the writer."""

    PATIENTS_NAME = "patients_name"
    BIRTH_DATE = "birth_date"
    SOCIAL_SECURITY_NUMBER = "social_security_number"
    RECORD_NUMBER = "record_number"
    MEMBER_ID = "member_id"
    PHONE_NUMBER = "phone_number"
    EMAIL_ADDRESS = "email_address"
    STREET_ADDRESS = "street_address"


LABELS = {
    Sign.PATIENTS_NAME: "a patient's name",
    Sign.BIRTH_DATE: "a date of birth",
    Sign.SOCIAL_SECURITY_NUMBER: "a social security number",
    Sign.RECORD_NUMBER: "a record or prescription number",
    Sign.MEMBER_ID: "a member or insurance number",
    Sign.PHONE_NUMBER: "a phone number",
    Sign.EMAIL_ADDRESS: "an email address",
    Sign.STREET_ADDRESS: "a street address",
}


def find(text: str) -> tuple[Sign, ...]:
    """The kinds of patient data the text seems to hold, each once, in the order of Sign."""
    plain = _plain(text)
    return tuple(kind for kind in Sign if _holds(kind, plain))


def _holds(kind: Sign, text: str) -> bool:
    if kind is Sign.PATIENTS_NAME:
        return any(is_name(match) for pattern, is_name in _NAMES for match in pattern.finditer(text))
    return any(pattern.search(text) for pattern in _PATTERNS[kind])


def _plain(text: str) -> str:
    """One kind of dash, apostrophe and space, so that patterns need not know of others. Line breaks stay."""
    text = text.translate(_TYPOGRAPHY)
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


_TYPOGRAPHY = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212\u2018\u2019\u02bc", "------'''")


def _any_case(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# ---- numbers, dates and addresses

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NUMERIC_DATE = (
    r"(?<![\d./-])(?:\d{1,2}([/.-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([/.-])\d{1,2}\2\d{1,2})(?![\d/-])"
)
_WORDED_DATE = (
    rf"\b(?:{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? ?'?(?:\d{{4}}|\d{{2}})"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[ -](?:of )?{_MONTH},?[ -]\d{{2,4}}"
    rf"|\d{{4}} {_MONTH} \d{{1,2}}|{_MONTH},? (?:of )?\d{{4}})\b"
)
_DATE = rf"(?:{_WORDED_DATE}|{_NUMERIC_DATE})"
_BIRTH = r"(?<!\w)(?:d\.? ?o\.? ?b\b\.?|date of birth|birth ?date|birth-?day|b-?day|born|fecha de nacimiento)"
# Beside a mark of a person a full date counts when its year is one that adults are born in.
_BIRTH_YEAR_DATE = r"(?:\d{1,2}([/.-])\d{1,2}\1(?:19\d\d|200\d)|(?:19\d\d|200\d)-\d{1,2}-\d{1,2})(?![\d/-])"

_IS = r"(?: ?(?:number|num|no|nr|is|was|id|#|:|=|-|\.)){0,4} ?"
_ID_MARK = r" ?(?:id|identification|identifier|number|num|no|mbi|#)(?!\w)"

# Five digits or more, in groups, with letters between: "XEH902341876", "W2218 77431".
_LONG_NUMBER = r"[a-z]{0,4}[ -]?\d(?:[ -]?[a-z]{0,3}\d){4,14}"

_TITLED = r"[A-Z][A-Za-z']{1,20}"
_STREET = r"Street|Avenue|Boulevard|Road|Drive|Lane|Court|Place|Circle|Terrace|Parkway|Highway|Way|Trail"
_STREET_SHORT = r"St|Ave|Blvd|Rd|Dr|Ln|Ct|Pl|Cir|Ter|Pkwy|Hwy"
_UNIT = r"(?:mg|mcg|ml|g|kg|caps?|tabs?|days?|weeks?|wks?|months?|years?|patients|pts|people|of|in|on|to)\b"

_PATTERNS: dict[Sign, tuple[re.Pattern[str], ...]] = {
    Sign.BIRTH_DATE: (
        _any_case(rf"{_BIRTH}[^\n.;]{{0,25}}?{_DATE}"),
        _any_case(rf"{_DATE}[^\n\d.;]{{0,15}}?{_BIRTH}"),
        _any_case(
            r"(?:\b\d{1,3} ?(?:yo |y/o )?[fm]|\byo|y/o|y\.o\.|\bold"
            rf"|\b(?:fe)?male|\b(?:wo)?man|\bpatient|\bpt)[ ,:(-]{{1,3}}{_BIRTH_YEAR_DATE}"
        ),
    ),
    Sign.SOCIAL_SECURITY_NUMBER: (
        _any_case(r"(?<![\w.-])[\dx*]{3}-[\dx*]{2}-\d{4}(?![\w-])"),
        _any_case(r"(?<![\w./-] )(?<![\w./-])[0-8]\d{2}([ .])\d{2}\1\d{4}(?![\w-])"),
        _any_case(
            r"\b(?:ssn?\b|social security|soc\.? sec\.?)\W{0,3}(?:number|num|no|#)?\W{0,3}(?:is|was)?\W{0,3}"
            r"\d{3}\W?\d{2}\W?\d{4}\b"
        ),
        _any_case(
            r"\b(?:last (?:4|four)[^\n\d]{0,20}?(?:ssn?|social)\b"
            r"|(?:ssn|social)\b[^\n\d]{0,10}?last (?:4|four))[^\n\d]{0,25}?\d{4}\b"
        ),
    ),
    Sign.RECORD_NUMBER: (
        _any_case(rf"\b(?:mrn\b|mr ?#){_IS}[a-z]{{0,4}}-?\d[\d-]{{2,12}}\b"),
        _any_case(
            r"\b(?:med(?:ical)? rec(?:ord)?\.?|chart|record|patient|pt|account|acct|encounter|case)"
            rf"{_ID_MARK}{_IS}[a-z]{{0,4}}-?\d{{4,12}}\b"
        ),
        _any_case(r"\b(?:med(?:ical)? rec(?:ord)?\.?|chart|acct):? \d{5,12}\b"),
        _any_case(rf"\b(?:rx|prescription|script|refill) ?(?:number|num|no|#){_IS}\d{{5,12}}\b"),
        _any_case(rf"\b(?:driver'?s?|driving) licen[sc]e{_IS}[a-z]{{0,2}}\d{{5,12}}\b"),
    ),
    Sign.MEMBER_ID: (
        _any_case(
            r"\b(?:member(?:ship)?|insurance|insured|subscriber|policy|policyholder|group|medicare|medicaid"
            r"|medi-?cal|beneficiary|plan|payer|tricare|kaiser|aetna|anthem|cigna|humana"
            rf"|blue (?:cross|shield)){_ID_MARK}{_IS}{_LONG_NUMBER}"
        ),
        _any_case(rf"\b(?:hicn|mbi|cin)\b{_IS}{_LONG_NUMBER}"),
        # A Medicare Beneficiary Identifier: its letters leave out S, L, O, I, B and Z.
        re.compile(
            r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d"
            r"-?[AC-HJKMNP-RT-Y]{2}\d{2}\b"
        ),
    ),
    Sign.PHONE_NUMBER: (
        # Area code and exchange never start with 0 or 1 (NANP).
        re.compile(
            r"(?<![\w./-])(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\) ?-?|[2-9]\d{2}[ ./-])[2-9]\d{2}[ .-]\d{4}"
            r"(?![\w-])"
        ),
        _any_case(
            r"\b(?:phone|tel|telephone|cell|mobile|call|reach|reached|text|ring|fax|contact)\b"
            r"(?:(?!npi)[^\d\n]){0,30}1?[2-9]\d{9}(?![\w-])"
        ),
        _any_case(
            r"\b(?:(?:tele)?phone|tel|mobile|cell ?(?:phone|number|no|#|:)|fax"
            r"|(?:call|reach|ring|text)(?: (?:him|her|them|me|us|patient|pt)){0,2} (?:at|on))\b"
            r"[^\d\n]{0,15}(?<!\d)[2-9]\d{2}[.-]\d{4}(?![\w-])"
        ),
    ),
    Sign.EMAIL_ADDRESS: (
        re.compile(r"(?<![\w.+%'-])[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"),
        _any_case(r"(?<=\w) ?[(\[]?\bat\b[)\]]? ?(?:gmail|yahoo|hotmail|outlook|icloud|aol)\b"),
    ),
    Sign.STREET_ADDRESS: (
        re.compile(rf"(?<![\w./-])\d{{1,5}} (?:[NSEW]\.? )?(?:{_TITLED} ){{1,3}}(?:{_STREET})\b"),
        re.compile(
            rf"(?<![\w./-])\d{{2,5}} (?:[NSEW]\.? )?(?:{_TITLED} ){{1,3}}(?:{_STREET_SHORT})\b"
            # "12 Patients Dr Smith": a title, not a drive.
            r"(?!\.? [A-Z][a-z])"
        ),
        _any_case(
            rf"(?<![\w./-])\d{{1,5}} (?!{_UNIT})(?:[a-z']{{3,20}} ){{1,3}}"
            r"(?:street|avenue|ave|boulevard|blvd|lane)\b"
        ),
        _any_case(r"\bp\.? ?o\.? ?box \d{1,6}"),
        re.compile(rf"\b[A-Z][a-z]{{2,20}}, (?:{'|'.join(code for code, _ in STATES)}) \d{{5}}\b"),
    ),
}


# ---- names
#
# No list holds all surnames, so a name is known by its place: after "patient", "Mrs." or "name:", before an
# age or a birth date. A common first name makes weaker places do.

_WORD = r"[A-Za-z][A-Za-z'-]{1,24}"
_CAPITAL = r"[A-Z][A-Za-z'-]{1,24}"
_TITLE_CASE = r"[A-Z][a-z'-]{1,24}"
_PERSON = (
    r"(?:patient|pt|client|wife|husband|daughter|son|mother|father|mom|dad|sister|brother|spouse|caregiver)"
)
_HUMAN = rf"(?:{_PERSON}|man|woman|lady|gentleman|girl|boy|(?:fe)?male|she|he|baby|child|infant|teen)"
_AGE = r"(?:an? )?(?:\d{1,3} ?(?:yo\b|y/o|y\.o|yrs?\b|years?\b|[fm]\b|(?:fe)?male\b)|\d{1,3}-year)"
_DEGREE = r"(?i:et al|md|do|np|pa|pa-c|pharmd|phd|rn)"

_INITIALS = re.compile(r"\b(?i:initials)(?i: are| is)?[ :]{1,2}[A-Z]\.? ?[A-Z]\b")
_NAMED = _any_case(rf"\b{_HUMAN}'?s?\b[^.;\n]{{0,25}}?\bnamed[ :]{{1,2}}({_WORD})")
_CALLED = re.compile(rf"\b(?i:{_HUMAN})\b[^.;\n]{{0,15}}? (?:is|was) (?:called|known as) ({_CAPITAL})")
_LABELLED = _any_case(
    r"(?:\b([a-z']{1,20}) )?\b(?:(full|first|last|legal|given|family|middle) )?names? ?"
    rf"(is |[:=] ?|- |)({_WORD})"
)
_HONORIFIC = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Miss|Mx|MR|MRS)(?:\. ?| )({_CAPITAL})"
    r"|\b[Mm]rs\.? ([a-z]{2,24})|\b[Mm]r\. ([a-z]{2,24})"
)
# Looks at the words without consuming: in "the patient, my patient Maria" the second "patient" counts too.
_AFTER_PERSON = re.compile(
    rf"\b(?:(?i:{_PERSON})s?\b|[Pp]t\.)(?: ?[,:-] ?| ?\(| )(?:(?:is|was) )?"
    rf"(?=({_WORD})(,?) ?({_WORD})?)"
)
# "pt K. Johnson", "patient Yuki has": a name on no list has to stand where hardly anything else can.
_UNLISTED = re.compile(
    rf"\b(?i:patient|pt)s?\b ?[,:]? (?:[A-Z]\. ?({_TITLE_CASE})|({_TITLE_CASE}),? "
    r"(?:is|was|has|had|takes|took|wants|needs|gets|asks|stopped|started|complains)\b)"
)
_BEFORE_AGE = re.compile(
    rf"\b({_WORD})(?: [A-Z]\.)?(?:(,?) (?!(?:is|was)\b)({_WORD}))?[ ,(-]{{1,3}}(?:(?:is|was) )?"
    rf"(?:(?i:{_AGE})|(?i:dob|d\.o\.b|born|mrn)\b)"
)
_FILED = re.compile(rf"\b(?i:id|re|case): ?({_CAPITAL}), ({_CAPITAL})")
_MENTIONED = re.compile(
    r"\b(?i:re|regarding|about|for|to|with|treat|treating|treated|seeing)\b:? "
    rf"({_CAPITAL}) ({_CAPITAL})(?! ?,? {_DEGREE}\b)"
)
_ACTING = re.compile(
    rf"(?<!Dr\. )(?<!Dr )\b({_CAPITAL})(?: {_CAPITAL}| [A-Z]\.?)? "
    r"(?:takes|took|wants|stopped|needs|complains|feels|asks|started|(?:is|was) (?:on|taking))\b"
)
_ASKED_ABOUT = re.compile(
    rf"\b(?i:can|could|should|may) ({_CAPITAL})(?: {_CAPITAL})? "
    r"(?:get|take|have|use|start|go|drink|switch|stop|try|increase|reduce|continue)\b"
)
_SCHOLARLY = _any_case(
    r"(?:'s)? ?(?:\d{4} )?(?:et al|study|trial|paper|review|protocol|work|data|book|group)"
)


def _is_any(match: re.Match[str]) -> bool:
    """Whether the one word found could be a name, known or not."""
    return any(_could_be_name(word) for word in match.groups() if word)


def _is_known(match: re.Match[str]) -> bool:
    """Whether the first word found is a common first name."""
    return _is_first_name(match[1])


def _is_labelled(match: re.Match[str]) -> bool:
    """Whether "name: X" names a person: not a brand, a drug or a clinic, and X not the rest of a sentence."""
    owner, part, says, value = match.groups()
    if (owner or "").lower() in _THINGS_WITH_NAMES or not _could_be_name(value):
        return False
    return value[0].isupper() or bool(says and (part or owner))


def _is_after_person(match: re.Match[str]) -> bool:
    first, comma, second = match.groups()
    return _is_pair(first, second, comma=bool(comma), alone=True)


def _is_before_age(match: re.Match[str]) -> bool:
    """Whether "Maria Lopez, 45F" or "our Maria, 45F" names a person: the last word alone may be the name."""
    first, comma, second = match.groups()
    if _is_pair(first, second, comma=bool(comma), alone=second is None):
        return True
    return second is not None and second[0].isupper() and _is_first_name(second)


def _is_filed(match: re.Match[str]) -> bool:
    return _could_be_name(match[1]) and _is_first_name(match[2])


def _is_mentioned(match: re.Match[str]) -> bool:
    """Whether a full name that is only mentioned is no scholar's: "Jane Roe's 2009 study" is a paper."""
    if _SCHOLARLY.match(match.string, match.end()):
        return False
    return _is_first_name(match[1]) and _could_be_name(match[2])


def _is_pair(first: str, second: str | None, *, comma: bool, alone: bool) -> bool:
    """Whether "Maria Lopez" or "Lopez, Maria" reads as a name; `alone` if a first name by itself will do."""
    if second is None:
        return alone and _is_first_name(first)
    if comma:
        return (_is_first_name(second) and _could_be_name(first)) or (alone and _is_first_name(first))
    if _is_first_name(first):
        return alone or _could_be_name(second)
    titled = first[0].isupper() and second[0].isupper() and not first.isupper() and not second.isupper()
    return titled and _could_be_name(first) and _could_be_name(second)


def _is_first_name(word: str) -> bool:
    bare = word.removesuffix("'s")
    return bare.lower() in _FIRST_NAMES and (bare[0].isupper() or bare not in _ALSO_WORDS)


def _could_be_name(word: str) -> bool:
    bare = word.lower().removesuffix("'s")
    return bare in _FIRST_NAMES or (bare not in _NEVER_NAMES and not bare.endswith(_MEDICAL_ENDINGS))


# Where a name may stand, and what makes the words there one.
_NAMES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    (_INITIALS, bool),
    (_NAMED, _is_any),
    (_CALLED, _is_any),
    (_HONORIFIC, _is_any),
    (_UNLISTED, _is_any),
    (_LABELLED, _is_labelled),
    (_AFTER_PERSON, _is_after_person),
    (_BEFORE_AGE, _is_before_age),
    (_FILED, _is_filed),
    (_MENTIONED, _is_mentioned),
    (_ACTING, _is_known),
    (_ASKED_ABOUT, _is_known),
)


# ---- words


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Before "name:", these say that no person follows.
_THINGS_WITH_NAMES = _words(
    """
    brand chemical clinic company doctor doctor's drug file generic insurance manufacturer medication my
    our pharmacy physician plan practice prescriber product proprietary provider site study supplier
    trade user website your
    """
)

# Words that end so are diseases, drugs or treatments.
_MEDICAL_ENDINGS = tuple(
    _words(
        """
    itis osis algia emia pathy ectomy syndrome trexone loxone pril statin azole sartan zepam zolam
    oxetine pine done dol amine cillin mycin caine mab nib gliptin flozin olol idine adol orphine codone
    toxin therapy ology lepsy thyroid plasia rrhea uria sclerosis ation ments tions
    """
    )
)

# Everyday words, then the words of clinics, that a sentence or a heading may begin with a capital.
_NEVER_NAMES = _words(
    """
    a about above after again all also always am an and any are as ask asked asking asks at be because
    been before being below best both but by called calls can cannot come comes could currently day days
    did do does doing done dose doses down due during each either else every experienced experiences
    failed feels first follows for from full further gave gets give given goes going got had has have
    having he health her here high him his history how if in interested into is it its just kind know
    last less let like likely living long low lower made male may me mean might more most much must my
    needs never new newly next no non not now of off often on once one only or order other our out over
    past per please post presents previously prior quality question questions really received recently
    reports requests required same says see seen she should since so some started starting starts still
    stopped such take taken takes taking than that the their them then there these they this those three
    through to today told too took tried two under until up upon use used user uses using very via wants
    was we well went were what when where whether which while who whom whose why will wishes with within
    without would year years yes yet you your
    acute adult adults age aged alcohol allergic allergy anonymous april asian august autism autoimmune
    benefits black bowel brand breast cancer capsule capsules care caucasian celiac chart child children
    chronic clinic complaint compounded compounding condition confidential consent controlled counseling
    covid cream crohn crohns data date december deficiency depression diabetes diabetic diagnosed
    diagnosis disease disorder disorders dob doctor dosage dosing drop drops drug drugs dx education
    ehlers elderly email endometriosis fatigue february female fibro fibromyalgia field form friday
    generic geriatric guide guidelines hailey hashimoto hashimotos hepatic hidden hispanic hx id
    identifier imaging impairment individual inflammatory information initials insomnia instructions
    insurance irritable january july june kidney kosher label labs lactose lady ldn leaflet liquid liver
    low lupus man march mast material medical medicare medication medications medicine missed mixed
    monday mrn ms multiple naltrexone name named native needed neuropathic note notes november number
    nurse nursing obese october of office omitted on opiate opiates opioid opioids oral pain parent
    parkinson parkinsons patient patients pediatric people pharmacies pharmacist pharmacy phone
    physician pmh portal pots practice pregnant prescriber prescribers prescription problem profile
    program provider psoriatic raynaud record redacted reference refills release removed renal report
    reported resource response rheumatoid rosacea rx safety saturday sclerosis september severe sheet
    sig sjogren sjogrens skin sle solution somebody someone status summary sunday suspension symptom
    symptoms syndrome tablet tablets tapering target text thursday titration topical tox transgender
    treatment tuesday type uds ulcerative unknown vegan veteran visit wednesday weight white withdrawal
    withheld woman women worker workers
    """
)

# Common first names in the United States, old and young, English and Spanish, and some from elsewhere.
_FIRST_NAMES = _words(
    """
    aaron abigail adam adriana ahmed aisha alan albert alejandra alejandro alex alexander alexandra
    alfredo alice alicia allison amanda amber amy ana andrea andrew angel angela angelica anita ann anna
    anne annie anthony antonio arjun arthur ashley audrey barbara beatriz benjamin bernard beth betty
    beverly blanca bonnie bradley brandon brenda brian brittany bruce bryan caitlin carl carla carlos
    carmen carol caroline carolyn catherine cecilia charles charlotte cheryl chloe christian christina
    christine christopher cindy claire claudia connie craig crystal cynthia daniel daniela danielle
    david deborah debra denise dennis derek diana diane diego dolores donald donna doris dorothy douglas
    dylan edgar eduardo edward eileen elaine eleanor elena elizabeth ellen emily emma enrique eric erica
    erin esther ethan eugene eva evelyn fatima felipe fernando frances francis francisco frank gabriel
    gabriela gary george gerald gladys glenn gloria grace gregory guadalupe hannah harold heather hector
    helen henry holly howard ian irene isabel isabella ivan jack jacob jacqueline jaime james jamie jane
    janet janice jared jasmine jason javier jean jeffrey jennifer jeremy jerry jesse jessica jesus jill
    jim joan joanne joe joel john jonathan jordan jorge jose joseph joshua joyce juan juana juanita
    judith judy julia julian julie justin karen karina karl katherine kathleen kathryn kathy katie kayla
    keith kelly kenneth kevin kimberly kyle larry laura lauren laurie lawrence leah leonard leslie
    leticia lillian linda lisa lori lorraine louis louise lucia lucy luis luz madison manuel marcia
    marcus margaret margarita maria mariana marie marilyn mario marisol marjorie mark martha martin
    marvin mary matthew maureen megan mei melanie melissa mercedes michael michele michelle miguel
    mildred mohammed monica muhammad nancy natalie nathan nicholas nicole nina norma oliver olivia omar
    oscar pamela patricia patrick paul paula pedro peggy peter philip phillip phyllis priya rachel
    rafael ralph ramon randy raquel raul raymond rebecca ricardo richard rita robert roberto robin
    rodney roger ronald rosa rosemary roy russell ruth ryan sally samantha samuel sandra sara sarah
    scott sean sergio shannon sharon sheila shirley silvia sofia sonia sophia stacy stanley stephanie
    stephen steven sunita susan suzanne sylvia tammy tanya teresa terry theresa thomas tiffany timothy
    todd tom tony tracy tyler valerie vanessa veronica victor victoria vincent virginia walter wanda
    wayne wendy wilfred william yolanda yusuf zachary
    """
)

# First names that are also words: in lower case they are the word.
_ALSO_WORDS = _words(
    """
    amber ana angel christian crystal eva frank grace holly jack jean jordan mark mei robin
    """
)
