"""What the intake room mails; none of it holds a word that anybody typed."""

from portal.mail.letters import Letter

LETTERS = (
    Letter(message="intake/received", label="Receipt"),
    Letter(message="intake/asked_for_you", label="Notice to the prescriber in whose name was asked"),
    Letter(message="intake/notice", label="Notice of a new request"),
)
