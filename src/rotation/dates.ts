/** The last date that Python's datetime, and so Django, knows. */
export const END_OF_YEAR_9999_SECONDS = 253_402_300_799;
