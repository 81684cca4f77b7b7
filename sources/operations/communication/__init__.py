"""Communication: messages, reviews, notifications, insights and live changes."""
