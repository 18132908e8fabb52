"""The forms by which managers look after people."""

from __future__ import annotations

from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired

from portal.forms import BaseForm, ChoiceField, EmailField, TextField
from portal.people.models import NAME_MAX, ROLE_LABELS, Role

ENTER_EMAIL = "Enter their email address"
SELECT_ROLE = "Select a role"
CHOICES = [SelectChoice(role.value, label) for role, label in ROLE_LABELS.items()]
HINTS = {
    Role.DESK.value: "Sees the queue, answers requests for materials",
    Role.PHARMACIST.value: "Answers consultations too",
    Role.MANAGER.value: "Looks after people and everything else; answers no consultations",
}


class RoleForm(BaseForm):
    """What somebody may do."""

    role = ChoiceField("Role", [DataRequired(SELECT_ROLE)], choices=CHOICES)


class InvitePersonForm(BaseForm):
    """Whom to send a one-use link."""

    email = EmailField("Email", [DataRequired(ENTER_EMAIL)])
    name = TextField(
        "Name",
        max_length=NAME_MAX,
        description="They can correct it",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    role = ChoiceField("Role", [DataRequired(SELECT_ROLE)], choices=CHOICES)
