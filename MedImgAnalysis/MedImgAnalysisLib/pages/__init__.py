"""Results as one HTML file each: pictures, plots and tables; they open anywhere, without network."""
