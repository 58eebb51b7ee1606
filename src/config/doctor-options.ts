import { path } from './kinds.js';
import { inGroup, optional } from './option.js';
import { SERVE_OPTIONS } from './serve-options.js';

/** All that `doctor` takes: what `serve` does, and what Django was found to be. */
export const DOCTOR_OPTIONS = {
  ...inGroup('Site', {
    facts: optional(path('file'), {
      help: "what the probe of `adopt` printed inside Django: compare this configuration with Django's",
      absentText: 'it is not compared',
    }),
  }),
  ...SERVE_OPTIONS,
};
