"""The sample browser's rows: which ones a page shows, and how it holds them."""
