"""Where functions are invoked from outside, by id and by event, as at the vendor's gateway."""
