"""Draws the pictures of the evidence (`make pictures`): needs the plotting library, which the portal does not."""
