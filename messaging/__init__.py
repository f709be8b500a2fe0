"""HL7 in and HL7 out: the feed into the record, the journal out to every destination."""
