"""first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db
from portal.audit import append_only_statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_entry", "consent_event")


def upgrade() -> None:
    """Go to this revision."""
    op.create_table('audit_entry',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('actor_id', sa.Integer(), nullable=True),
    sa.Column('actor_name', sa.String(length=200), nullable=False),
    sa.Column('action', sa.String(length=60), nullable=False),
    sa.Column('subject', sa.String(length=120), nullable=False),
    sa.Column('detail', sa.String(length=500), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry'))
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_entry_action'), ['action'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_subject'), ['subject'], unique=False)

    op.create_table('consent_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subject', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('text_id', sa.String(length=40), nullable=False),
    sa.Column('text_version', sa.Integer(), nullable=False),
    sa.Column('text_sha256', sa.String(length=64), nullable=False),
    sa.Column('foreign_text', sa.Text(), nullable=True),
    sa.Column('language', sa.String(length=2), nullable=False),
    sa.Column('topics', sa.String(length=60), nullable=False),
    sa.Column('source', sa.String(length=10), nullable=False),
    sa.Column('page', sa.String(length=60), nullable=False),
    sa.Column('means', sa.String(length=12), nullable=False),
    sa.Column('network', sa.String(length=60), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consent_event'))
    )
    with op.batch_alter_table('consent_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_consent_event_subject'), ['subject'], unique=False)

    op.create_table('outbox',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('message_id', sa.String(length=200), nullable=False),
    sa.Column('message', sa.String(length=80), nullable=False),
    sa.Column('cause', sa.String(length=120), nullable=False),
    sa.Column('recipient', sa.String(length=320), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('due_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('lease_by', sa.String(length=60), nullable=True),
    sa.Column('lease_until', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('sent_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.String(length=300), nullable=False),
    sa.CheckConstraint("state IN ('queued', 'sent', 'dead')", name=op.f('ck_outbox_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sa.UniqueConstraint('message_id', name=op.f('uq_outbox_message_id'))
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_outbox_cause'), ['cause'], unique=False)
        batch_op.create_index('ix_outbox_due', ['state', 'due_at'], unique=False)

    op.create_table('signup',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('form_token', sa.String(length=120), nullable=False),
    sa.Column('address', sa.String(length=254), nullable=False),
    sa.Column('address_key', sa.String(length=254), nullable=False),
    sa.Column('language', sa.String(length=2), nullable=False),
    sa.Column('topics', sa.String(length=60), nullable=False),
    sa.Column('source', sa.String(length=10), nullable=False),
    sa.Column('page', sa.String(length=60), nullable=False),
    sa.Column('text_id', sa.String(length=40), nullable=False),
    sa.Column('text_version', sa.Integer(), nullable=False),
    sa.Column('text_sha256', sa.String(length=64), nullable=False),
    sa.Column('foreign_text', sa.Text(), nullable=True),
    sa.Column('network', sa.String(length=60), nullable=False),
    sa.Column('signals', sa.String(length=60), nullable=False),
    sa.Column('message_id', sa.String(length=200), nullable=False),
    sa.Column('at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('due_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('answered_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('answer', sa.String(length=10), nullable=True),
    sa.Column('reminded_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_signup')),
    sa.UniqueConstraint('form_token', name=op.f('uq_signup_form_token'))
    )
    with op.batch_alter_table('signup', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_signup_address_key'), ['address_key'], unique=False)
        batch_op.create_index('ix_signup_due', ['answered_at', 'due_at'], unique=False)

    op.create_table('subscriber',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('address', sa.String(length=254), nullable=False),
    sa.Column('address_key', sa.String(length=254), nullable=False),
    sa.Column('language', sa.String(length=2), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('handle', sa.String(length=40), nullable=False),
    sa.Column('leave_digest', sa.String(length=64), nullable=False),
    sa.Column('preferences_digest', sa.String(length=64), nullable=False),
    sa.Column('created_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('confirmed_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('paused_until', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('left_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(state = 'paused') = (paused_until IS NOT NULL)", name=op.f('ck_subscriber_paused_until')),
    sa.CheckConstraint("language IN ('en', 'es')", name=op.f('ck_subscriber_language')),
    sa.CheckConstraint("state IN ('pending', 'active', 'paused', 'unsubscribed', 'bounced', 'complained')", name=op.f('ck_subscriber_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscriber')),
    sa.UniqueConstraint('address_key', name=op.f('uq_subscriber_address_key')),
    sa.UniqueConstraint('handle', name=op.f('uq_subscriber_handle')),
    sa.UniqueConstraint('leave_digest', name=op.f('uq_subscriber_leave_digest')),
    sa.UniqueConstraint('preferences_digest', name=op.f('uq_subscriber_preferences_digest'))
    )
    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.create_index('ix_subscriber_state', ['state', 'paused_until'], unique=False)

    op.create_table('tombstone',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('address_hash', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.String(length=12), nullable=False),
    sa.Column('at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('until', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.CheckConstraint("reason IN ('erased', 'blocked', 'complained')", name=op.f('ck_tombstone_reason')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tombstone')),
    sa.UniqueConstraint('address_hash', 'reason', name=op.f('uq_tombstone_address_hash_reason'))
    )
    op.create_table('user',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('role', sa.String(length=12), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('password', sa.String(length=255), nullable=True),
    sa.Column('fs_uniquifier', sa.String(length=64), nullable=False),
    sa.Column('tf_primary_method', sa.String(length=20), nullable=True),
    sa.Column('tf_totp_secret', sa.String(length=255), nullable=True),
    sa.Column('totp_counter', sa.Integer(), nullable=True),
    sa.Column('created_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.CheckConstraint("role IN ('desk', 'pharmacist', 'manager')", name=op.f('ck_user_role')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user')),
    sa.UniqueConstraint('email', name=op.f('uq_user_email')),
    sa.UniqueConstraint('fs_uniquifier', name=op.f('uq_user_fs_uniquifier'))
    )
    op.create_table('invite',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('role', sa.String(length=12), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=True),
    sa.Column('created_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('used_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.CheckConstraint("role IN ('desk', 'pharmacist', 'manager')", name=op.f('ck_invite_role')),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_invite_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invite')),
    sa.UniqueConstraint('digest', name=op.f('uq_invite_digest'))
    )
    with op.batch_alter_table('invite', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_invite_email'), ['email'], unique=False)
        batch_op.create_index(batch_op.f('ix_invite_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_invite_user_id'), ['user_id'], unique=False)

    op.create_table('newsletter_token',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=10), nullable=False),
    sa.Column('signup_id', sa.Integer(), nullable=True),
    sa.Column('subscriber_id', sa.Integer(), nullable=True),
    sa.Column('created_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('used_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.CheckConstraint("purpose IN ('confirm', 'erase')", name=op.f('ck_newsletter_token_purpose')),
    sa.ForeignKeyConstraint(['signup_id'], ['signup.id'], name=op.f('fk_newsletter_token_signup_id_signup'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_newsletter_token_subscriber_id_subscriber'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_newsletter_token')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_newsletter_token_token_hash'))
    )
    with op.batch_alter_table('newsletter_token', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_newsletter_token_created_at'), ['created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_newsletter_token_signup_id'), ['signup_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_newsletter_token_subscriber_id'), ['subscriber_id'], unique=False)

    op.create_table('recovery_code',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('created_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_recovery_code_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recovery_code')),
    sa.UniqueConstraint('digest', name=op.f('uq_recovery_code_digest'))
    )
    with op.batch_alter_table('recovery_code', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_recovery_code_user_id'), ['user_id'], unique=False)

    op.create_table('request',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('reference', sa.String(length=13), nullable=False),
    sa.Column('form_token', sa.String(length=100), nullable=False),
    sa.Column('receipt_hash', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('status', sa.String(length=12), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('received_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('answer_by', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('changed_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('answered_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('closed_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('owner_id', sa.Integer(), nullable=True),
    sa.Column('claimed_at', portal.db.UTCDateTime(timezone=True), nullable=True),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('credential', sa.String(length=40), nullable=False),
    sa.Column('npi', sa.String(length=10), nullable=False),
    sa.Column('practice', sa.String(length=160), nullable=False),
    sa.Column('state', sa.String(length=2), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('phone', sa.String(length=40), nullable=False),
    sa.Column('on_behalf', sa.Boolean(), nullable=False),
    sa.Column('delegate_name', sa.String(length=128), nullable=False),
    sa.Column('delegate_email', sa.String(length=254), nullable=False),
    sa.Column('topics', sa.JSON(), nullable=False),
    sa.Column('question', sa.Text(), nullable=False),
    sa.Column('contact_method', sa.String(length=10), nullable=False),
    sa.Column('contact_window', sa.String(length=10), nullable=False),
    sa.Column('leave_message', sa.Boolean(), nullable=False),
    sa.Column('patient_data', sa.JSON(), nullable=False),
    sa.Column('items', sa.JSON(), nullable=False),
    sa.Column('delivery', sa.String(length=10), nullable=False),
    sa.Column('address', sa.String(length=400), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('signals', sa.JSON(), nullable=False),
    sa.Column('possible_duplicate_of', sa.Integer(), nullable=True),
    sa.CheckConstraint("kind <> 'consultation' OR (npi <> '' AND question <> '')", name=op.f('ck_request_consultation')),
    sa.CheckConstraint("kind <> 'resource' OR delivery <> ''", name=op.f('ck_request_resource')),
    sa.CheckConstraint("kind IN ('consultation', 'resource')", name=op.f('ck_request_kind')),
    sa.CheckConstraint("status IN ('new', 'in_progress', 'waiting', 'answered', 'closed', 'spam', 'duplicate')", name=op.f('ck_request_status')),
    sa.ForeignKeyConstraint(['owner_id'], ['user.id'], name=op.f('fk_request_owner_id_user')),
    sa.ForeignKeyConstraint(['possible_duplicate_of'], ['request.id'], name=op.f('fk_request_possible_duplicate_of_request')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request')),
    sa.UniqueConstraint('form_token', name=op.f('uq_request_form_token')),
    sa.UniqueConstraint('receipt_hash', name=op.f('uq_request_receipt_hash')),
    sa.UniqueConstraint('reference', name=op.f('uq_request_reference'))
    )
    with op.batch_alter_table('request', schema=None) as batch_op:
        batch_op.create_index('ix_request_npi', ['npi', 'kind', 'received_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_request_owner_id'), ['owner_id'], unique=False)
        batch_op.create_index('ix_request_queue', ['status', 'answer_by', 'id'], unique=False)
        batch_op.create_index('ix_request_received', ['received_at', 'id'], unique=False)

    op.create_table('staff_session',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=True),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.Column('browser', sa.String(length=60), nullable=False),
    sa.Column('created_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('seen_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_staff_session_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_staff_session')),
    sa.UniqueConstraint('digest', name=op.f('uq_staff_session_digest'))
    )
    with op.batch_alter_table('staff_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_staff_session_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index('ix_staff_session_user_id_seen_at', ['user_id', 'seen_at'], unique=False)

    op.create_table('subscription',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('topic', sa.String(length=12), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('changed_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('chosen', 'stopped')", name=op.f('ck_subscription_state')),
    sa.CheckConstraint("topic IN ('news', 'research', 'pharmacy')", name=op.f('ck_subscription_topic')),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_subscription_subscriber_id_subscriber'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscription')),
    sa.UniqueConstraint('subscriber_id', 'topic', name=op.f('uq_subscription_subscriber_id_topic'))
    )
    op.create_table('request_message',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('request_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('author_id', sa.Integer(), nullable=False),
    sa.Column('author_name', sa.String(length=200), nullable=False),
    sa.Column('written_at', portal.db.UTCDateTime(timezone=True), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('form_token', sa.String(length=100), nullable=False),
    sa.CheckConstraint("kind IN ('note', 'answer')", name=op.f('ck_request_message_kind')),
    sa.ForeignKeyConstraint(['author_id'], ['user.id'], name=op.f('fk_request_message_author_id_user')),
    sa.ForeignKeyConstraint(['request_id'], ['request.id'], name=op.f('fk_request_message_request_id_request')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request_message')),
    sa.UniqueConstraint('form_token', name=op.f('uq_request_message_form_token'))
    )
    with op.batch_alter_table('request_message', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_request_message_request_id'), ['request_id'], unique=False)

    for table in APPEND_ONLY:
        for statement in append_only_statements(table, op.get_bind().dialect.name):
            op.execute(statement)


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table('request_message', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_request_message_request_id'))

    op.drop_table('request_message')
    op.drop_table('subscription')
    with op.batch_alter_table('staff_session', schema=None) as batch_op:
        batch_op.drop_index('ix_staff_session_user_id_seen_at')
        batch_op.drop_index(batch_op.f('ix_staff_session_expires_at'))

    op.drop_table('staff_session')
    with op.batch_alter_table('request', schema=None) as batch_op:
        batch_op.drop_index('ix_request_received')
        batch_op.drop_index('ix_request_queue')
        batch_op.drop_index(batch_op.f('ix_request_owner_id'))
        batch_op.drop_index('ix_request_npi')

    op.drop_table('request')
    with op.batch_alter_table('recovery_code', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_recovery_code_user_id'))

    op.drop_table('recovery_code')
    with op.batch_alter_table('newsletter_token', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_newsletter_token_subscriber_id'))
        batch_op.drop_index(batch_op.f('ix_newsletter_token_signup_id'))
        batch_op.drop_index(batch_op.f('ix_newsletter_token_created_at'))

    op.drop_table('newsletter_token')
    with op.batch_alter_table('invite', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_invite_user_id'))
        batch_op.drop_index(batch_op.f('ix_invite_expires_at'))
        batch_op.drop_index(batch_op.f('ix_invite_email'))

    op.drop_table('invite')
    op.drop_table('user')
    op.drop_table('tombstone')
    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.drop_index('ix_subscriber_state')

    op.drop_table('subscriber')
    with op.batch_alter_table('signup', schema=None) as batch_op:
        batch_op.drop_index('ix_signup_due')
        batch_op.drop_index(batch_op.f('ix_signup_address_key'))

    op.drop_table('signup')
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_due')
        batch_op.drop_index(batch_op.f('ix_outbox_cause'))

    op.drop_table('outbox')
    with op.batch_alter_table('consent_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_consent_event_subject'))

    op.drop_table('consent_event')
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_entry_subject'))
        batch_op.drop_index(batch_op.f('ix_audit_entry_action'))

    op.drop_table('audit_entry')
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")  # its triggers went with their tables
