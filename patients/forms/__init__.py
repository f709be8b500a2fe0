"""What clerks type, checked and turned into facts; no writes."""
