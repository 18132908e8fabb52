"""The texts on paper: the prescribers' guide, from the same Markdown as the pages, set by Typst."""
