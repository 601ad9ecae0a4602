"""The doors to the network: DNS, web pages and mail servers."""
