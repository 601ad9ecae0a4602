"""Teams: receives messages and card actions, answers with Adaptive Cards."""
