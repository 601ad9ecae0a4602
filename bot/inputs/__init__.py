"""What a person or a file names: targets, domain names, special-purpose addresses, durations. Pure."""
