"""The wiring, and the only file that knows all rooms.

Two Flask apps share one database, one set of templates and one edge: the *public* one, and the *staff* one, which
alone pays for sign-in and sessions. They are joined by path, and the ready pages stand before both. A process that
serves no pages (the worker, a command) takes the core alone.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from portal import audit, failures, jobs, keeping, library, office, site, web
from portal.asker import jobs as asker_jobs
from portal.asker import letters as asker_letters
from portal.asker import models as asker_models
from portal.asker import views as asker_views
from portal.backup import jobs as backup_jobs
from portal.commands import Commands, Migrations
from portal.db import db, from_json, prepare_engine
from portal.desk import jobs as desk_jobs
from portal.desk import letters as desk_letters
from portal.desk import models as desk_models
from portal.desk import perform
from portal.desk.acts import ACTS
from portal.desk.table import ROOM_ACTS
from portal.editions import jobs as editions_jobs
from portal.editions import letters as editions_letters
from portal.editions import models as editions_models
from portal.editions import views as editions_views
from portal.errors import CodeFaults
from portal.faces import Faces, NoSession, Probes
from portal.front import Front
from portal.intake import jobs as intake_jobs
from portal.intake import kept as intake_kept
from portal.intake import kinds
from portal.intake import letters as intake_letters
from portal.intake import views as intake_views
from portal.intake.catalogue import CATALOGUE
from portal.intake.kinds import KINDS, ROOM_KINDS
from portal.jobs import JOBS
from portal.library import pages
from portal.mail import jobs as mail_jobs
from portal.mail import models as mail_models
from portal.mail import returns
from portal.mail.letters import LETTERS
from portal.newsletter import api as newsletter_api
from portal.newsletter import bounces as newsletter_bounces
from portal.newsletter import embed as newsletter_embed
from portal.newsletter import jobs as newsletter_jobs
from portal.newsletter import kept as newsletter_kept
from portal.newsletter import letters as newsletter_letters
from portal.newsletter import views as newsletter_views
from portal.newsletter.door import Door
from portal.ops import jobs as ops_jobs
from portal.ops import log
from portal.ops import views as ops_views
from portal.people import leaving
from portal.people import letters as people_letters
from portal.people import models as people_models
from portal.ready import Assets, ReadyPages
from portal.resource import searching as _searching  # noqa: F401 - its routes
from portal.resource import views as resource_views
from portal.retention import jobs as retention_jobs
from portal.review import models as review_models
from portal.review.shelf import MARK, Shelf
from portal.seals import jobs as seals_jobs
from portal.seals import models as seals_models
from portal.settings import Settings, is_loose
from portal.signin import gate
from portal.signin import passkeys as signin_views
from portal.staff import (
    away,
    bulk,
    case,
    editions,
    gallery,
    keys,
    news,
    notices,
    oversight,
    people,
    prescribers,
    queue,
    replies,
    reports,
    saved,
    settings,
    subscribers,
    texts,
    trail,
)

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
STATIC = Path(__file__).resolve().parent / "static"
CONTENT = Path(library.__file__).resolve().parent / "pages"
MIGRATIONS = ROOT / "migrations"

# Mail last: a worker that does all once sends what the others promised.
ROOMS_JOBS = (
    ops_jobs,
    backup_jobs,
    retention_jobs,
    seals_jobs,
    intake_jobs,
    desk_jobs,
    asker_jobs,
    newsletter_jobs,
    editions_jobs,
    mail_jobs,
)
ROOMS_KEPT = (
    jobs,
    audit,
    seals_models,
    mail_models,
    returns,
    people_models,
    intake_kept,
    desk_models,
    asker_models,
    newsletter_kept,
    editions_models,
    review_models,
    office,
)
PUBLIC = (
    site.bp,
    resource_views.bp,
    intake_views.bp,
    asker_views.bp,
    newsletter_views.bp,
    newsletter_api.bp,
    newsletter_embed.bp,
    editions_views.bp,
    ops_views.bp,
)
COMMANDS = (
    "portal.cli",
    "portal.npi_commands",
    "portal.editions.commands",
    "portal.review.commands",
    "portal.cli_backup",
    "portal.cli_retention",
    "portal.cli_audit",
)
LEAVING = (perform.hand_back,)
STAFF = (
    signin_views.bp,
    *(queue.bp, news.bp, bulk.bp, saved.bp, away.bp, keys.bp, case.bp),
    oversight.mail_bp,
    trail.bp,
    *(reports.bp, reports.rows_bp),
    *(people.bp, people.account_bp, notices.bp),
    replies.bp,
    settings.bp,
    prescribers.bp,
    texts.bp,
    editions.bp,
    editions.sending_bp,
    subscribers.bp,
    subscribers.manager_bp,
    gallery.bp,
)
ROOMS_LETTERS = (
    people_letters,
    intake_letters,
    newsletter_letters,
    desk_letters,
    asker_letters,
    editions_letters,
)


def create_app(config: Settings) -> Flask:
    """The whole portal: returns the public app, whose `wsgi_app` answers for the staff app too.

    Raises CodeFaults, with all of them, when what the rooms sign into the registers contradicts itself.
    """
    _keep_private(config.INSTANCE_DIR)
    if faults := _fill_registers():
        raise CodeFaults(faults)
    public = _core("portal.public", config)
    public.session_interface = NoSession()
    shelf = Shelf(CONTENT, config.INSTANCE_DIR / MARK, config.ORG.timezone, public)
    public.extensions["foreign_posts"] = newsletter_views.FOREIGN_POSTS
    public.extensions["takes_any_post"] = newsletter_views.ANY_POSTS
    for blueprint in PUBLIC:
        public.register_blueprint(blueprint)
    _offer_what_there_is(public)

    staff = _core("portal.staff", config)
    staff.extensions["throttle"] = public.extensions["throttle"]
    staff.extensions["shelf"] = shelf
    gate.set_up(staff)
    for blueprint in STAFF:
        staff.register_blueprint(blueprint)
    public.extensions["staff"] = staff

    assets = Assets(STATIC, web.security_headers(config))
    for app in (public, staff):
        app.jinja_env.globals["asset"] = assets.url

    saved = public.extensions["office"] = staff.extensions["office"] = office.Office(config, (public, staff))

    def refresh() -> None:
        saved.keep_up()
        try:
            shelf.look()
        except pages.ContentError as error:
            for fault in error.faults:  # our own words on our own texts
                logger.error("a text has a fault", extra={"reason": fault})
            raise
        for one in (public.extensions["guide"], *public.extensions["leaflets"].values()):
            one.prepare(public.extensions["library"])

    faces: WSGIApplication = Door(public, Faces(public.wsgi_app, staff.wsgi_app))
    if hops := config.TRUSTED_PROXIES:
        faces = ProxyFix(faces, x_for=hops, x_proto=hops, x_host=0)
    layer = ReadyPages(
        faces,
        hosts=web.trusted_hosts(config),
        assets=assets.by_path,
        gate=config.PROFESSIONAL_GATE,
        stamp=lambda: (shelf.stamp(), saved.look()),
        refresh=refresh,
        seen=None if shelf.has_signatures() else (shelf.stamp(), 0),
    )
    public.extensions["ready"] = layer
    net = failures.last_resort(Probes(layer, config), web.security_headers(config))
    public.wsgi_app = net  # type: ignore[assignment, method-assign]
    public.extensions["front"] = Front(
        net,
        layer,
        most=config.MAX_CONTENT_LENGTH,
        headers=web.security_headers(config).items(),
        direct=not config.TRUSTED_PROXIES,
        begin=shelf.look,
        later=lambda: public.extensions["guide"].prepare(shelf.shown),
    )
    migrations = Migrations(public, MIGRATIONS)
    public.extensions["migrate"] = migrations
    public.cli = Commands(COMMANDS, {"db": migrations.command})
    return public


def _fill_registers() -> list[str]:
    faults = JOBS.fill(job for room in ROOMS_JOBS for job in room.JOBS)
    faults += LETTERS.fill(letter for room in ROOMS_LETTERS for letter in room.LETTERS)
    faults += KINDS.fill(ROOM_KINDS) or kinds.faults()
    faults += ACTS.fill(ROOM_ACTS)
    faults += returns.EARS.fill(newsletter_bounces.EARS)
    faults += leaving.STEPS.fill(LEAVING)
    faults += keeping.KEPT.fill(kept for room in ROOMS_KEPT for kept in room.KEPT)
    return faults + keeping.faults(db.metadata)


def _offer_what_there_is(public: Flask) -> None:
    there = public.url_map.bind("")
    nowhere = [item.slug for item in CATALOGUE if item.address and not there.test(item.address)]
    if nowhere:
        raise CodeFaults([f"the catalogue offers {slug}, which stands nowhere" for slug in nowhere])


def _keep_private(folder: Path) -> None:
    """What we write is ours alone, whatever its folder is; and so is what stands there of earlier versions."""
    os.umask(0o077)
    for path in (*folder.glob("*.db*"), *folder.glob("*.lock")):
        if is_loose(path):
            with suppress(OSError):
                path.chmod(0o600)


def _core(name: str, config: Settings) -> Flask:
    """Settings, templates, database, edge: what both faces stand on."""
    app = Flask(
        name,
        root_path=str(Path(__file__).resolve().parent),
        template_folder=str(ROOT / "templates"),
        static_folder=None,
        instance_path=str(config.INSTANCE_DIR.resolve()),
    )
    app.config.from_object(config)
    app.extensions["settings"] = config
    app.config["SECRET_KEY_FALLBACKS"] = list(config.SECRET_KEY_FALLBACKS)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(config)
    log.set_up(app)
    db.init_app(app)
    web.set_up(app)
    failures.set_up(app)
    with app.app_context():
        prepare_engine(db.engine)
    return app


def _engine_options(config: Settings) -> dict[str, Any]:
    if config.is_sqlite:
        lists = {"json_deserializer": from_json}
        return {**lists, "connect_args": {"check_same_thread": False, "timeout": 5}}
    # Prepared statements belong to a connection, which a pooler hands to others between two transactions.
    return {"pool_pre_ping": True, "connect_args": {"prepare_threshold": None}}
