"""Run directories as people look at them: what a run is, where it stands, its rows and samples."""
