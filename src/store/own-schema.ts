/**
 * The schema of our own objects: what is written here and nowhere else in SQL, as no text of Django's is. Settings
 * (`carelink.quiet`) are no objects, and triggers and the notification channel have names of their own.
 */
export const OWN_SCHEMA = 'carelink';
