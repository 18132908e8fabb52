"""What `make bench` runs: everything that is compared is measured in one run, on one machine."""
