"""The staff pages: they stand over the rooms below, and hold no models and no rules of their own."""
