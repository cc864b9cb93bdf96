"""``t2rl report``: one HTML file about one or more runs, and the figures that ``t2rl watch`` shows too."""
