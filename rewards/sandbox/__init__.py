"""Where programs that a model wrote run: isolated, bounded, and killed with everything they started."""
