"""The resource's pages: each text at its address, the professional gate, the dose plan, the downloads."""
