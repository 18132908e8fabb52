"""National provider numbers: the check digit, the form field, and what a registry says about them."""
