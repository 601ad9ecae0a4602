"""What a receiver meant by its refusal: replies, logs, reports and headers, read by rules that are data. Pure."""
