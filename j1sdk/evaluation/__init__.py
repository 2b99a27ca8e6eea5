"""How good a judge is: its metrics, and reports that show them."""
