"""The mail room: promised as rows, written by the worker, handed over in lanes. It knows no people, no features."""
