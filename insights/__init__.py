"""What the figures say: findings, and the words that they are told in."""
