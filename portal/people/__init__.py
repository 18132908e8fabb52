"""The people room: who works here, and what they sign in with. Every feature above may name a person."""
