"""Signing in: passwords, codes, sessions, and the gate that every staff page stands behind."""
