"""The newsletter room: signing up, confirming by one's own press of a button, choosing, pausing, leaving, erasing."""
