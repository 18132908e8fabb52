"""The editions room: a newsletter written, checked, frozen, and sent once to each subscriber who wants it."""
