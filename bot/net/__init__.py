"""Network clients: DNS, HTTPS and SMTP."""
