"""Backups: one file that was checked, kept in generations, and brought back with care for what was mailed since."""
