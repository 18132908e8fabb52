"""Words a pharmacy may not print about a compounded drug, and names of conditions that stay behind the gate.

The promises: FD&C Act section 502 and California B&P Code section 651 forbid misleading words about a drug; the
Food and Drug Administration gives "safe" and "effective" as examples. The conditions: California H&S Code section
110403 forbids a public advertisement that a drug has an effect on listed diseases; section 110405 excepts what
goes to the health professions alone. Pages behind the gate may name conditions.
"""

import re

_PROMISES_EN = """
    safe safely non-?toxic ground-?breaking break-?through miracle miracles proven cure cures cured effective
    effectively works.for no.side.effects natural naturally boost\\w* regulat\\w+.the.immune generic same.as hope
    pain-free opioid.alternatives? inexpensive cheap cheaper affordable best guaranteed? guarantees? wonder.drug
    game.changer FDA-approved.(?:LDN|low)
"""
_PROMISES_ES = """
    segur[oa]s? inocu[oa]s? eficaz eficaces efectiv[oa]s? milagros?[oa]? curan? curar curas comprobad[oa]s?
    probad[oa]s? garantiza\\w* natural naturales sin.efectos.secundarios genéric[oa]s? barat[oa]s? económic[oa]s?
    el.mejor la.mejor esperanza sin.dolor revolucionari[oa]s?
"""
_CONDITIONS = """
    fibrom[iy]algia crohn\\w* colitis IBD IBS irritable.bowel intestino.irritable multiple.sclerosis esclerosis
    arthritis artritis osteoarthritis lupus psoriasis hashimoto\\w* thyroid\\w* tiroid\\w* hypothyroid\\w*
    hipotiroid\\w* cancer cáncer tumou?rs? HIV VIH autis\\w+ PTSD lyme depression depressive depresión depresiv[oa]
    anxiety ansiedad mood.disorders? diabet\\w+ neuropath\\w+ neuropat\\w+ CRPS covid\\w* chronic.fatigue
    fatiga.crónica ME/CFS dermatitis eczema hailey\\w* lichen liquen pruritus prurito parkinson\\w* alzheimer\\w*
    endometriosis autoimmun\\w+ autoinmun\\w+ obesity obesidad weight.loss bajar.de.peso infertil\\w+ migrain\\w+
    migraña chronic.pain dolor.crónico inflammat\\w+ inflama\\w+ hepatitis longevity longevidad
"""


def _pattern(listed: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(listed.split())})(?!\w)", re.IGNORECASE)


PROMISES = {"en": _pattern(_PROMISES_EN), "es": _pattern(_PROMISES_ES)}
CONDITIONS = _pattern(_CONDITIONS)


def promises(text: str, language: str) -> list[str]:
    """The words in `text` that promise what nobody can keep."""
    return _found(PROMISES[language], text)


def conditions(text: str) -> list[str]:
    """The conditions that `text` names, in either language."""
    return _found(CONDITIONS, text)


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    return sorted({match[0].casefold() for match in pattern.finditer(text)})
