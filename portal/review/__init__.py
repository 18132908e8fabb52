"""The texts' signatures: which statement a pharmacist has agreed to, and the pack to do it on paper."""
