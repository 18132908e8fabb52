"""What the intake room mails; none of it holds a word that anybody typed."""

from portal.mail.letters import Letter

LETTERS = (
    Letter(message="intake/received", label="Receipt"),
    Letter(message="intake/notice", label="Notice of a new request"),
)
