"""The market: order states, ledger, risk gate, matching, kernel, and the exchange that joins them."""
