"""Which test holds which fault of the catalogue and which line of ASVS 5.0.0; the pages of both are made from here.

    python -m tests.promises faults    run every test of a fault, in the long form, and write docs/faults.md by it
    python -m tests.promises asvs      write docs/asvs.md

A test is named by its file under `tests/` and what stands after `test_`. `pytest -m asvs` runs all that hold a line.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).resolve().parent
DOCS = TESTS.parent / "docs"

KILL = "journeys/test_kill.py::nothing_accepted_is_lost_when_everything_is_killed"
POOLED = "journeys/test_postgres.py::nothing_accepted_is_lost_through_a_pooler"
STATEMENTS = "test_db.py::every_statement_may_fail_and_nothing_half_is_kept"
SYSTEM = "test_db.py::a_read_only_or_full_disk_loses_nothing_typed"

# Of each: what is broken, the tests that break it, and what of it is not run, with the reason.
FAULTS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "F-01": ("kill -9 of the web server in the middle of posts", (KILL,), ""),
    "F-02": ("kill -9 of web server and worker together", (KILL,), ""),
    "F-03": (
        "an end exactly between two steps",
        (STATEMENTS, KILL),
        "each statement fails by an error; a kill comes at a random moment, not at a chosen one",
    ),
    "F-04": (
        "kill -9 of the worker in the middle of sending",
        (
            "mail/test_delivery.py::a_worker_that_dies_repeats_at_most_its_batch_with_the_same_bytes",
            "journeys/test_edition_kills.py::an_edition_outlives_its_workers",
            KILL,
        ),
        "",
    ),
    "F-05": (
        "the mail server refuses the connection",
        (
            "mail/test_transport.py::a_closed_port_is_the_relays_fault",
            "mail/test_delivery.py::a_relay_that_is_down_costs_no_mail_a_try",
        ),
        "",
    ),
    "F-06": (
        "the mail server says nothing",
        (
            "mail/test_delivery.py::a_lease_and_a_step_outlast_the_slowest_server",
            "test_worker.py::one_whose_step_never_ends_holds_up_nobody_else",
        ),
        "",
    ),
    "F-07": (
        "the connection drops after the final dot",
        ("mail/test_transport.py::what_may_have_been_taken_is_not_sent_on_another_connection_at_once",),
        "",
    ),
    "F-08": (
        "the mail server puts off",
        (
            "mail/test_delivery.py::a_deferred_mail_comes_again_later_with_the_same_bytes",
            "mail/test_delivery.py::a_mail_is_given_up_after_its_last_try",
        ),
        "",
    ),
    "F-09": (
        "the mail server refuses",
        (
            "mail/test_delivery.py::a_refused_mail_is_dead_at_once",
            "mail/test_delivery.py::what_a_server_refuses_by_a_rule_waits_and_is_told",
            "mail/test_mta.py::a_real_servers_verdicts_are_whose_they_are",
        ),
        "",
    ),
    "F-10": (
        "the mail server talks nonsense, takes TLS away, hangs up",
        (
            "mail/test_transport.py::a_server_without_tls_gets_nothing_when_tls_is_asked",
            "mail/test_transport.py::a_refusal_stays_one_when_the_server_hangs_up_after_it",
            "mail/test_transport.py::a_broken_connection_is_made_anew",
        ),
        "",
    ),
    "F-11": (
        "the disk is full",
        (
            SYSTEM,
            "backup/test_backup.py::two_at_once_and_a_full_disk_leave_nothing",
            "backup/test_backup.py::a_full_disk_while_it_is_read_changes_nothing",
            "retention/test_retention.py::a_full_disk_is_one_line_and_nothing_is_half_done",
            "retention/test_retention.py::on_a_disk_without_room_every_command_is_one_line",
        ),
        "",
    ),
    "F-12": (
        "a file may not grow",
        ("test_db.py::a_storage_fault_is_unavailable",),
        "by the error, not by RLIMIT_FSIZE",
    ),
    "F-13": (
        "the database can only be read",
        (SYSTEM, "ops/test_health.py::a_database_that_nothing_can_be_written_to_is_not_ready"),
        "",
    ),
    "F-14": (
        "the database is locked",
        (
            "test_db.py::a_locked_database_is_waited_for_then_says_so",
            "test_db.py::a_short_lock_costs_only_time",
            "test_db.py::while_one_writer_sticks_few_wait_and_the_others_are_told_at_once",
        ),
        "",
    ),
    "F-15": (
        "a read that turns into a write meets another's",
        ("test_db.py::every_write_begins_immediate",),
        "",
    ),
    "F-16": (
        "pages of the database are damaged",
        (
            "ops/test_health.py::the_doctor_finds_a_broken_file",
            "backup/test_backup.py::any_flipped_byte_and_any_cut_is_told",
        ),
        "",
    ),
    "F-17": (
        "the database is missing, empty, another's or of another version",
        (
            "ops/test_start.py::serving_says_one_sentence_and_makes_no_database",
            "ops/test_health.py::a_database_that_is_not_ours_gets_one_right_sentence",
            "test_db.py::a_database_file_that_is_another_is_noticed_and_refused",
        ),
        "",
    ),
    "F-18": (
        "the clock jumps",
        (
            "mail/test_delivery.py::what_a_clock_that_ran_ahead_made_goes_when_it_is_right_again",
            "test_db.py::a_form_that_was_opened_before_the_clock_was_set_back_is_new",
            "newsletter/test_signup.py::a_sign_up_of_a_clock_that_ran_ahead_is_answered_when_it_is_right_again",
        ),
        "",
    ),
    "F-19": (
        "several workers at once",
        (
            "mail/test_delivery.py::many_workers_send_each_mail_once",
            "test_worker.py::of_several_workers_one_runs_a_periodic_job_in_a_period",
            POOLED,
        ),
        "",
    ),
    "F-20": (
        "pressed twice, gone back, twenty at once",
        (
            "intake/test_views.py::twenty_at_once_get_the_same_receipt_and_one_row",
            "intake/test_views.py::going_back_and_sending_again_is_the_first_request",
        ),
        "",
    ),
    "F-21": (
        "a migration that is interrupted",
        (
            "ops/test_start.py::two_upgrades_at_once_both_end_well",
            "house/test_migrations.py::down_and_up_again_with_rows_there",
        ),
        "none is killed at each of its statements",
    ),
    "F-22": (
        "the code is older than the database",
        (
            "ops/test_health.py::tables_of_another_version_are_not_ready",
            "test_worker.py::a_row_that_this_version_does_not_know_rests_and_is_named",
            "intake/test_kinds.py::a_request_of_a_newer_version_rests_and_is_named",
        ),
        "",
    ),
    "F-23": (
        "backups while people write",
        ("backup/test_backup.py::backups_while_people_write_are_each_of_one_moment",),
        "",
    ),
    "F-24": ("each statement fails once", (STATEMENTS,), ""),
    "F-25": (
        "a backup is damaged, cut short, killed, or has no room",
        (
            "backup/test_backup.py::any_flipped_byte_and_any_cut_is_told",
            "backup/test_backup.py::two_at_once_and_a_full_disk_leave_nothing",
            "backup/test_backup.py::what_a_killed_one_left_is_taken_away",
            "backup/test_postgres.py::what_is_not_for_us_changes_nothing",
        ),
        "",
    ),
    "F-26": (
        "the power goes",
        (
            "journeys/test_power.py::what_was_accepted_is_there_after_a_power_cut",
            "journeys/test_power.py::a_cut_takes_what_was_not_synced",
        ),
        "needs root and a loop device",
    ),
    "F-27": (
        "PostgreSQL is restarted, its backends are ended, a stand-by takes over",
        (POOLED, "journeys/test_postgres.py::a_stand_by_takes_over_and_nothing_accepted_is_lost"),
        "",
    ),
    "F-28": (
        "Redis is gone",
        (
            "test_throttle.py::while_redis_is_away_tries_are_counted_in_memory",
            "ops/test_redis.py::redis_stops_and_comes_back",
            "ops/test_redis.py::a_portal_serves_while_redis_is_away",
            "ops/test_health.py::redis_that_does_not_answer_is_told_while_the_portal_serves",
        ),
        "",
    ),
    "F-29": (
        "clients that are slow",
        (
            "ops/test_front.py::slow_bodies_hold_no_thread_and_get_408",
            "ops/test_front.py::a_head_that_does_not_come_is_not_waited_for",
            "ops/test_proxies.py::slow_bodies_of_one_address_are_bounded_and_ended",
        ),
        "dozens; 1,000 are held by `bench.crowd`: below",
    ),
    "F-30": (
        "thousands of idle connections",
        ("ops/test_front.py::more_unfinished_forms_than_one_address_may_have_are_refused_at_once",),
        "2,000 and 10,000 are held by `bench.crowd`: below",
    ),
    "F-31": (
        "bodies that are too large or odd",
        (
            "ops/test_front.py::a_body_over_the_limit_gets_its_page_though_it_is_sent_to_the_end",
            "ops/test_front.py::a_body_that_breaks_off_is_no_shorter_form",
            "ops/test_proxies.py::too_large_is_told_by_our_own_page",
        ),
        "",
    ),
    "F-32": (
        "broken multipart, bytes that are no text",
        (
            "journeys/test_fuzz.py::bytes_that_are_no_text_are_refused",
            "journeys/test_fuzz.py::a_body_that_is_no_form_of_ours_is_refused",
        ),
        "",
    ),
    "F-33": ("forms filled with anything", ("journeys/test_fuzz.py::no_input_breaks_a_form",), ""),
    "F-34": (
        "no memory, no processes, no files left",
        ("ops/test_shortage.py::no_files_left", "ops/test_shortage.py::no_memory_left"),
        "no limit of processes: it counts for root nowhere",
    ),
    "F-35": (
        "nobody reads the log",
        ("ops/test_serve.py::closed_streams_end_nothing", "ops/test_shortage.py::no_room_for_the_log"),
        "",
    ),
    "F-36": (
        "told to stop in the middle of work",
        (
            "ops/test_serve.py::both_end_when_asked",
            "ops/test_commands.py::a_signal_ends_the_worker_after_the_mail_in_hand",
        ),
        "",
    ),
    "F-37": (
        "the network to mail server and database breaks",
        (POOLED,),
        "as F-05 to F-10 for mail; no delay is added",
    ),
}
# What shows that a harness can fail at all.
CONTROLS = {
    "journeys/test_fuzz.py::a_commit_is_noticed": "the fuzzer sees a commit where there should be none",
    "ops/test_log.py::the_canary_would_be_seen": "a word that leaked into a log would be found",
    "house/test_law.py::the_law_refuses": "the law of imports refuses what is against it",
}

CROWDS = (
    "\n## Held under load\n"  # what follows it is measured and written by `python -m bench.crowd --write`
)
Outcomes = dict[str, tuple[str, float]]  # of each test how it ended, and in how many seconds
ON_POSTGRES = ("database", "PostgreSQL")  # what a test's report says of one whose portal was on it
SECOND = "held alone, at the second try"
WALK = "house/test_walk.py::"
SESSIONS = "signin/test_sessions.py::"
SERVICE = "signin/test_service.py::"
SIGN_IN = "signin/test_sign_in.py::"
HOLES = "signin/test_holes.py::"
PASSKEYS = "signin/test_passkeys.py::"
LOG = "ops/test_log.py::"
CODE = "house/test_asvs.py::"
# Lines of level 1 and 2 that apply, and the tests that hold each.
ASVS: dict[str, tuple[str, ...]] = {
    "1.1.1": ("test_text.py::raw_bytes_agree_with_the_decoder",),
    "1.2.1": ("journeys/test_fuzz.py::no_input_breaks_a_form",),
    "1.2.4": ("staff/test_queue.py::a_filter_that_is_none_is_left_out_and_named",),
    "1.3.3": ("intake/test_forms.py::what_is_too_long_is_told_its_length",),
    "1.3.11": (
        "intake/test_mails.py::a_name_cannot_change_a_header",
        "mail/test_promise.py::an_address_cannot_bring_a_header",
    ),
    "2.2.1": ("intake/test_forms.py::an_empty_form_names_every_field_to_fix",),
    "2.2.2": ("intake/test_forms.py::a_choice_that_is_not_on_the_list_is_refused",),
    "2.2.3": ("intake/test_forms.py::a_call_needs_a_number", "intake/test_forms.py::post_needs_an_address"),
    "2.3.1": (
        f"{SIGN_IN}the_second_step_needs_the_first",
        "intake/test_views.py::a_confirmed_post_is_checked_like_any_other",
    ),
    "2.3.2": ("staff/test_request.py::each_role_is_offered_what_it_may_do_and_refused_the_rest",),
    "2.3.3": (STATEMENTS,),
    "2.3.4": ("staff/test_request.py::of_twenty_claims_at_once_exactly_one_wins",),
    "2.4.1": ("intake/test_views.py::too_many_new_requests_wait_with_their_words_kept",),
    "3.2.2": ("house/test_design.py::the_script_stays_small_and_keeps_to_text",),
    "3.3.1": (f"{SESSIONS}the_cookie_is_guarded",),
    "3.3.2": (f"{SESSIONS}the_cookie_is_guarded",),
    "3.3.3": (f"{SESSIONS}behind_https_the_cookies_are_host_cookies",),
    "3.3.4": (f"{SESSIONS}the_cookie_is_guarded",),
    "3.4.1": (f"{WALK}every_answer_carries_the_security_headers",),
    "3.4.3": (f"{WALK}every_answer_carries_the_security_headers",),
    "3.4.4": (f"{WALK}every_answer_carries_the_security_headers",),
    "3.4.5": (f"{WALK}every_answer_carries_the_security_headers",),
    "3.4.6": (f"{WALK}every_answer_carries_the_security_headers",),
    "3.5.1": (
        f"{WALK}a_post_without_our_tokens_changes_nothing",
        f"{WALK}a_post_from_another_site_is_refused",
    ),
    "3.5.3": (f"{WALK}a_get_or_head_changes_nothing",),
    "3.7.2": ("test_site.py::no_redirect_leaves_the_house", f"{SIGN_IN}after_sign_in_nobody_is_sent_away"),
    "4.1.3": (
        f"{WALK}a_forwarded_address_is_ignored_without_a_proxy",
        "ops/test_front.py::a_head_that_passes_for_a_proxys_counts_for_nothing",
        "ops/test_proxies.py::a_form_is_sent_and_its_sender_known_by_the_proxys_word",
    ),
    "5.2.1": ("ops/test_front.py::a_body_over_the_limit_gets_its_page_though_it_is_sent_to_the_end",),
    "6.2.1": (f"{SERVICE}what_may_be_a_password",),
    "6.2.4": (f"{SERVICE}what_may_be_a_password",),
    "6.2.8": (f"{SIGN_IN}a_password_matches_however_its_letters_are_composed",),
    "6.2.9": (f"{SIGN_IN}the_length_of_a_password_is_counted_once_it_is_composed",),
    "6.3.1": (
        f"{SIGN_IN}tries_are_counted_before_the_password",
        f"{SIGN_IN}one_network_cannot_try_many_accounts",
    ),
    "6.3.2": (f"{SERVICE}a_fresh_portal_has_nobody",),
    "6.3.3": (f"{SIGN_IN}half_signed_in_reaches_nothing", f"{PASSKEYS}no_other_answer_signs_in"),
    "6.3.4": (f"{SIGN_IN}reset_closed_and_registration_absent", f"{SIGN_IN}no_token_in_a_header_signs_in"),
    "6.4.1": (
        f"{SERVICE}a_link_works_once",
        f"{SERVICE}a_link_works_for_a_day",
        f"{SERVICE}a_link_is_long_and_only_its_hash_is_kept",
    ),
    "6.4.3": (f"{HOLES}hole_4_there_is_no_reset_to_ask",),
    "6.5.1": (f"{HOLES}hole_1_one_code_of_the_app_lets_in_one_of_eight",),
    "6.5.2": (f"{HOLES}hole_3_recovery_codes_are_kept_as_hashes",),
    "6.5.5": (f"{HOLES}hole_2_a_code_is_good_one_step_before_and_after",),
    "6.6.3": (f"{SIGN_IN}a_wrong_code_is_refused_and_five_end_the_try",),
    "7.2.1": (f"{SESSIONS}a_session_that_is_not_wholly_its_persons_is_no_session",),
    "7.2.3": (f"{SESSIONS}the_database_has_only_the_hash",),
    "7.2.4": (
        f"{SESSIONS}the_cookie_is_new_at_each_step_and_the_old_one_opens_nothing",
        f"{PASSKEYS}an_answer_works_once_and_only_where_it_was_asked",
    ),
    "7.3.1": (f"{SESSIONS}a_session_ends_after_half_an_hour_without_a_page",),
    "7.3.2": (f"{SESSIONS}a_session_ends_after_twelve_hours_whatever_is_done",),
    "7.4.1": (f"{SIGN_IN}signing_out_ends_the_session",),
    "7.4.2": (f"{SESSIONS}a_disabled_person_is_out_at_once",),
    "7.4.3": (
        f"{SESSIONS}a_new_authenticator_ends_the_other_sessions",
        f"{PASSKEYS}adding_and_removing_end_the_other_sessions_and_are_told_by_mail",
    ),
    "7.4.5": ("staff/test_people.py::all_sessions_of_somebody_end",),
    "7.5.1": (
        f"{SESSIONS}what_opens_doors_asks_for_the_password_again",
        f"{PASSKEYS}the_password_comes_first",
    ),
    "7.5.2": ("staff/test_people.py::ones_own_sessions_are_listed_and_ended_one_by_one",),
    "8.2.1": (
        "staff/test_roles.py::a_role_reaches_what_the_table_says",
        f"{WALK}a_stranger_reaches_no_staff_page",
    ),
    "8.2.2": (
        "intake/test_views.py::a_receipt_is_for_nobody_else",
        "staff/test_request.py::a_request_that_is_none_is_not_found",
    ),
    "8.2.3": ("staff/test_request.py::the_desk_reads_no_answer_of_a_consultation_but_its_own_notes",),
    "8.3.1": ("staff/test_roles.py::an_act_is_refused_to_whom_its_line_does_not_name",),
    "9.1.1": ("test_tokens.py::a_changed_or_foreign_stamp_is_none",),
    "9.2.1": ("test_tokens.py::a_stamp_tells_its_age",),
    "9.2.2": ("newsletter/test_scanners.py::one_forms_token_does_not_open_another",),
    "11.2.2": (
        f"{SIGN_IN}an_old_hash_is_renewed_at_sign_in",
        f"{HOLES}secrets_stay_readable_when_the_key_changes",
    ),
    "11.4.2": (f"{SERVICE}the_hash_is_argon2id_as_pinned",),
    "11.5.1": ("test_tokens.py::new_tokens_differ_and_are_long",),
    "12.3.1": ("mail/test_transport.py::a_server_without_tls_gets_nothing_when_tls_is_asked",),
    "13.2.2": ("ops/test_deploy.py::systemd_takes_the_units_and_finds_them_closed",),
    "13.2.3": ("test_config.py::production_refuses_a_weak_secret",),
    "13.3.1": (
        "test_config.py::the_secret_is_made_once_and_only_we_may_read_it",
        "backup/test_backup.py::what_is_made_is_whole_and_holds_no_secret",
    ),
    "13.3.2": ("test_config.py::secrets_are_not_in_the_repr",),
    "13.4.2": ("test_config.py::production_lists_every_fault_at_once",),
    "13.4.5": (
        "ops/test_metrics.py::nobody_else_finds_it",
        "ops/test_proxies.py::the_figures_and_other_names_are_nobodys",
    ),
    "14.2.1": (
        "house/test_addresses.py::robots_leave_alone_what_is_one_persons",
        f"{LOG}whole_journeys_leave_no_word_behind",
    ),
    "14.2.2": (f"{SIGN_IN}pages_of_signing_in_are_kept_by_nobody",),
    "14.2.3": ("house/test_design.py::nothing_is_fetched_from_another_host",),
    "14.2.4": (
        "retention/test_retention.py::no_byte_is_left_in_any_file",
        "retention/test_retention.py::the_privacy_pages_say_what_the_register_says",
    ),
    "14.3.1": ("journeys/test_browser.py::pages_of_staff_are_not_shown_by_the_back_button",),
    "14.3.2": (f"{SIGN_IN}pages_of_signing_in_are_kept_by_nobody",),
    "15.1.2": (
        "ops/test_deploy.py::the_bill_of_materials_is_what_is_pinned",
        "house/test_repository.py::every_requirement_is_pinned_with_its_hashes_and_comes_from_nowhere_special",
    ),
    "15.2.2": (f"{SERVICE}a_flood_of_sign_ins_is_turned_away",),
    "15.3.4": ("ops/test_proxies.py::a_form_is_sent_and_its_sender_known_by_the_proxys_word",),
    "15.3.7": ("intake/test_forms.py::an_answer_given_twice_is_refused",),
    "16.2.1": (f"{LOG}a_line_for_a_machine_is_one_json_object_of_named_facts",),
    "16.2.4": (f"{LOG}production_writes_json_and_development_plain_lines",),
    "16.2.5": (
        f"{LOG}nothing_typed_is_logged_when_it_is_refused",
        f"{LOG}nothing_typed_is_logged_when_we_are_at_fault",
    ),
    "16.3.1": (f"{SIGN_IN}sign_ins_and_failures_are_in_the_trail_without_an_address",),
    "16.3.2": ("staff/test_request.py::every_opening_is_in_the_trail_and_nothing_else_is_written",),
    "16.4.1": (f"{LOG}a_request_is_one_line",),
    "16.4.2": (
        "test_db.py::the_trail_is_append_only",
        "retention/test_retention.py::the_trail_and_consent_end_by_an_act_that_is_sealed",
    ),
    "16.5.1": ("house/test_odd_heads.py::an_error_beyond_the_pages_has_words_and_headers",),
    "16.5.2": ("mail/test_delivery.py::a_relay_that_is_down_costs_no_mail_a_try",),
    "16.5.3": ("staff/test_request.py::where_an_opening_cannot_be_recorded_nothing_is_shown",),
    "1.1.2": (f"{CODE}a_text_is_said_to_be_html_only_where_that_is_known",),
    "1.2.2": (
        "library/test_markdown.py::a_script_link_is_not_made_and_is_a_fault",
        "library/test_markdown.py::any_other_link_is_a_fault",
    ),
    "1.2.3": ("house/test_design.py::templates_carry_no_inline_style_or_script",),
    "1.2.5": (f"{CODE}no_program_is_started_by_a_shell",),
    "1.2.9": (f"{CODE}no_pattern_is_made_of_what_was_typed",),
    "1.3.1": ("library/test_markdown.py::html_is_printed_not_obeyed",),
    "1.3.2": (f"{CODE}nothing_is_evaluated_and_no_object_is_read",),
    "1.3.5": ("library/test_markdown.py::html_is_printed_not_obeyed",),
    "1.3.6": (
        f"{CODE}whom_the_portal_speaks_to_is_written_down",
        "intake/test_checks.py::the_address_of_the_remote_registry_is_judged_at_the_start",
    ),
    "1.3.7": (
        f"{CODE}nothing_is_evaluated_and_no_object_is_read",
        "print/test_guide.py::what_an_author_writes_is_never_code",
    ),
    "1.3.10": (f"{CODE}no_form_of_a_sentence_is_made_of_what_was_typed",),
    "1.4.2": (
        "desk/test_search.py::a_cursor_that_is_none_gives_the_first_page",
        "staff/test_request.py::a_version_that_is_none_is_a_stale_one",
        "house/test_odd_heads.py::no_damaged_address_makes_an_error",
    ),
    "1.5.2": (f"{CODE}nothing_is_evaluated_and_no_object_is_read",),
    "2.1.1": (f"{CODE}what_is_written_down_is_there_with_its_numbers",),
    "2.1.2": ("intake/test_kinds.py::what_contradicts_itself_is_named_each_by_its_own_sentence",),
    "2.1.3": (f"{CODE}what_is_written_down_is_there_with_its_numbers",),
    "3.2.1": (f"{WALK}every_answer_carries_the_security_headers",),
    "3.4.2": (
        f"{WALK}every_answer_carries_the_security_headers",
        "newsletter/test_ways_in.py::no_other_address_lets_other_sites_read",
    ),
    "4.1.1": (f"{WALK}every_answer_carries_the_security_headers",),
    "4.2.1": ("ops/test_front.py::two_requests_are_never_read_as_one_nor_one_as_two",),
    "5.4.2": (f"{CODE}a_file_that_is_given_out_has_a_name_of_ours",),
    "6.1.1": (
        f"{CODE}what_is_written_down_is_there_with_its_numbers",
        f"{SERVICE}lifetimes_are_those_we_state",
    ),
    "6.1.2": (f"{SERVICE}what_may_be_a_password",),
    "6.1.3": (f"{CODE}what_is_written_down_is_there_with_its_numbers",),
    "6.2.2": (f"{SESSIONS}a_new_password_ends_the_other_sessions_and_keeps_this_one",),
    "6.2.3": (f"{SIGN_IN}a_new_password_needs_the_one_before",),
    "6.2.5": (f"{SERVICE}what_may_be_a_password",),
    "6.2.6": (f"{SIGN_IN}what_is_asked_for_a_password_helps_a_password_manager",),
    "6.2.7": (f"{SIGN_IN}what_is_asked_for_a_password_helps_a_password_manager",),
    "6.2.10": (f"{SIGN_IN}a_password_never_has_to_be_changed",),
    "6.2.11": (f"{SERVICE}what_may_be_a_password",),
    "6.2.12": (f"{SERVICE}what_may_be_a_password",),
    "6.4.2": (f"{SIGN_IN}what_is_asked_for_a_password_helps_a_password_manager",),
    "6.4.4": (
        "staff/test_people.py::a_new_link_voids_what_they_had",
        "ops/test_commands.py::somebody_who_lost_their_phone_gets_a_link",
    ),
    "6.5.3": (f"{CODE}chance_that_guards_something_is_the_systems",),
    "6.5.4": (f"{HOLES}hole_3_recovery_codes_are_kept_as_hashes",),
    "6.6.2": (
        f"{SIGN_IN}the_second_step_needs_the_first",
        f"{PASSKEYS}an_answer_works_once_and_only_where_it_was_asked",
    ),
    "7.1.1": (f"{SERVICE}lifetimes_are_those_we_state",),
    "7.1.2": (f"{SESSIONS}nobody_has_more_than_five_sessions",),
    "7.2.2": (f"{SESSIONS}the_cookie_is_new_at_each_step_and_the_old_one_opens_nothing",),
    "7.4.4": (f"{SIGN_IN}each_page_of_who_is_signed_in_offers_the_way_out",),
    "8.1.1": ("staff/test_roles.py::every_blueprint_stands_in_the_table",),
    "8.1.2": ("staff/test_request.py::the_desk_reads_no_answer_of_a_consultation_but_its_own_notes",),
    "9.1.2": ("test_tokens.py::a_changed_or_foreign_stamp_is_none",),
    "11.1.1": (f"{CODE}what_is_written_down_is_there_with_its_numbers",),
    "11.1.2": (
        f"{CODE}what_is_written_down_is_there_with_its_numbers",
        f"{CODE}hashes_and_ciphers_are_of_libraries_and_none_is_old",
    ),
    "11.2.1": (f"{CODE}hashes_and_ciphers_are_of_libraries_and_none_is_old",),
    "11.2.3": (f"{CODE}hashes_and_ciphers_are_of_libraries_and_none_is_old",),
    "11.3.1": (f"{CODE}hashes_and_ciphers_are_of_libraries_and_none_is_old",),
    "11.3.2": (f"{CODE}hashes_and_ciphers_are_of_libraries_and_none_is_old",),
    "11.4.1": (f"{CODE}hashes_and_ciphers_are_of_libraries_and_none_is_old",),
    "11.4.3": (f"{CODE}hashes_and_ciphers_are_of_libraries_and_none_is_old",),
    "12.1.1": ("ops/test_proxies.py::only_tls_of_today_is_spoken",),
    "12.1.2": ("ops/test_proxies.py::only_tls_of_today_is_spoken",),
    "12.2.1": ("ops/test_proxies.py::only_tls_of_today_is_spoken",),
    "12.3.2": ("mail/test_transport.py::a_certificate_that_nobody_vouches_for_gets_nothing",),
    "13.1.1": (f"{CODE}whom_the_portal_speaks_to_is_written_down",),
    "13.2.4": (f"{CODE}whom_the_portal_speaks_to_is_written_down",),
    "13.4.1": (f"{CODE}what_only_an_attacker_asks_for_is_not_there",),
    "13.4.3": (f"{CODE}what_only_an_attacker_asks_for_is_not_there",),
    "13.4.4": (f"{CODE}a_trace_is_refused",),
    "14.1.1": ("test_keeping.py::what_looks_personal_is_called_so",),
    "14.1.2": ("test_keeping.py::the_docs_say_what_the_register_says",),
    "14.3.3": (f"{CODE}scripts_keep_nothing_in_the_browser",),
    "15.1.1": (f"{CODE}what_is_written_down_is_there_with_its_numbers",),
    "15.1.3": (f"{CODE}what_is_written_down_is_there_with_its_numbers",),
    "15.2.3": ("ops/test_deploy.py::the_image_runs_what_the_unit_runs_and_no_more",),
    "15.3.1": (
        "intake/test_views.py::a_receipt_shows_nothing_that_was_typed",
        "asker/test_pages.py::notes_and_what_may_be_taken_back_are_not_shown",
    ),
    "15.3.2": ("npi/test_remote.py::a_server_that_goes_on_failing_and_one_that_sends_us_elsewhere",),
    "15.3.3": (f"{CODE}a_field_that_the_form_has_not_changes_nothing",),
    "15.3.5": ("house/test_wrong_types.py::a_value_of_another_type_is_refused_by_the_json_address",),
    "16.1.1": ("house/test_repository.py::every_audit_action_is_documented_and_back",),
    "16.2.2": (f"{LOG}a_line_for_a_machine_is_one_json_object_of_named_facts",),
    "16.2.3": (f"{LOG}production_writes_json_and_development_plain_lines",),
    "16.3.3": (
        f"{SIGN_IN}sign_ins_and_failures_are_in_the_trail_without_an_address",
        f"{LOG}a_request_is_one_line",
    ),
    "16.3.4": (
        f"{LOG}an_exception_is_named_by_its_kind_and_place",
        f"{LOG}nothing_typed_is_logged_when_we_are_at_fault",
    ),
    "16.4.3": (
        "seals/test_seals.py::an_end_that_was_cut_off_is_seen_by_what_was_kept_elsewhere",
        "seals/test_seals.py::a_backup_holds_the_head_and_is_refused_without_it",
    ),
}
# What only the machine that serves can show: a check of `flask doctor`.
DOCTOR = {
    "12.2.2": "`flask doctor --network`, tls: the certificate is one that browsers believe, for two more weeks",
    "13.2.1": "`flask doctor`, instance: others can read neither settings nor data",
    "13.2.5": "`IPAddressAllow=` in deploy/systemd/ldn-portal.service names whom the portal may speak to",
}
# Those that apply and that nothing here holds, and why.
OPEN = {
    "4.1.2": "what is answered without TLS is the proxy's: the examples listen with it alone",
    "11.3.3": "authenticators' secrets are sealed in passlib's form, AES-256-CTR, which proves nothing: "
    "who writes into the table can spoil one, and it is then a wrong code",
    "15.2.1": "whether a pin has a known weakness is asked where there is a network (SECURITY.md says when)",
}


def node(name: str) -> str:
    """What pytest calls it."""
    file, _, test = name.partition("::")
    return f"tests/{file}::test_{test}"


def named() -> set[str]:
    """Every test that is named here."""
    lists: list[Iterable[str]] = [*(tests for _, tests, _ in FAULTS.values()), *ASVS.values(), CONTROLS]
    return {name for names in lists for name in names}


@cache
def tests_of(file: str) -> frozenset[str]:
    """The tests that a file has."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef))


