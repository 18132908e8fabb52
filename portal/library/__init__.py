"""The content room: Markdown texts become checked, typed pages; nothing wrong gets past the start."""
