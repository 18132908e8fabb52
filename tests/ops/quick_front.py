"""The portal's front with less patience (`test_front.py` has a server load it)."""

from portal import front as patient
from wsgi import front

patient.HEAD_SECONDS = 3
patient.BODY_SECONDS = 3.0
__all__ = ["front"]
