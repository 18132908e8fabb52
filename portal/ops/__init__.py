"""What the people who run the portal need: checks, health pages, logs."""