def missing() -> list[str]:
    """Those named that are not there."""
    found = (name.partition("::") for name in sorted(named()))
    return [f"{file}::{test}" for file, _, test in found if f"test_{test}" not in tests_of(file)]


def marks(path: str, test: str) -> list[str]:
    """The lines of ASVS that a test holds."""
    name = f"{path}::{test.removeprefix('test_').partition('[')[0]}"
    return [line for line, tests in ASVS.items() if name in tests]


def asvs_page() -> str:
    """docs/asvs.md."""
    rows = [
        f"| {line} | {', '.join(_shown(name) for name in ASVS[line])} |" for line in sorted(ASVS, key=_number)
    ]
    rows += [f"| {line} | {words} |" for line, words in DOCTOR.items()]
    rows += [f"| {line} | nothing here: {why} |" for line, why in OPEN.items()]
    return f"""# OWASP ASVS 5.0.0

Of levels 1 and 2, the lines that apply to this portal, and what holds each: a test, or a check of the machine
that serves. Made from `tests/promises.py` by `python -m tests.promises asvs`; `pytest -m asvs` runs them.
{len(ASVS)} lines are held by tests, {len(DOCTOR)} by the machine; {len(OPEN)} by nothing here (see the end).

| Line | Held by |
|---|---|
{chr(10).join(rows)}
"""


