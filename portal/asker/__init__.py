"""The side of whoever asked: reading it all after a code sent by mail, and adding to it."""
