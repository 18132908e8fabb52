"""Every act there is, in the order in which pages offer them: the state machine, which stands nowhere else."""

from portal.desk.acts import (
    ANSWER,
    CLAIM,
    CLOSE,
    NOT_SPAM,
    NOTE,
    RELEASE,
    REOPEN,
    SPAM,
    TAKE_OVER,
)
from portal.desk.asking import ASKING_ACTS
from portal.desk.contact import CONTACT_ACTS
from portal.desk.identity import ON_NPI
from portal.desk.joining import JOINING_ACTS
from portal.desk.more_time import MORE_TIME
from portal.desk.planning import PLANNING_ACTS
from portal.desk.redaction import NO_PATIENT_DATA, REDACT, REPORT
from portal.desk.undoing import UNDO

ROOM_ACTS = (
    *(CLAIM, TAKE_OVER, RELEASE, *PLANNING_ACTS, NOTE, ANSWER, *CONTACT_ACTS, UNDO),
    *(CLOSE, REOPEN, *JOINING_ACTS, SPAM, NOT_SPAM, REPORT, REDACT, NO_PATIENT_DATA, *ON_NPI),
)
ALL_ACTS = (*ROOM_ACTS, *ASKING_ACTS, MORE_TIME)  # with those that nobody of the staff does
