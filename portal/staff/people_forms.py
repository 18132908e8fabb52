"""The forms by which managers look after people."""

from __future__ import annotations

from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired

from portal.forms import BaseForm, ChoicesField, EmailField, TextField
from portal.people.accounts import SELECT_ROLES
from portal.people.models import NAME_MAX
from portal.people.rights import ROLE_LABELS, Role

ENTER_EMAIL = "Enter their email address"
CHOICES = [SelectChoice(role.value, label) for role, label in ROLE_LABELS.items()]
HINTS = {
    Role.DESK.value: "Sees the queue, answers requests for materials",
    Role.PHARMACIST.value: "Answers consultations and requests for materials, signs texts",
    Role.MANAGER.value: "Looks after people and everything else; answers consultations only as a pharmacist too",
}


class RolesForm(BaseForm):
    """What somebody may do."""

    roles = ChoicesField("Roles", [DataRequired(SELECT_ROLES)], choices=CHOICES)


class InvitePersonForm(BaseForm):
    """Whom to send a one-use link."""

    email = EmailField("Email", [DataRequired(ENTER_EMAIL)])
    name = TextField(
        "Name",
        max_length=NAME_MAX,
        description="They can correct it",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    roles = ChoicesField("Roles", [DataRequired(SELECT_ROLES)], choices=CHOICES)