def _shown(name: str) -> str:
    file, _, test = name.partition("::")
    return f"{test.replace('_', ' ')} (`{file}`)"


def _number(line: str) -> tuple[int, ...]:
    return tuple(int(part) for part in line.split("."))


def faults_page(outcomes: Outcomes, on_postgres: Outcomes, form: str) -> str:
    """docs/faults.md, from what came out of a run: of each test how it ended, and how long it took."""
    rows = []
    for number, (what, tests, not_run) in FAULTS.items():
        told = [_ended(name, outcomes, on_postgres) for name in tests]
        rows.append(f"| {number} | {what} | {'; '.join(told) or 'not run'} | {not_run or ''} |")
    controls = [f"| {words} | {_ended(name, outcomes, on_postgres)} |" for name, words in CONTROLS.items()]
    both = Counter(how for how, _ in on_postgres.values())
    once = Counter(how for name, (how, _) in outcomes.items() if how != "skipped" or name not in on_postgres)
    return f"""# Faults, and what came of them

Written by a run of `make faults` ({form} form), never by hand. Of {sum(once.values())} tests
{once["held"]} held, {once[SECOND]} {SECOND}, {once["FAILED"]} failed,
{once["skipped"]} skipped for want of a program or a server.
Those that start no portal of their own ran on PostgreSQL too:
{both["held"]} held, {both[SECOND]} {SECOND}, {both["FAILED"]} failed. What is not run stands in the last column,
with the reason.

| | What is broken | How it ended | Not run, and why |
|---|---|---|---|
{chr(10).join(rows)}

## Controls

| A harness that could not fail would prove nothing | |
|---|---|
{chr(10).join(controls)}
"""


