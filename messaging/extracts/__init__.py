"""Files a PAS writes out whole: HL7 batches and CSV extracts, read piece by piece; pure, knows no table."""
