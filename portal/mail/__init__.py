"""The mail room: a transactional outbox and the transports that empty it. It knows no people and no features."""