def _ended(name: str, outcomes: Outcomes, on_postgres: Outcomes) -> str:
    (how, seconds), (there, _) = outcomes.get(name, ("not run", 0.0)), on_postgres.get(name, ("", 0.0))
    if there and how == "skipped":  # it is of that database alone
        return f"{_shown(name)}: **{there}** on PostgreSQL"
    also = f", on PostgreSQL {there}" if there else ""
    return f"{_shown(name)}: **{how}**" + (f", {seconds:.0f} s" if seconds >= 1 else "") + also


def run(*, full: bool) -> tuple[Outcomes, Outcomes]:
    """Run the faults' tests, and on PostgreSQL those that keep to the suite's own database; how each ended."""
    form = ["--full"] if full else []
    there = _asked("tests.postgres", [*form, "-m", "not kill and not recipe and not browser"], ON_POSTGRES)
    return _asked("pytest", [*form, "-n", "2", "--dist", "loadgroup"]), {
        name: outcome for name, outcome in there.items() if outcome[0] != "skipped"
    }


def _asked(module: str, words: list[str], having: tuple[str, str] | None = None) -> Outcomes:
    """What the faults' tests come to, run by this module with these words; whatever fails is tried again, alone."""
    names = sorted({name for _, tests, _ in FAULTS.values() for name in tests} | set(CONTROLS))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", module, *words]
        subprocess.run([*command, f"--junitxml={report}", *map(node, names)], cwd=TESTS.parent, check=False)
        outcomes = read(report.read_text(encoding="utf-8"), having) if report.exists() else {}
        for name in [name for name, (how, _) in outcomes.items() if how == "FAILED"]:
            if (
                subprocess.run([*command, "-n", "0", node(name)], cwd=TESTS.parent, check=False).returncode
                == 0
            ):
                outcomes[name] = SECOND, outcomes[name][1]  # the machine may have been busy
        return outcomes


