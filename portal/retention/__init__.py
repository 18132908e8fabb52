"""How what is kept of people ends: by age, and when they ask."""
