"""The desk: a terminal screen that draws frames and sends commands; it holds no market state."""
