"""Makes preference pairs, and says what is wrong with them: `j1 data build`, `j1 data check`."""
