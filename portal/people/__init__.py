"""The accounts room: who works here, and how they prove it. Every feature above may name a person."""
