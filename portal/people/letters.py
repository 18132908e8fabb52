"""What the people room mails."""

from portal.mail.letters import Letter

LETTERS = (
    Letter(message="people/invitation", label="Invitation"),
    Letter(message="people/renewal", label="Link after a sign-in reset"),
    Letter(message="people/notice", label="Notice of a changed sign-in"),
)
