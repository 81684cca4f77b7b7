"""Messages to people: neutral blocks, their formats, the channels, and the ledger of what was delivered."""