def read(report: str, having: tuple[str, str] | None = None) -> Outcomes:
    """How each test of a JUnit report ended, or of those that have this property."""
    outcomes = Outcomes()
    for case in ElementTree.fromstring(report).iter("testcase"):
        told = [(one.get("name"), one.get("value")) for one in case.iter("property")]
        if having is not None and having not in told:
            continue
        file = str(case.get("classname", "")).removeprefix("tests.").replace(".", "/") + ".py"
        test = str(case.get("name", "")).partition("@")[0].partition("[")[0]  # after the @ stands its group
        name = f"{file}::{test.removeprefix('test_')}"
        bad = any(case.find(kind) is not None for kind in ("failure", "error"))
        how = "FAILED" if bad else "skipped" if case.find("skipped") is not None else "held"
        before, seconds = outcomes.get(name, (how, 0.0))
        worst = min(before, how, key=["FAILED", "held", "skipped"].index)
        outcomes[name] = worst, seconds + float(case.get("time", 0))
    return outcomes


def main(words: list[str]) -> int:
    """Write the page that is asked for."""
    if words[:1] == ["asvs"]:
        (DOCS / "asvs.md").write_text(asvs_page(), encoding="utf-8")
        return 0
    form = "short" if "--short" in words else "long"
    outcomes, on_postgres = run(full=form == "long")
    page = DOCS / "faults.md"
    _, crowds, measured = page.read_text(encoding="utf-8").partition(CROWDS)
    page.write_text(faults_page(outcomes, on_postgres, form) + crowds + measured, encoding="utf-8")
    ended = [how for how, _ in (*outcomes.values(), *on_postgres.values())]
    return 1 if "FAILED" in ended else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
