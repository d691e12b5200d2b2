"""The TARGET: the bot under test. What it says of itself, how it is asked, and the demo bot."""
