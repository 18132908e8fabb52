"""The LDN Prescriber Portal: a compounding pharmacy's resource, intake and newsletter."""
