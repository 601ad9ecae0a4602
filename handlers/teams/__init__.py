"""Teams: hears messages, mentions and buttons, and draws the answers as Adaptive Cards."""
