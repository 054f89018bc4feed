"""What source labels mean: for now classification."""
