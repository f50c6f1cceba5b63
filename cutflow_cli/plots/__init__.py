"""Pictures, drawn from arrays and tables already computed."""
