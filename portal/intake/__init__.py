"""Requests from prescribers: what they may ask, what is kept, and the guard against patient data."""
