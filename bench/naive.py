"""The simple way to take a sign-up: Flask, the ORM, a form, rendered mails, one durable commit. To compare with."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime

from flask import Flask, redirect, render_template_string
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import FlaskForm
from sqlalchemy import ForeignKey, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.wrappers import Response
from wtforms import EmailField, SelectMultipleField
from wtforms.validators import DataRequired, Email


class Base(DeclarativeBase):
    """The parent of the models."""


db = SQLAlchemy(model_class=Base)
app = Flask("naive")
app.config.update(
    SECRET_KEY="naive-naive-naive-naive-naive-naive",
    SQLALCHEMY_DATABASE_URI=os.environ.get("BENCH_NAIVE_DB", "sqlite://"),
)
db.init_app(app)
TEXT = "You asked for news.\n\nConfirm: {{ link }}\n\nIf you did not ask, do nothing.\n"
HTML = (
    "<html><body><h1>Confirm</h1><p>You asked for news.</p><p><a href='{{ link }}'>Yes</a></p></body></html>"
)
PAGE = "<form method=post>{{ form.csrf_token }}{{ form.email }}{{ form.topics }}</form>"


class Subscriber(Base):
    """A person."""

    __tablename__ = "subscriber"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str]
    at: Mapped[datetime]


class Choice(Base):
    """A topic of a person."""

    __tablename__ = "choice"
    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id"))
    topic: Mapped[str]


class Outbox(Base):
    """A mail."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]


class SignUp(FlaskForm):
    """The form."""

    email = EmailField(validators=[DataRequired(), Email()])
    topics = SelectMultipleField(choices=[("news", "News"), ("research", "Research")])


@app.route("/", methods=["GET", "POST"])
def sign_up() -> Response | str:
    """Look the person up, add what is missing, render the mails, commit."""
    form = SignUp()
    if not form.validate_on_submit():
        return render_template_string(PAGE, form=form)
    email = form.email.data or ""
    person = db.session.scalar(db.select(Subscriber).filter_by(email=email))
    if person is None:
        person = Subscriber(email=email, token=secrets.token_urlsafe(), at=datetime.now(UTC))
        db.session.add(person)
        db.session.flush()
    for topic in form.topics.data or []:
        db.session.add(Choice(subscriber_id=person.id, topic=topic))
    link = f"https://example.org/{person.token}"
    text, html = render_template_string(TEXT, link=link), render_template_string(HTML, link=link)
    db.session.add(Outbox(to=email, text=text, html=html))
    db.session.commit()
    return redirect("/done", 303)


def make() -> None:
    """The tables, durable."""
    with app.app_context():

        @event.listens_for(db.engine, "connect")
        def _durable(connection: object, _record: object) -> None:
            connection.execute("PRAGMA synchronous=FULL")  # type: ignore[attr-defined]
            connection.execute("PRAGMA busy_timeout=5000")  # type: ignore[attr-defined]

        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        db.create_all()


make()
