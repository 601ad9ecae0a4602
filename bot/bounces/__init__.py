"""What a receiver meant by its refusal: replies, logs, delivery reports and headers, read by rules that are data. Pure."""
