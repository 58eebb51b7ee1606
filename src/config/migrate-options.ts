import { toggle } from './option.js';
import { SHARED_OPTIONS } from './shared-options.js';

/** All that `migrate` takes. */
export const MIGRATE_OPTIONS = {
  'create-tables': toggle({
    help: "make simplejwt's tables where there are none: for a database without Django",
  }),
  ...SHARED_OPTIONS,
};
